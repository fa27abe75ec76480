"""The gateway is killed with -9: nothing reached an upstream without its intent on record."""

from __future__ import annotations

import asyncio
import random
import resource
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from conftest import Operator, Origin, Program, Seen

AT_ONCE, KILLS = 8, 3


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
    """Three kills under load, each at another moment, while answers come in pieces."""
    operator = await program.start()
    agent = await setup(operator, origin)
    whole = list[str]()

    def echo(seen: Seen) -> list[bytes]:
        head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        piece = b"%x\r\n%s\r\n" % (len(seen.target), seen.target.encode())
        return [head, piece, piece, b"0\r\n\r\n"]

    async def ask(worker: str) -> None:
        with suppress(httpx.TransportError):  # it was killed
            for n in range(10_000):
                path = f"/{worker}-{n}"
                answer = await operator.http.get(f"/v1/proxy/github{path}", headers=agent)
                assert (answer.status_code, answer.text) == (200, 2 * path)
                whole.append(path)

    origin.says = echo
    for kill in range(KILLS):
        moment = len(origin.seen) + random.randrange(1, 60)  # noqa: S311 - any moment will do
        async with asyncio.timeout(60), asyncio.TaskGroup() as workers:
            for worker in range(AT_ONCE):
                workers.create_task(ask(f"{kill}-{worker}"))
            while len(origin.seen) < moment:
                await asyncio.sleep(0.002)
            await asyncio.to_thread(program.stop, signal.SIGKILL)
        operator = await program.start()

    found = await entries(operator)
    intents = {e["path"]: e["id"] for e in found if (e["phase"], e["decision"]) == ("intent", "allow")}
    ended = {entry["intent"] for entry in found if entry["phase"] == "outcome"}
    reached = {seen.target for seen in origin.seen}
    assert len(reached) == len(origin.seen)
    assert set(whole) <= reached <= intents.keys()
    assert ended <= set(intents.values())
    assert 0 <= len(intents) - len(ended) <= AT_ONCE * KILLS
    assert (await operator.get("/v1/audit/verification")).json()["valid"]


async def test_a_crash_leaves_no_dump_of_memory(program: Program):
    await program.start()
    assert program.running is not None
    pid = program.running.pid

    assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 0)
