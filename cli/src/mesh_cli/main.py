"""The `mesh` command.

Exit codes: 0 kept every promise, 1 broke one, 2 was called wrongly, 130 was interrupted.
"""

import asyncio
import json
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from mesh_cli import audit, configuration, documents, extensions
from mesh_cli import doctor as examination
from mesh_cli.chain import Chain
from mesh_cli.composed import down, up
from mesh_cli.demo import story
from mesh_cli.embedded import EmbeddedMesh, Ports, embedded
from mesh_cli.parts import ROOT
from mesh_cli.remote.agents import agents
from mesh_cli.remote.deployments import deploy, undeploy
from mesh_cli.remote.events import tail
from mesh_cli.remote.mcp import mcp
from mesh_cli.remote.runs import run
from mesh_cli.remote.way import AsJson
from mesh_cli.remote.workspaces import analyze
from mesh_cli.trouble import one_clear_line

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Agents that find, hire, pay and deploy each other. `mesh dev` runs a mesh; the others ask it.",
)
FirstPort = Annotated[
    int, typer.Option(help="The mesh uses this port and the next ones.", min=1024, max=65_000)
]
STATE = ROOT / ".mesh"
StateDir = Annotated[Path, typer.Option(help="Where the mesh keeps its databases, keys and logs.")]
STARTING = "Starting Anvil, Redis and five services on loopback…"
WRITTEN_S = 1.0
"""How much of its chain a kill takes from `mesh dev`; to write down 3,500 blocks is 0.1 s of work."""


@app.command()
def demo(
    first_port: FirstPort = 8370,
    as_json: Annotated[bool, typer.Option("--json", help="Print one object with every figure.")] = False,
    keep: Annotated[
        bool | None,
        typer.Option(help="Keep the mesh running at the end; default: in a terminal."),
    ] = None,
    state_dir: StateDir = STATE / "demo",
) -> None:
    """Run the main job on a fresh mesh and show every step; exit 1 at the first broken promise."""
    console, started = Console(quiet=as_json), time.perf_counter()
    console.print(STARTING)
    with one_clear_line(), embedded(state_dir, Ports(first_port), fresh=True) as mesh:
        figures = asyncio.run(story.tell(mesh, console, started))
        if as_json:
            typer.echo(json.dumps(figures, indent=2))
        _show_recipes(console, figures["curl"])
        if sys.stdout.isatty() and not as_json if keep is None else keep:
            mesh.start_console()
            console.print(
                f"\nThe mesh keeps running: paste a line, or open {mesh.console_url}. Ctrl-C stops it."
            )
            console.print(f"Admin key: {mesh.admin_key_file}")
            _wait_for_interrupt()


@app.command()
def dev(
    first_port: FirstPort = 8370,
    fresh: Annotated[bool, typer.Option(help="Forget the last state.")] = False,
    state_dir: StateDir = STATE / "dev",
    as_json: AsJson = False,
) -> None:
    """Run the mesh and keep it running until Ctrl-C."""
    console = Console(quiet=as_json)
    console.print(STARTING)
    with one_clear_line(), embedded(state_dir, Ports(first_port), fresh=fresh) as mesh:
        mesh.start_console()
        if as_json:
            typer.echo(json.dumps(_place(mesh), indent=2))
        console.print(_addresses(mesh))
        console.print(f"Console:   {mesh.console_url}\nAdmin key: {mesh.admin_key_file}")
        console.print(f"Logs:      {state_dir / 'logs'}\nCtrl-C stops the mesh.")
        _write_down_until_interrupt(mesh.chain)


@app.command()
def doctor(first_port: FirstPort = 8370, as_json: AsJson = False) -> None:
    """Say what is missing on this machine, and how to mend it; exit 1 when something is."""
    findings = list(examination.examine(Ports(first_port)))
    if as_json:
        typer.echo(json.dumps({"findings": [asdict(finding) for finding in findings]}, indent=2))
    for finding in [] if as_json else findings:
        mark = "ok" if finding.ok else "MISSING" if finding.needed else "absent"
        typer.echo(f"{mark:8} {finding.subject:12} {finding.text}")
    raise typer.Exit(any(finding.needed and not finding.ok for finding in findings))


@app.command()
def openapi(
    check: Annotated[bool, typer.Option(help="Compare only; exit 1 when one is stale.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write docs/openapi and docs/asyncapi.json from the code."""
    made = documents.generate()
    stale = [str(path.relative_to(ROOT)) for path in documents.stale(made)]
    if as_json:
        typer.echo(json.dumps({"stale": stale}, indent=2))
    if not check:
        documents.write(made)
        return
    for path in stale:
        typer.echo(f"{path} is stale: run `make openapi`", err=True)
    raise typer.Exit(bool(stale))


def _place(mesh: EmbeddedMesh) -> dict[str, object]:
    services = {service: mesh.url(service) for service in mesh.ports.services}
    return {
        "services": services,
        "console": mesh.console_url,
        "admin_key": str(mesh.admin_key_file),
        "logs": str(mesh.state_dir / "logs"),
    }


def _addresses(mesh: EmbeddedMesh) -> Table:
    table = Table("service", "address", "OpenAPI page")
    for service in mesh.ports.services:
        table.add_row(service, mesh.url(service), f"{mesh.url(service)}/docs")
    return table


def _show_recipes(console: Console, recipes: list[str]) -> None:
    console.print("\nWhile the mesh runs (`make demo ARGS=--keep`), paste:\n")
    for recipe in recipes:
        console.print(f"  {recipe}", markup=False, highlight=False, soft_wrap=True)


def _write_down_until_interrupt(chain: Chain) -> None:
    written = None
    while True:
        time.sleep(WRITTEN_S)
        written = chain.write_down_after(written)


def _wait_for_interrupt() -> None:
    threading.Event().wait()


for command in (up, down, agents, run, deploy, undeploy, analyze, mcp):
    app.command()(command)
app.command(name="events")(tail)
app.add_typer(audit.app, name="audit")
app.add_typer(configuration.app, name="config")
extensions.add_to(app)
