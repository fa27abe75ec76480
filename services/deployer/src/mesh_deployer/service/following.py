"""Reads what a workload writes, for as long as somebody listens and no longer than is good."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from mesh_deployer.ports import LogLine

_LOOK_S = 0.5
"""How soon a reader notices that the service closes."""


async def bounded(
    lines: AsyncIterator[LogLine], *, most: int, seconds: float, closing: asyncio.Event
) -> AsyncGenerator[LogLine, None]:
    """`lines` until they end, `most` have come, `seconds` have passed or `closing` is set."""
    ends = asyncio.get_running_loop().time() + seconds
    async with aclosing(closable(lines)) as source:
        for _ in range(most):
            line = await _next(source, ends, closing)
            if line is None:
                return
            yield line


async def closable(lines: AsyncIterator[LogLine]) -> AsyncGenerator[LogLine, None]:
    """The same lines; when nobody wants any more, their source is closed too."""
    try:
        async for line in lines:
            yield line
    finally:
        if isinstance(lines, AsyncGenerator):
            await lines.aclose()


async def _next(source: AsyncGenerator[LogLine, None], ends: float, closing: asyncio.Event) -> LogLine | None:
    """The next line; None at the end, whichever comes first."""
    pending = asyncio.ensure_future(anext(source, None))
    try:
        while not pending.done():
            left = ends - asyncio.get_running_loop().time()
            if left <= 0 or closing.is_set():
                return None
            await asyncio.wait({pending}, timeout=min(left, _LOOK_S))
        return await pending
    finally:
        pending.cancel()
        await asyncio.gather(pending, return_exceptions=True)
