"""A lull comes when the event loop has nothing else to do, and not before."""

import asyncio
import time

import pytest
from mesh_security_gateway.service import lull
from mesh_security_gateway.service.lull import Lull


class Heard(list[str]):
    """What happened, and the next lull."""

    def __init__(self) -> None:
        super().__init__()
        self.lull = Lull(self.note)
        self._told = asyncio.Event()

    def note(self) -> None:
        self.append("lull")
        self._told.set()

    async def until_told(self) -> None:
        async with asyncio.timeout(10):
            await self._told.wait()
        self._told.clear()


def serve() -> None:
    """Holds the loop as a call does."""
    time.sleep(2 * lull.EMPTY_TURN_S)


async def work(heard: list[str], turns: int) -> None:
    """Keeps the loop busy for that many turns."""
    for _ in range(turns):
        serve()
        heard.append("work")
        await asyncio.sleep(0)


async def test_it_comes_after_the_last_turn_that_had_something_to_do():
    heard = Heard()

    heard.lull.await_next()
    async with asyncio.TaskGroup() as group:
        group.create_task(work(heard, 5))
        group.create_task(work(heard, 3))
    await heard.until_told()

    assert heard == ["work"] * 8 + ["lull"]


async def test_it_comes_once_to_whoever_awaits_it_twice_and_again_when_awaited_again():
    heard = Heard()

    heard.lull.await_next()
    heard.lull.await_next()
    await heard.until_told()
    await work([], 3)
    first = [*heard]
    heard.lull.await_next()
    await heard.until_told()

    assert (first, heard) == (["lull"], ["lull", "lull"])


async def test_it_does_not_come_to_who_forgets_it():
    heard = Heard()

    heard.lull.await_next()
    heard.lull.forget()
    await work([], 3)

    assert heard == []


async def test_a_loop_that_never_rests_has_none(monkeypatch: pytest.MonkeyPatch):
    heard = Heard()
    monkeypatch.setattr(lull, "EMPTY_TURN_S", 0)

    heard.lull.await_next()
    for _ in range(20):
        await asyncio.sleep(0)
    heard.lull.forget()

    assert heard == []
