"""`python -m mesh_workspace_analyzer`: settings from the environment, then serve until told to stop."""

from mesh_shared import lean, serve  # noqa: F401 # pyright: ignore[reportUnusedImport] - lean is first

from mesh_workspace_analyzer.app import create_app
from mesh_workspace_analyzer.settings import Settings

if __name__ == "__main__":
    serve.main(Settings, create_app, loop="asyncio")  # pyright: ignore[reportArgumentType] - the environment has the rest
