"""Those who want the same kind of work before it has begun have it done together: one query, one commit."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


@dataclass(slots=True)
class _Group(Generic[Item, Outcome]):
    """Work that has not begun: whoever comes until then is in it."""

    items: list[Item] = field(default_factory=list[Item])
    task: asyncio.Task[Sequence[Outcome]] | None = None


class Gathering(Generic[Item, Outcome]):
    """`work` calls what it is given once, when it begins, for the items; its outcomes are in their order.

    What it raises is raised to all of them.
    """

    def __init__(self, work: Callable[[Callable[[], list[Item]]], Awaitable[Sequence[Outcome]]]) -> None:
        self._work = work
        self._next = _Group[Item, Outcome]()

    async def outcome(self, item: Item) -> Outcome:
        """What comes of `item`, by work that begins after this call."""
        group, place = self._next, len(self._next.items)
        group.items.append(item)
        if group.task is None:
            group.task = asyncio.create_task(self._run(group))
        return (await asyncio.shield(group.task))[place]  # one who leaves spoils it for nobody

    async def _run(self, group: _Group[Item, Outcome]) -> Sequence[Outcome]:
        try:
            return await self._work(lambda: self._close(group))
        finally:
            self._close(group)  # who comes after a failure has work of his own

    def _close(self, group: _Group[Item, Outcome]) -> list[Item]:
        if self._next is group:
            self._next = _Group[Item, Outcome]()
        return group.items
