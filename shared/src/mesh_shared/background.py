"""Work that goes on beside the requests and heals by itself."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager

import structlog

log = structlog.get_logger()

MAX_PAUSE_S = 5.0


async def forever(name: str, turn: Callable[[], Awaitable[object]]) -> None:
    """Takes turns until cancelled; a turn that fails is logged and tried again after a pause.

    `turn` waits for work by itself. The pause doubles from 0.1 s to 5 s while turns fail.
    """
    pause_s, task = 0.1, asyncio.current_task()
    # Client libraries can swallow a cancellation; the task remembers that it was asked to end.
    while task is None or not task.cancelling():
        try:
            await turn()
            pause_s = 0.1
        except Exception as error:  # noqa: BLE001 - a loop that dies silently would never heal
            log.warning("turn_failed", task=name, error=type(error).__qualname__, pause_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, MAX_PAUSE_S)


@asynccontextmanager
async def beside(work: Coroutine[object, object, object]) -> AsyncGenerator[None, None]:
    """Runs `work` while the block lasts, and is back only when its last line has run."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
