"""The gateway is killed with -9: nothing reached an upstream without its intent on record."""

from __future__ import annotations

import asyncio
import resource
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from conftest import Operator, Origin, Program, Seen

AT_ONCE = 8


async def entries(operator: Operator) -> list[dict[str, Any]]:
    """All entries of the agent, newest first."""
    found, cursor = list[dict[str, Any]](), None
    while found == [] or cursor:
        page = (
            await operator.get(
                "/v1/audit", agent="agent-7", limit=100, **({"cursor": cursor} if cursor else {})
            )
        ).json()
        found, cursor = found + page["items"], page["next_cursor"]
    return found


async def setup(operator: Operator, origin: Origin) -> dict[str, str]:
    await operator.connect(origin.url, "sk-0123456789")
    await operator.grant("agent-7")
    return await operator.agent("agent-7")


async def test_a_call_that_was_under_way_has_an_intent_and_no_outcome(program: Program, origin: Origin):
    operator = await program.start()
    agent = await setup(operator, origin)
    origin.hold = asyncio.Event()
    origin.streams(b"first half", b"second half")

    async with operator.http.stream("GET", "/v1/proxy/github/user", headers=agent) as response:
        pieces = response.aiter_raw()
        assert b"first half" in await anext(pieces)
        program.stop(signal.SIGKILL)
        with pytest.raises(httpx.TransportError):
            [piece async for piece in pieces]
    operator = await program.start()

    assert len(origin.seen) == 1
    (intent,) = await entries(operator)
    assert (intent["phase"], intent["decision"], intent["path"]) == ("intent", "allow", "/user")
    assert (await operator.get("/v1/audit/verification")).json()["valid"]


async def test_killed_at_any_moment_every_call_that_reached_the_upstream_has_its_intent(
    program: Program, origin: Origin
):
    operator = await program.start()
    agent = await setup(operator, origin)
    whole = list[str]()

    def echo(seen: Seen) -> list[bytes]:
        body = seen.target.encode()
        return [b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body), body]

    async def ask(worker: int) -> None:
        with suppress(httpx.TransportError):  # it was killed
            for n in range(10_000):
                path = f"/{worker}-{n}"
                answer = await operator.http.get(f"/v1/proxy/github{path}", headers=agent)
                assert answer.text == path
                whole.append(path)

    origin.says = echo
    async with asyncio.timeout(60), asyncio.TaskGroup() as workers:
        for worker in range(AT_ONCE):
            workers.create_task(ask(worker))
        while len(origin.seen) < 40:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(program.stop, signal.SIGKILL)
    operator = await program.start()

    found = await entries(operator)
    intents = {entry["path"]: entry["id"] for entry in found if entry["phase"] == "intent"}
    ended = {entry["intent"] for entry in found if entry["phase"] == "outcome"}
    assert {seen.target for seen in origin.seen} <= intents.keys()
    assert ended <= set(intents.values())
    assert set(whole) <= intents.keys()
    assert 0 <= len(intents) - len(ended) <= AT_ONCE
    assert (await operator.get("/v1/audit/verification")).json()["valid"]


async def test_a_crash_leaves_no_dump_of_memory(program: Program):
    await program.start()
    assert program.running is not None
    pid = program.running.popen.pid

    assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 0)
