"""`mesh mcp`: the whole mesh as tools of any client of the Model Context Protocol."""

from importlib.util import find_spec

from mesh_client import Mesh
from mesh_client.channel import Patience

from mesh_cli.parts import PartMissing
from mesh_cli.remote.way import ADMIN_KEY, FirstPort, KeyFile, ask
from mesh_cli.trouble import one_clear_line

LONGEST = Patience(request_s=330, timeout_s=330)
"""An action waits for what it began for 300 s at most, and says then that it goes on."""


def mcp(first_port: FirstPort = 8370, key_file: KeyFile = ADMIN_KEY) -> None:
    """Serve the services' actions as MCP tools on stdin and stdout, until stdin ends."""
    with one_clear_line():
        _needs("fastmcp")
    ask(_serve, first_port, key_file, patience=LONGEST)


async def _serve(mesh: Mesh) -> None:
    from mesh_cli.remote.tools import server_of  # noqa: PLC0415 - seconds that no other command should pay

    server = await server_of(mesh)
    await server.run_stdio_async(show_banner=False)


def _needs(module: str) -> None:
    if find_spec(module) is None:
        raise PartMissing("The MCP server is not installed: run `uv sync --all-packages --extra mcp`.")
