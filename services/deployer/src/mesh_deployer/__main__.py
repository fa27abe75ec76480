"""`python -m mesh_deployer`: settings from the environment, then serve until told to stop."""

from mesh_shared import lean, serve  # noqa: F401 # pyright: ignore[reportUnusedImport] - lean is first

from mesh_deployer.app import create_app
from mesh_deployer.settings import Settings

if __name__ == "__main__":
    serve.main(Settings, create_app)  # pyright: ignore[reportArgumentType] - the environment has the rest
