"""Commands that installed packages add, so that `mesh` need not know them.

A package names a function under the entry-point group `mesh.commands`; it gets the words after its name and
returns the exit code. It is loaded when it is called.
"""

from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer

GROUP = "mesh.commands"
_EVERY_WORD: dict[str, Any] = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}


def named(name: str = "") -> EntryPoint | None:
    """The command of that name that a package brings."""
    return next(iter(entry_points(group=GROUP, name=name)), None)


def add_to(app: typer.Typer) -> None:
    """Adds every command that a package brings."""
    for entry in entry_points(group=GROUP):
        _add(app, entry)


def _add(app: typer.Typer, entry: EntryPoint) -> None:
    package = entry.dist.name if entry.dist else entry.module

    @app.command(entry.name, help=f"Commands of {package}; --help lists them.", context_settings=_EVERY_WORD)
    def command(context: typer.Context) -> None:
        raise typer.Exit(entry.load()(context.args))
