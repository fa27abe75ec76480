"""The first page: how each of the five is, what goes on, and what to do first."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from mesh_console.adapters import log
from mesh_console.adapters.mesh import SERVICES
from mesh_console.api.page import Answer, Page, Signed, attempt
from mesh_console.domain import words
from mesh_console.errors import ConsoleError, Refused

router = APIRouter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One service: `missing` are the dependencies that it waits for."""

    service: str
    url: str
    is_up: bool
    missing: list[str]
    checks: list[str]
    version: str
    events: Answer[int]


@router.get("/")
async def overview(page: Signed) -> Response:
    tiles, runs = await asyncio.gather(
        asyncio.gather(*(_tile(page, service) for service in SERVICES)),
        attempt(page.mesh.get("coordinator", "/v1/runs", status="succeeded", limit=1)),
    )
    total = sum(tile.events.value or 0 for tile in tiles)
    is_new = runs.value is not None and not runs.value["items"]
    return page.show("overview.html", tiles=tiles, events_a_minute=total, is_new=is_new)


async def _tile(page: Page, service: str) -> Tile:
    ready, card, events = await asyncio.gather(
        attempt(page.mesh.get(service, "/readyz")),
        attempt(page.mesh.get(service, "/.well-known/agent-card.json")),
        attempt(_events_a_minute(page, service)),
    )
    return Tile(
        service=service,
        url=page.mesh.urls[service],
        is_up=ready.trouble is None,
        missing=_missing(ready.trouble),
        checks=ready.value["checks"] if ready.value else [],
        version=card.value["version"] if card.value else words.NOTHING,
        events=events,
    )


def _missing(trouble: ConsoleError | None) -> list[str]:
    if trouble is None:
        return []
    down: Any = trouble.problem.get("down", []) if isinstance(trouble, Refused) else []
    return [str(name) for name in down] or ["an answer"]


async def _events_a_minute(page: Page, service: str) -> int:
    known: dict[str, int] = page.request.app.state.newest
    known[service] = await log.newest(page.mesh, service, known.get(service, 0))
    return len(await log.last_minute(page.mesh, service, known[service], datetime.now(UTC)))
