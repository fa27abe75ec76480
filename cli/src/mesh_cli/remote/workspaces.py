"""`mesh analyze`: what a change in a workspace affects, and why."""

from typing import Annotated

import typer
from mesh_client.analyzer import Affected, Analysis
from rich.console import Console

from mesh_cli.remote.way import ADMIN_KEY, AsJson, FirstPort, KeyFile, ask, show, table, tell

Workspace = Annotated[str, typer.Argument(help="A folder under the analyzer's roots.")]
Base = Annotated[str, typer.Option(help="The commit, branch or tag to compare with.")]
Head = Annotated[str, typer.Option(help="The commit, branch or tag that is looked at.")]


def analyze(
    workspace: Workspace,
    *,
    base: Base = "main",
    head: Head = "HEAD",
    first_port: FirstPort = 8370,
    key_file: KeyFile = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """Say what changed since a base affects, through which files and dependencies."""
    console = Console(quiet=as_json)
    with console.status("looking at the workspace"):
        analysis = ask(
            lambda mesh: mesh.analyzer.analyze(workspace, base=base, head=head), first_port, key_file
        )
    tell(analysis) if as_json else _show(console, analysis)


def _show(console: Console, analysis: Analysis) -> None:
    show(console, analysis.text, *(f"note: {warning}" for warning in analysis.warnings))
    table(
        console,
        "project",
        "because of",
        "through",
        rows=[
            (one.project, one.files[0] if one.files else one.reason, _way(one))
            for one in analysis.affected_detail
        ],
    )
    show(console, *(f"{advice.severity}: {advice.title}" for advice in analysis.recommendations))


def _way(affected: Affected) -> str:
    return " > ".join([affected.project, *(edge["target"] for edge in affected.via)])
