"""One piece of work for any number of callers."""

from __future__ import annotations

import asyncio

import pytest
from mesh_security_gateway.service.sharing import Sharing


class Work:
    """Something that takes until it is let go, and how often it was begun."""

    def __init__(self, fails: bool = False) -> None:
        self.go = asyncio.Event()
        self.begun = 0
        self.fails = fails

    async def __call__(self) -> int:
        self.begun += 1
        await self.go.wait()
        if self.fails:
            raise LookupError
        return self.begun


async def test_those_who_want_the_same_at_once_share_it():
    sharing, work = Sharing[str, int](), Work()
    callers = [asyncio.create_task(sharing.result("a", work)) for _ in range(5)]
    await asyncio.sleep(0)
    work.go.set()

    assert await asyncio.gather(*callers) == [1] * 5
    assert await sharing.result("a", work) == 2


async def test_each_thing_is_worked_at_by_itself():
    sharing, work = Sharing[str, int](), Work()
    callers = [asyncio.create_task(sharing.result(key, work)) for key in "aab"]
    await asyncio.sleep(0)
    work.go.set()
    await asyncio.gather(*callers)

    assert work.begun == 2


async def test_a_failure_is_told_to_all_and_the_next_tries_again():
    sharing, work = Sharing[str, int](), Work(fails=True)
    callers = [asyncio.create_task(sharing.result("a", work)) for _ in range(3)]
    await asyncio.sleep(0)
    work.go.set()

    told = await asyncio.gather(*callers, return_exceptions=True)
    work.fails = False

    assert [type(one) for one in told] == [LookupError] * 3
    assert await sharing.result("a", work) == 2


async def test_work_goes_on_when_its_caller_leaves_and_is_waited_for_at_the_end():
    sharing, work = Sharing[str, int](), Work()
    caller = asyncio.create_task(sharing.result("a", work))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    work.go.set()

    await sharing.drain(60)

    assert await sharing.result("a", work) == 2


async def test_the_end_waits_only_so_long():
    sharing, work = Sharing[str, int](), Work()
    caller = asyncio.create_task(sharing.result("a", work))
    await asyncio.sleep(0)

    await sharing.drain(0.01)
    work.go.set()

    assert await caller == 1
