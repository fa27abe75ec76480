"""The `mesh` command, also as `python -m mesh_cli`."""

import sys
from importlib import import_module

from mesh_cli import extensions


def main() -> None:
    """Runs `mesh`; what a package brings starts at once, without loading what the other commands need."""
    brought = extensions.named(*sys.argv[1:2])
    if brought is not None:
        sys.exit(brought.load()(sys.argv[2:]))
    import_module("mesh_cli.main").app()


if __name__ == "__main__":
    main()
