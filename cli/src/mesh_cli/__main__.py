"""`python -m mesh_cli` is the `mesh` command."""

from mesh_cli.main import app

app()
