"""Work beside the requests: it heals by itself, ends when asked to, and misses no ring."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

import pytest
import structlog
from mesh_shared import background, bell
from mesh_shared.bell import Bell
from structlog.testing import LogCapture


async def test_a_loop_ends_when_asked_to_although_a_library_swallows_the_asking():
    started = asyncio.Event()

    async def turn() -> None:
        started.set()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)

    task = asyncio.create_task(background.forever("deaf", turn))
    await started.wait()
    task.cancel()

    async with asyncio.timeout(60):
        await asyncio.wait([task])
    assert task.done()


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, object]]:
    capture = LogCapture()
    monkeypatch.setattr(background, "log", structlog.wrap_logger(None, [capture], structlog.BoundLogger))
    return capture.entries  # pyright: ignore[reportReturnType]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it would have waited; it does not."""
    asked: list[float] = []
    at_once = asyncio.sleep

    async def sleep(seconds: float) -> None:
        asked.append(seconds)
        await at_once(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return asked


async def take_turns(failing: list[bool]) -> None:
    """Turns that fail as told, and then one that waits for its end."""
    fails, done = iter(failing), asyncio.Event()

    async def turn() -> None:
        fails_now = next(fails, None)
        if fails_now is None:
            done.set()
            await asyncio.Event().wait()
        if fails_now:
            raise ConnectionError("sk-address")

    async with background.beside(background.forever("relay", turn)), asyncio.timeout(60):
        await done.wait()


async def test_a_turn_that_fails_is_tried_again_after_a_pause_that_doubles_up_to_a_bound(
    lines: list[Mapping[str, object]], pauses: list[float]
):
    await take_turns([True] * 8)

    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


async def test_a_turn_that_went_well_makes_the_next_pause_short_again(
    lines: list[Mapping[str, object]], pauses: list[float]
):
    await take_turns([True, True, False, True])

    assert pauses == [0.1, 0.2, 0.1]


async def test_a_failure_is_told_by_its_kind_and_never_by_its_text(
    lines: list[Mapping[str, object]], pauses: list[float]
):
    await take_turns([True])

    (line,) = lines
    assert (line["event"], line["task"], line["error"]) == ("turn_failed", "relay", "ConnectionError")
    assert "sk-address" not in str(line)


async def test_what_runs_beside_a_block_has_ended_when_the_block_has():
    steps: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            steps.append("cleaned up")

    with suppress(ZeroDivisionError):
        async with background.beside(work()):
            await asyncio.sleep(0)
            steps.append("block")
            raise ZeroDivisionError

    assert steps == ["block", "cleaned up"]


async def test_work_that_broke_beside_a_block_does_not_break_the_block():
    async def work() -> None:
        raise ConnectionError

    async with background.beside(work()):
        await asyncio.sleep(0)


async def test_a_ring_between_the_ticket_and_the_wait_is_not_missed():
    rung = Bell()

    ticket = rung.ticket()
    rung.ring()

    assert await bell.wait(ticket, 60)


async def test_a_ticket_is_for_the_next_ring_and_not_for_the_last():
    rung = Bell()
    rung.ring()

    assert not await bell.wait(rung.ticket(), 0)


async def test_one_ring_wakes_everybody_who_waits():
    rung = Bell()
    waiting = [asyncio.create_task(bell.wait(rung.ticket(), 60)) for _ in range(5)]
    await asyncio.sleep(0)

    rung.ring()

    assert await asyncio.gather(*waiting) == [True] * 5


async def test_who_gives_up_waiting_leaves_the_bell_to_others():
    rung = Bell()
    ticket = rung.ticket()

    hasty = await bell.wait(ticket, 0.001)
    rung.ring()

    assert (hasty, await bell.wait(ticket, 60)) == (False, True)


async def test_who_was_asked_to_end_does_not_wait_although_a_library_swallows_the_asking():
    async def deaf() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await bell.wait(asyncio.Event(), 3600)

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, timeout=30)
