"""Work that has not begun is done once for all who want it; each gets what is his."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_shared.gathering import Gathering


class Doubling:
    """Work that waits for leave to begin, and counts how often it did."""

    def __init__(self) -> None:
        self.leave, self.begun = asyncio.Event(), list[list[int]]()

    async def __call__(self, take: Callable[[], list[int]]) -> list[int]:
        await self.leave.wait()
        items = take()
        self.begun.append(list(items))
        await asyncio.sleep(0)
        if 0 in items:
            raise ZeroDivisionError
        return [2 * item for item in items]


@given(st.lists(st.integers(min_value=1), min_size=1, max_size=50))
def test_all_who_come_before_the_work_begins_are_one_piece_of_work(items: list[int]):
    async def asked() -> tuple[list[int], list[list[int]]]:
        work = Doubling()
        gathering = Gathering(work)
        work.leave.set()
        return await asyncio.gather(*map(gathering.outcome, items)), work.begun

    outcomes, begun = asyncio.run(asked())

    assert outcomes == [2 * item for item in items]
    assert begun == [items]


async def test_who_comes_while_the_work_waits_is_in_it_and_who_comes_later_is_not():
    work = Doubling()
    gathering = Gathering(work)
    early = [asyncio.create_task(gathering.outcome(n)) for n in (1, 2)]
    await asyncio.sleep(0)
    late = asyncio.create_task(gathering.outcome(3))
    await asyncio.sleep(0)

    work.leave.set()
    while not work.begun:
        await asyncio.sleep(0)
    next_one = asyncio.create_task(gathering.outcome(4))

    assert await asyncio.gather(*early, late, next_one) == [2, 4, 6, 8]
    assert work.begun == [[1, 2, 3], [4]]


async def test_a_failure_is_everybody_s_who_was_in_it_and_nobody_s_after():
    work = Doubling()
    gathering = Gathering(work)
    work.leave.set()

    failed = await asyncio.gather(*map(gathering.outcome, (0, 1)), return_exceptions=True)

    assert [type(outcome) for outcome in failed] == [ZeroDivisionError] * 2
    assert await gathering.outcome(1) == 2


async def test_work_that_fails_before_it_begins_leaves_nobody_waiting():
    async def never_begins(take: Callable[[], list[int]]) -> list[int]:
        raise ConnectionError

    gathering = Gathering(never_begins)

    for _ in range(2):
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(gathering.outcome(1), 60)


async def test_who_leaves_spoils_it_for_nobody():
    work = Doubling()
    gathering = Gathering(work)
    leaving, staying = (asyncio.create_task(gathering.outcome(n)) for n in (1, 2))
    await asyncio.sleep(0)

    leaving.cancel()
    work.leave.set()

    assert await staying == 4
