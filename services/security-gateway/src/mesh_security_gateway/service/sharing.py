"""One piece of work for any number of callers who want the same at the same time."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT")
ResultT = TypeVar("ResultT")


class Sharing(Generic[KeyT, ResultT]):
    """What is under way, by what it is about."""

    def __init__(self) -> None:
        self._tasks: dict[KeyT, asyncio.Task[ResultT]] = {}

    async def result(self, key: KeyT, work: Callable[[], Coroutine[None, None, ResultT]]) -> ResultT:
        """What the work under way brings, or the one that begins now; it goes on when its caller leaves."""
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(work())
            task.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(task)

    def _landed(self, key: KeyT, done: asyncio.Task[ResultT]) -> None:
        del self._tasks[key]
        if not done.cancelled():
            done.exception()  # nobody may be waiting any more

    async def drain(self, within_s: float) -> None:
        """Waits for all that is under way, at most so long."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=within_s)
