"""`python -m mesh_console`: settings from the environment, then serve until told to stop."""

from contextlib import suppress

import uvicorn
from mesh_shared import silence, telemetry
from mesh_shared.framing import Framed

from mesh_console.app import create_app
from mesh_console.settings import Settings

GRACE_S = 2
"""How long open pages may take at the end; the streams among them would never end by themselves."""

if __name__ == "__main__":
    settings = Settings()  # pyright: ignore[reportCallIssue] - the environment has the rest
    telemetry.logs("console", settings.log_level)
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        http=Framed,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    with suppress(KeyboardInterrupt):
        silence.Server(config).run()
