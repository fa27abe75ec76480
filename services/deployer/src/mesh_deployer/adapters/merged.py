"""Several streams as one, each line as soon as it is there."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from mesh_deployer.ports import LogLine


async def merged(streams: Sequence[AsyncIterator[LogLine]]) -> AsyncGenerator[LogLine, None]:
    """The lines of all `streams` until each has ended; one that fails ends them all with its error.

    Of each stream at most one line is held, so nothing piles up while nobody reads.
    """
    pending = {asyncio.ensure_future(anext(stream, None)): stream for stream in streams}
    try:
        while pending:
            done, _ = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                stream = pending.pop(task)
                if (line := task.result()) is not None:
                    yield line
                    pending[asyncio.ensure_future(anext(stream, None))] = stream
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
