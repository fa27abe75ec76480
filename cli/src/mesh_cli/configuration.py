"""`mesh config check`: what the services would run with here, and what of it nobody reads."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from mesh_cli.embedded import PACKAGES
from mesh_cli.remote.way import AsJson, plain

app = typer.Typer(no_args_is_help=True, help="What the services would be started with.")
PREFIX = "MESH_"
OURS = frozenset({"MESH_API_KEY_FILE", "MESH_FIRST_PORT"})
LOAD_S = 30
# In a process of its own: the command line knows no service's code. Settings mask their secrets themselves.
REPORT = """
import json, sys
from importlib import import_module
from pydantic import ValidationError
settings = import_module(sys.argv[1] + ".settings").Settings
try:
    told = {"settings": settings().model_dump(mode="json")}
except ValidationError as refused:
    flaws = refused.errors(include_input=False, include_context=False, include_url=False)
    told = {"flaws": [{"setting": ".".join(map(str, flaw["loc"])), "text": flaw["msg"]} for flaw in flaws]}
print(json.dumps(told | {"known": list(settings.model_fields)}, default=str))
"""

Service = Annotated[
    list[str] | None, typer.Option("--service", "-s", help=f"Only of these: {', '.join(PACKAGES)}.")
]


@dataclass(frozen=True, slots=True)
class Report:
    """What one service makes of this environment; secrets are masked."""

    service: str
    known: frozenset[str]
    settings: dict[str, Any]
    flaws: list[dict[str, str]]


@app.command()
def check(
    service: Service = None,
    as_json: AsJson = False,
) -> None:
    """Print the effective settings with secrets masked; exit 1 when a service would not start."""
    if unknown := sorted(set(service or ()) - set(PACKAGES)):
        raise typer.BadParameter(f"there is no service {unknown[0]}: {', '.join(PACKAGES)}")
    reports = [_report(name) for name in service or PACKAGES]
    unread = _unread(reports) if service is None else []
    if as_json:
        told = {one.service: {"settings": one.settings, "flaws": one.flaws} for one in reports}
        typer.echo(json.dumps({"services": told, "unread": unread}, indent=2))
    else:
        _show(reports, unread)
    raise typer.Exit(any(one.flaws for one in reports))


def _report(service: str) -> Report:
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", REPORT, PACKAGES[service]],
        capture_output=True,
        text=True,
        check=True,
        timeout=LOAD_S,
    )
    told = json.loads(done.stdout)
    return Report(service, frozenset(told["known"]), told.get("settings", {}), told.get("flaws", []))


def _unread(reports: list[Report]) -> list[str]:
    """Variables that look like settings and are none of any service: most often a slip of the pen."""
    known = {f"{PREFIX}{name.upper()}" for one in reports for name in one.known} | OURS
    return sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)


def _show(reports: list[Report], unread: list[str]) -> None:
    for one in reports:
        typer.echo(f"{one.service}:")
        for name, value in one.settings.items():
            typer.echo(plain(f"  {PREFIX}{name.upper()}={value}"))
        for flaw in one.flaws:
            typer.echo(plain(f"  would not start: {PREFIX}{flaw['setting'].upper()}: {flaw['text']}"))
    for name in unread:
        typer.echo(plain(f"nobody reads {name}"))
