"""`mesh up` and `mesh down`: the mesh of docker-compose.yml, by the recipes of the Makefile."""

import shutil
import subprocess
from enum import StrEnum
from typing import Annotated

import typer

from mesh_cli.parts import ROOT, PartMissing
from mesh_cli.trouble import one_clear_line


class Profile(StrEnum):
    """What docker-compose.yml has besides the mesh."""

    OBSERVABILITY = "observability"
    AKASH_LIVE = "akash-live"


def up(profile: Annotated[Profile | None, typer.Option(help="What else is to run.")] = None) -> None:
    """Run the mesh with docker-compose; returns when all of it is ready, exit 1 when it is not."""
    _make("up", *([f"PROFILE={profile}"] if profile else []))


def down() -> None:
    """Stop the mesh of docker-compose; its data stays."""
    _make("down")


def _make(*argv: str) -> None:
    with one_clear_line():
        found = shutil.which("make")
        if found is None:
            raise PartMissing("make is not installed: install make.")
        done = subprocess.run([found, "--no-print-directory", "-C", ROOT, *argv], check=False)  # noqa: S603 - ours
        raise typer.Exit(done.returncode != 0)
