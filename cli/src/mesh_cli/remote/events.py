"""`mesh events`: what the services have published, and what they publish now."""

import asyncio
from contextlib import aclosing
from typing import Annotated

import msgspec
import typer
from mesh_client import Mesh
from mesh_client.channel import Channel
from mesh_client.streams import Event, events

from mesh_cli.remote.way import ADMIN_KEY, FirstPort, KeyFile, ask, plain

SERVICES = ("registry", "coordinator", "deployer", "gateway", "analyzer")
PAGE = 1000

Service = Annotated[
    list[str] | None, typer.Option("--service", "-s", help=f"Only of these: {', '.join(SERVICES)}.")
]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on with what happens from now on.")]
AsLines = Annotated[bool, typer.Option("--json", help="Print one CloudEvent per line.")]


class _Page(msgspec.Struct):
    items: list[Event]


def tail(
    *,
    service: Service = None,
    follow: Follow = False,
    first_port: FirstPort = 8370,
    key_file: KeyFile = ADMIN_KEY,
    as_json: AsLines = False,
) -> None:
    """Show events in the order in which each service published them; -f goes on until Ctrl-C."""
    names = service or list(SERVICES)
    if unknown := sorted(set(names) - set(SERVICES)):
        raise typer.BadParameter(f"there is no service {unknown[0]}: {', '.join(SERVICES)}")

    async def work(mesh: Mesh) -> None:
        channels: list[Channel] = [getattr(mesh, name).channel for name in names]
        past = [await _all(channel) for channel in channels]
        for event in sorted((event for of_one in past for event in of_one), key=lambda event: event.time):
            _show(event, as_json)
        if follow:
            await _follow(dict(zip(channels, map(_end, past), strict=True)), as_json)

    ask(work, first_port, key_file)


async def _all(channel: Channel) -> list[Event]:
    found: list[Event] = []
    while page := (await channel.get("/v1/events", _Page, after=_end(found), limit=PAGE)).items:
        found += page
    return found


def _end(found: list[Event]) -> int:
    return found[-1].sequence if found else 0


async def _follow(positions: dict[Channel, int], as_json: bool) -> None:
    async def listen(channel: Channel, after: int) -> None:
        async with aclosing(events(channel, after=after)) as stream:
            async for event in stream:
                _show(event, as_json)

    await asyncio.gather(*(listen(channel, after) for channel, after in positions.items()))


def _show(event: Event, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(event))
        return
    shown = {name: value for name, value in event.data.items() if not isinstance(value, dict | list)}
    said = ", ".join(f"{name}={value}" for name, value in shown.items())
    typer.echo(plain(f"{event.time} {event.source}#{event.sequence} {event.type} {said}"))
