"""What happens to a run, as a stream: from any point on, without a gap and without a repetition."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from fastapi import Request, Response
from fastapi.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from callers import Caller
    from towns import Agent, Town

STEPS = [
    {"id": "a", "capability": "free"},
    {"id": "b", "capability": "free", "needs": ["a"]},
    {"id": "c", "capability": "free", "needs": ["b"]},
]
BODY = {"task": "t", "requirements": STEPS}
A_STEP = ["attempt.selected", "attempt.invoking", "attempt.delivered", "attempt.closed", "step.succeeded"]
STORY = ["run.started", *A_STEP * len(STEPS), "run.succeeded"]


@pytest.fixture
async def gate(town: Town) -> asyncio.Event:
    """Lets the agents of these runs answer."""
    gate = asyncio.Event()

    async def wait(request: Request, agent: Agent) -> Response:
        await gate.wait()
        return JSONResponse({"content": {"success": True, "data": 1}})

    await town.move_in("worker", wait, price=0, capability="free")
    return gate


async def stream(caller: Caller, run_id: str, after: int | None = None) -> AsyncIterator[dict[str, Any]]:
    """The events as they come: `id`, `event` and `data` of each."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    event: dict[str, Any] = {}
    async with caller.http.stream("GET", f"/v1/runs/{run_id}/events", headers=headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        async for line in response.aiter_lines():
            name, _, value = line.partition(": ")
            if name in ("id", "event", "data"):
                event[name] = value
            elif not line and event:
                yield event
                event = {}


async def story(caller: Caller, run_id: str, after: int | None = None) -> list[dict[str, Any]]:
    return [event async for event in stream(caller, run_id, after)]


async def test_a_stream_tells_the_whole_run_in_order_and_ends_with_it(
    caller_online: Caller, gate: asyncio.Event
):
    run = await caller_online.start(BODY)
    listening = asyncio.create_task(story(caller_online, run["id"]))
    gate.set()

    events = await asyncio.wait_for(listening, 60)

    assert [event["event"] for event in events] == STORY
    assert [int(event["id"]) for event in events] == list(range(1, len(STORY) + 1))


async def test_an_event_says_when_and_what(caller_online: Caller, gate: asyncio.Event):
    gate.set()
    run = await caller_online.run(BODY)

    events = await story(caller_online, run["id"])

    told = [json.loads(event["data"]) for event in events]
    assert [(one["sequence"], one["type"]) for one in told] == list(enumerate(STORY, 1))
    assert told[1]["data"]["step"] == "a"
    assert told[-1]["data"] == {"spent": "0"}
    assert sorted(one["time"] for one in told) == [one["time"] for one in told]


async def test_a_listener_who_comes_back_anywhere_gets_exactly_what_is_missing(
    caller_online: Caller, gate: asyncio.Event
):
    gate.set()
    run = await caller_online.run(BODY)

    for after in range(len(STORY) + 2):
        events = await story(caller_online, run["id"], after)

        assert [int(event["id"]) for event in events] == list(range(after + 1, len(STORY) + 1))


async def test_a_listener_who_is_cut_off_again_and_again_misses_nothing_and_hears_nothing_twice(
    caller_online: Caller, gate: asyncio.Event
):
    run = await caller_online.start(BODY)
    heard: list[int] = []
    while len(heard) < len(STORY):
        async for event in stream(caller_online, run["id"], heard[-1] if heard else None):
            heard.append(int(event["id"]))
            gate.set()
            if len(heard) % 3 == 0:
                break  # the connection is lost

    assert heard == list(range(1, len(STORY) + 1))


async def test_a_stream_ends_when_the_service_is_told_to_stop(caller_online: Caller, gate: asyncio.Event):
    run = await caller_online.start(BODY)
    events = stream(caller_online, run["id"])
    await anext(events)
    assert caller_online.app is not None

    caller_online.app.state.platform.close()
    rest = await asyncio.wait_for(_drained(events), 60)

    assert "run.succeeded" not in rest
    gate.set()


async def _drained(events: AsyncIterator[dict[str, Any]]) -> list[str]:
    return [event["event"] async for event in events]


async def test_an_event_id_that_was_never_given_is_refused(caller_online: Caller, gate: asyncio.Event):
    run = await caller_online.start(BODY)
    gate.set()

    for after in ("-1", "x", str(2**53)):
        answer = await caller_online.http.get(
            f"/v1/runs/{run['id']}/events", headers={"Last-Event-ID": after}
        )

        assert (answer.status_code, answer.json()["errors"][0]["part"]) == (422, "header")


async def test_whether_a_run_exists_is_told_only_to_those_who_may_know(caller_online: Caller):
    url = f"{caller_online.http.base_url}/v1/runs/{uuid4()}/events"

    async with httpx.AsyncClient() as stranger:
        answer = await stranger.get(url)

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
