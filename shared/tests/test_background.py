import asyncio
from contextlib import suppress

from mesh_shared import background


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
