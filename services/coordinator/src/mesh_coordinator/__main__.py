"""`python -m mesh_coordinator`: settings from the environment, then serve until told to stop."""

from mesh_shared import lean, serve  # noqa: F401 # pyright: ignore[reportUnusedImport] - lean is first

from mesh_coordinator.app import create_app
from mesh_coordinator.settings import Settings

if __name__ == "__main__":
    serve.main(Settings, create_app)  # pyright: ignore[reportArgumentType] - the environment has the rest
