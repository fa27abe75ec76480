"""What went wrong, as one line and an exit code."""

import signal
from collections.abc import Generator
from contextlib import contextmanager

import typer
from mesh_client import MeshError, Problem, Unreachable

from mesh_cli.demo.stage import BrokenPromise
from mesh_cli.embedded import PortTaken, StateTaken
from mesh_cli.parts import PartMissing
from mesh_cli.processes import ProcessDied

TROUBLE = (PortTaken, StateTaken, PartMissing, ProcessDied, BrokenPromise, TimeoutError, MeshError)

NEXT = {
    "no-requirement-recognised": "Name what is needed by --capability: `mesh agents` lists what is offered."
}
"""What to do about a refusal whose own words are for those who write requests by hand."""


@contextmanager
def one_clear_line() -> Generator[None, None, None]:
    """What went wrong as one message without a traceback."""
    # A shell starts what it puts in the background deaf to Ctrl-C; a mesh has to end when it is told to.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except TROUBLE as trouble:
        typer.echo(f"mesh: {trouble} {_cure(trouble)}".rstrip(), err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _cure(trouble: BaseException) -> str:
    if isinstance(trouble, Unreachable):
        return "Start a mesh with `make dev`, or name the first port of one that runs by --first-port."
    return NEXT.get(trouble.code, "") if isinstance(trouble, Problem) else ""
