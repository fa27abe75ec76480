"""What went wrong, as one line and an exit code."""

import signal
from collections.abc import Generator
from contextlib import contextmanager

import typer
from mesh_client import MeshError

from mesh_cli.demo.stage import BrokenPromise
from mesh_cli.embedded import PortTaken, StateTaken
from mesh_cli.parts import PartMissing
from mesh_cli.processes import ProcessDied

TROUBLE = (PortTaken, StateTaken, PartMissing, ProcessDied, BrokenPromise, TimeoutError, MeshError)


@contextmanager
def one_clear_line() -> Generator[None, None, None]:
    """What went wrong as one message without a traceback."""
    # A shell starts what it puts in the background deaf to Ctrl-C; a mesh has to end when it is told to.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except TROUBLE as trouble:
        typer.echo(f"mesh: {trouble}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
