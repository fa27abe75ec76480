"""The `mesh` command.

Exit codes: 0 kept every promise, 1 broke one, 2 was called wrongly, 130 was interrupted.
"""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from shutil import rmtree
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from mesh_cli import doctor as examination
from mesh_cli import documents
from mesh_cli.embedded import EmbeddedMesh, Ports, PortTaken, embedded
from mesh_cli.parts import ROOT, PartMissing
from mesh_cli.processes import ProcessDied

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False)
FirstPort = Annotated[
    int, typer.Option(help="The mesh uses this port and the next ones.", min=1024, max=65_000)
]
STATE = ROOT / ".mesh"
TROUBLE = (PortTaken, PartMissing, ProcessDied, TimeoutError)


@app.command()
def dev(
    first_port: FirstPort = 8370, fresh: Annotated[bool, typer.Option(help="Forget the last state.")] = False
) -> None:
    """Run the mesh and keep it running until Ctrl-C."""
    console, state_dir = Console(), STATE / "dev"
    if fresh:
        rmtree(state_dir, ignore_errors=True)
    with _one_clear_line(), embedded(state_dir, Ports(first_port)) as mesh:
        console.print(_addresses(mesh))
        console.print(
            f"Admin key: {mesh.admin_key_file}\nLogs:      {state_dir / 'logs'}\nCtrl-C stops the mesh."
        )
        _wait_for_interrupt()


@app.command()
def doctor(first_port: FirstPort = 8370) -> None:
    """Say what is missing on this machine, and how to mend it."""
    findings = list(examination.examine(Ports(first_port)))
    for finding in findings:
        mark = "ok" if finding.ok else "MISSING" if finding.needed else "absent"
        typer.echo(f"{mark:8} {finding.subject:12} {finding.text}")
    raise typer.Exit(any(finding.needed and not finding.ok for finding in findings))


@app.command()
def openapi(
    check: Annotated[bool, typer.Option(help="Compare only; exit 1 when one is stale.")] = False,
) -> None:
    """Write docs/openapi and docs/asyncapi.json from the code."""
    made = documents.generate()
    if not check:
        documents.write(made)
        return
    for path in (stale := documents.stale(made)):
        typer.echo(f"{path.relative_to(ROOT)} is stale: run `make openapi`", err=True)
    raise typer.Exit(bool(stale))


@contextmanager
def _one_clear_line() -> Generator[None, None, None]:
    """What went wrong as one message without a traceback."""
    try:
        yield
    except TROUBLE as trouble:
        typer.echo(f"mesh: {trouble}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _addresses(mesh: EmbeddedMesh) -> Table:
    table = Table("service", "address", "OpenAPI page")
    for service in mesh.ports.services:
        table.add_row(service, mesh.url(service), f"{mesh.url(service)}/docs")
    return table


def _wait_for_interrupt() -> None:
    threading.Event().wait()
