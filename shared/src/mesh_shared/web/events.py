"""The service's event log over HTTP: pages to catch up, a stream to stay current."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field

from mesh_shared.auth.tokens import Principal
from mesh_shared.bell import wait
from mesh_shared.errors import EventsPruned
from mesh_shared.events.event import CloudEvent
from mesh_shared.events.outbox import EventLog
from mesh_shared.platform import Platform
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import allow

READ = "events:read"
BATCH = 100
POLL_S = 1.0

router = APIRouter(tags=["events"], route_class=MeshRoute)

MAX_SEQUENCE = 2**53 - 1
After = Annotated[
    int, Query(ge=0, le=MAX_SEQUENCE, description="Sequence of the last event you have; 0 for none.")
]
LastEventId = Annotated[
    int | None,
    Header(ge=0, le=MAX_SEQUENCE, description="Sent by browsers that reconnect; wins over `after`."),
]


class EventPage(BaseModel):
    """Events in sequence order; ask again after the last one until there are none."""

    items: list[CloudEvent]
    last_sequence: int = Field(description="Pass as `after` for the next page.")


@router.get("/v1/events", operation_id="list_events")
async def list_events(
    request: Request,
    caller: Annotated[Principal, allow(READ)],
    after: After = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = BATCH,
) -> EventPage:
    """The events after a sequence. Events that are no longer kept are answered with 410."""
    items = await _after(request.app.state.platform, after, limit)
    return EventPage(items=items, last_sequence=items[-1].sequence if items else after)


@router.get("/v1/events/stream", operation_id="stream_events", response_class=EventSourceResponse)
async def stream_events(
    request: Request,
    caller: Annotated[Principal, allow(READ)],
    after: After = 0,
    last_event_id: LastEventId = None,
) -> AsyncIterator[ServerSentEvent]:
    """The same log as server-sent events; their id is the sequence, so a browser resumes without a gap."""
    platform: Platform = request.app.state.platform
    position = after if last_event_id is None else last_event_id
    while not platform.closing.is_set():
        ticket = platform.relay.numbered.ticket()
        events = await _after(platform, position, BATCH)
        for event in events:
            position = event.sequence
            yield ServerSentEvent(
                id=str(position), event=event.type, raw_data=event.model_dump_json(exclude_none=True)
            )
        if not events:
            await wait(ticket, POLL_S)


async def _after(platform: Platform, sequence: int, limit: int) -> list[CloudEvent]:
    async with platform.database.read() as session:
        log = EventLog(session)
        if sequence + 1 < (oldest := await log.oldest()):
            raise EventsPruned(f"The oldest event kept is {oldest}.", oldest=oldest)
        rows = await log.after(sequence, limit)
    return [row.cloud_event(platform.source) for row in rows]
