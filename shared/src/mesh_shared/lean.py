"""Keeps out of a service what libraries load only because it is installed: 12 to 13 MB of every process.

To be imported before them. `None` in `sys.modules` is Python's own way to say "not here"
(Language Reference, §5.3.1), and each of these libraries does without.

What is imported stays: the garbage collector looks at it when all is there (`mesh_shared.serve`), and not a
hundred times on the way.
"""

import gc
import sys

UNUSED = (
    "cffi",  # pycryptodome, which calls its hashes as fast with ctypes
    "httpx2",  # OpenTelemetry, to trace what is called by it: the MCP server of the command line alone
    "opentelemetry.sdk.metrics",  # redis, to count for somebody; what counts here is `prometheus_client`
    "psutil",  # OpenTelemetry, for the name of the machine's user
    "pydantic.v1",  # FastAPI, to tell models of the old kind from ours
    "pygments",  # httpx's command
    "rich",  # structlog's colours
    "trio",  # httpcore, for another event loop
    "watchfiles",  # uvicorn, to start again when a source changes
)

sys.modules.update(dict.fromkeys(UNUSED))  # pyright: ignore[reportCallIssue, reportArgumentType] - typeshed knows no None here
gc.disable()
