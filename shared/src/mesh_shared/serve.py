"""Runs a service's app under uvicorn."""

import ctypes
import gc
import logging
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from types import FrameType
from typing import Any, Literal, TypeVar

import uvicorn
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from pydantic import ValidationError

from mesh_shared import silence, telemetry
from mesh_shared.database import migrate
from mesh_shared.framing import Framed
from mesh_shared.settings import ServiceSettings

GRACE_S = 10
EXPORT_S = 1.0
YOUNG = 10_000
"""New containers after which the collector looks at them: a request leaves no cycles, but has hundreds."""
MAX_MESSAGE_BYTES = 1 << 20
"""Of a WebSocket's message, however many frames it comes in."""

SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


class _Server(silence.Server):
    """Tells the streams to end as soon as the process is asked to; uvicorn waits for them."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, tracing: TracerProvider) -> None:
        super().__init__(config)
        self._app = app
        self._tracing = tracing

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        # What asked the process to end ends it before Python would export the last spans on its own.
        export = Thread(target=self._tracing.shutdown, daemon=True)
        export.start()
        export.join(EXPORT_S)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if (platform := getattr(self._app.state, "platform", None)) is not None:
            platform.close()
        super().handle_exit(sig, frame)


def websockets(*, are_served: bool) -> dict[str, Any]:
    """Settings of uvicorn. Messages are never compressed, so that their size is what was sent."""
    if not are_served:
        return {"ws": "none"}
    logging.getLogger("uvicorn.error").addFilter(_is_telling)
    return {
        "ws": "websockets-sansio",
        "ws_max_size": MAX_MESSAGE_BYTES,
        "ws_per_message_deflate": False,
    }


def _is_telling(record: logging.LogRecord) -> bool:
    """False for what uvicorn says of handshakes: their address with its query, and that a refusal is none."""
    return "WebSocket" not in str(record.msg) and "without completing handshake" not in str(record.msg)


def _give_back() -> None:
    """Returns to the system what only the start needed, one or two MiB, where malloc is glibc's."""
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def main(
    read: Callable[[], SettingsT],
    create_app: Callable[[SettingsT], FastAPI],
    loop: Literal["auto", "asyncio"] = "auto",
    *,
    with_websockets: bool = False,
    http: type[Framed] = Framed,
) -> None:
    """Reads the settings, builds the app and serves it until told to stop; `http` is what takes a connection.

    `loop` is for who starts processes all the time: asyncio's own loop needs no copy of our memory for that
    (vfork), and uvloop, which "auto" takes where it is installed, does.

    Exits with 2 and one line per fault when the settings are not usable.
    """
    try:
        settings = read()
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False):
            name = "_".join(str(step) for step in fault["loc"]).upper()
            sys.stderr.write(f"MESH_{name}: {fault['msg'].removeprefix('Value error, ')}\n")
        raise SystemExit(2) from None
    settings.prepare()
    migrate.upgrade_beside(settings.database_address(), settings.migrations)
    telemetry.logs(settings.service, settings.log_level)
    tracing = telemetry.tracing(settings.service, "0.1.0", settings.otlp_endpoint)
    trace.set_tracer_provider(tracing)
    app = create_app(settings)
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
    gc.enable()
    _give_back()
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        loop=loop,
        http=http,
        **websockets(are_served=with_websockets),
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    _Server(config, app, tracing).run()
