"""The work on one message: each step is stored, then told to whoever follows."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

from mesh_shared.a2a import steps
from mesh_shared.a2a.executor import Moved, Update
from mesh_shared.a2a.model import Message, State, StreamResponse, Task
from mesh_shared.a2a.tasks import Overtaken, Tasks
from mesh_shared.bell import Bell


@dataclass(slots=True, kw_only=True)
class Run:
    """The work on one message. Who follows it reads the events from where they came in.

    `version` is the one of `task` in the store.
    """

    owner: str
    task: Task
    version: int
    tasks: Tasks
    events: list[StreamResponse] = field(default_factory=list[StreamResponse])
    _ending: State = State.FAILED
    """What the task becomes when its work ends before it is settled."""
    _is_ending: bool = False
    """Whether the last step is being stored, which must not be broken off."""
    _is_over: bool = False
    bell: Bell = field(default_factory=Bell)

    @property
    def is_answered(self) -> bool:
        """Whether one message was the whole answer."""
        return bool(self.events) and self.events[0].message is not None

    @property
    def _is_done(self) -> bool:
        return self.is_answered or self.task.status.state.is_end

    async def follow(self, first: int = 0) -> AsyncGenerator[StreamResponse, None]:
        """The events from the one with index `first` to the last."""
        while True:
            ticket = self.bell.ticket()
            while first < len(self.events):
                yield self.events[first]
                first += 1
            if self._is_over:
                return
            await ticket.wait()

    async def work(self, updates: AsyncIterator[Update]) -> None:
        """Takes the agent's steps until the task is settled; whatever happens, it is settled after that."""
        try:
            with suppress(Overtaken):
                async for update in updates:
                    if not self._is_done:  # an end is final, whatever the agent does after it
                        await self._take(update)
        finally:
            self._is_ending = True
            await self._settle()

    def end(self) -> None:
        """Nothing more is told."""
        self._is_over = True
        self.bell.ring()

    async def break_off(self, work: "asyncio.Task[None]", ending: State) -> None:
        """Stops the work, and waits until it has ended."""
        await asyncio.sleep(0)  # work that is canceled before its first step never comes to its end
        if not self._is_ending:
            self._is_ending, self._ending = True, ending
            work.cancel()
        await asyncio.wait([work])

    async def _settle(self) -> None:
        while not (self.is_answered or self.task.status.state.is_settled):
            try:
                await self._take(Moved(self._ending))
            except Overtaken:
                await self._adopt()

    async def _take(self, update: Update) -> None:
        """Stores a step, then tells of it. Raises `Overtaken` when another replica changed the task."""
        if isinstance(update, Message) and not self.events and not self.version:
            self.events.append(StreamResponse(message=update))
            self.bell.ring()
            return
        before, (after, event) = self.task, steps.after(self.task, update)
        self.version = await self.tasks.save(self.owner, after, self.version)
        self.task = after  # not before: work that is broken off while it stores a step has not made it
        self._tell(before, event)

    async def _adopt(self) -> None:
        """Takes the task as it is kept: another replica changed it, or we were broken off while we did.

        Raises `Overtaken` when it is not kept any more.
        """
        kept = await self.tasks.get(self.owner, self.task.id)
        if kept is None:
            raise Overtaken
        before, (self.task, self.version) = self.task, kept
        self._tell(before, steps.told(self.task))

    def _tell(self, before: Task, event: StreamResponse) -> None:
        if not self.events:
            self.events.append(StreamResponse(task=before))
        self.events.append(event)
        self.bell.ring()
