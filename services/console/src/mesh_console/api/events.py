"""What happens in the mesh, as it happens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from fastapi.responses import Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from mesh_console.adapters import log
from mesh_console.adapters.mesh import SERVICES
from mesh_console.adapters.stream import Streams
from mesh_console.api.page import Known, Page, Signed, attempt
from mesh_console.domain import position
from mesh_console.errors import Crowded, SignedOut

router = APIRouter()
RECENT = 20
"""Events of each service that a page begins with."""


@router.get("/events")
async def events(page: Signed) -> Response:
    """What happened last. Raises `Refused` or `Unreachable` when no service tells."""
    told = await asyncio.gather(*(attempt(_recent(page, service)) for service in SERVICES))
    troubles = [answer.trouble for answer in told if answer.trouble]
    if len(troubles) == len(SERVICES):
        raise min(troubles, key=lambda trouble: trouble.status)
    pages = {name: answer.value for name, answer in zip(SERVICES, told, strict=True) if answer.value}
    shown = [{"service": name, **event} for name, each in pages.items() for event in each["items"]]
    shown.sort(key=lambda event: event["time"], reverse=True)
    after = {name: pages[name]["last_sequence"] if name in pages else 0 for name in SERVICES}
    return page.show(
        "events.html",
        events=shown,
        after=position.written(after, SERVICES),
        services=SERVICES,
        troubles=troubles,
    )


async def _recent(page: Page, service: str) -> Any:
    known: dict[str, int] = page.request.app.state.newest
    last = known[service] = await log.newest(page.mesh, service, known.get(service, 0))
    return await page.mesh.get(service, "/v1/events", after=max(last - RECENT, 0), limit=RECENT)


async def _place(page: Known) -> AsyncIterator[None]:
    """One of those for streams, until the stream ends. Raises `Crowded`."""
    places: asyncio.Semaphore = page.request.app.state.places
    if places.locked():
        raise Crowded("Close another page of live events, or look again in a while.")
    async with places:
        yield


@router.get("/events/stream", response_class=EventSourceResponse)
async def stream(
    page: Known,
    place: Annotated[None, Depends(_place)],
    after: str = "",
    last_event_id: Annotated[str, Header()] = "",
) -> AsyncIterator[ServerSentEvent]:
    """The events after a position in all logs. A browser that reconnects says itself how far it had come."""
    begin = position.read(last_event_id or after, SERVICES) or dict.fromkeys(SERVICES, 0)
    seen = dict(begin)
    streams = Streams(page.request.app.state.streaming, page.mesh.urls, page.mesh.token)
    try:
        async with aclosing(streams.follow(begin)) as following:
            async for news in following:
                seen[news.service] = news.sequence
                id = position.written(seen, SERVICES)
                yield ServerSentEvent(id=id, event=news.service, raw_data=news.text)
    except SignedOut:
        yield ServerSentEvent(event="signed-out", raw_data="{}")
