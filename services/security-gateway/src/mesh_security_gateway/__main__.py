"""`python -m mesh_security_gateway`: settings from the environment, then serve until told to stop."""

import resource

from mesh_shared import lean, serve  # noqa: F401 # pyright: ignore[reportUnusedImport] - lean is first

from mesh_security_gateway.api.refusals import Marked
from mesh_security_gateway.app import create_app
from mesh_security_gateway.settings import Settings

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump of our memory would hold secrets
    serve.main(Settings, create_app, with_websockets=True, http=Marked)  # pyright: ignore[reportArgumentType] - the environment has the rest
