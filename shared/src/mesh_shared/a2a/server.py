"""The operations of A2A (specification §3.1), whatever binding they come by."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field

import structlog

from mesh_shared.a2a import steps
from mesh_shared.a2a.errors import (
    ContentTypeNotSupported,
    InvalidParams,
    TaskNotCancelable,
    TaskNotFound,
    UnsupportedOperation,
)
from mesh_shared.a2a.executor import Call, Executor, Moved, Turn, Update
from mesh_shared.a2a.model import (
    GetTaskRequest,
    ListTasksRequest,
    ListTasksResponse,
    Message,
    SendMessageRequest,
    SendMessageResponse,
    State,
    StreamResponse,
    Task,
    TaskRequest,
)
from mesh_shared.a2a.run import Run
from mesh_shared.a2a.tasks import Overtaken, Tasks
from mesh_shared.bell import Bell, wait
from mesh_shared.errors import Unavailable

ANY = "*/*"

log = structlog.get_logger()
Work = asyncio.Task[None]


@dataclass(slots=True, kw_only=True)
class Server:
    """One agent's tasks. `input_modes` are the media types that it takes, `*/*` for all."""

    executor: Executor
    tasks: Tasks
    input_modes: frozenset[str]
    streams: bool = False
    counts_once: bool = False
    """Whether a message that comes again, by its id, is the same task again, unless that has failed."""
    max_runs: int = 1000
    max_messages: int = 100
    """Of one task; a conversation that is longer begins another."""
    settles_within_s: float = 30.0
    """How long a message that comes again waits for work of another replica."""
    looks_every_s: float = 1.0
    """Replicas do not hear each other's bells; this is how often we look."""
    _runs: dict[str, tuple[Run, Work]] = field(default_factory=dict[str, tuple[Run, Work]])
    _changed: Bell = field(default_factory=Bell)
    """Rings when work on some task begins, and when one ends that nobody works on."""
    _is_closed: bool = False

    async def send_message(self, wanted: SendMessageRequest, call: Call) -> SendMessageResponse:
        """Waits for the task to settle, unless the caller wants to go at once."""
        length, goes_at_once = wanted.configuration.history_length, wanted.configuration.return_immediately
        begun = await self._begin(wanted, call)
        if isinstance(begun, Task):
            task = begun if goes_at_once else await self._settled(begun, call)
            return SendMessageResponse(task=task.shown(length))
        run, work = begun
        ticket = run.bell.ticket()
        if not goes_at_once:
            await asyncio.wait([work])
        elif not run.events:
            await ticket.wait()
        if work.done() and not work.cancelled():
            work.result()  # what went wrong in the agent went wrong here
        if run.is_answered:
            return SendMessageResponse(message=run.events[0].message)
        return SendMessageResponse(task=run.task.shown(length))

    async def stream_message(
        self, wanted: SendMessageRequest, call: Call
    ) -> AsyncGenerator[StreamResponse, None]:
        """The task as it begins, then each change until it is settled; or the one message."""
        self._must_stream()
        begun = await self._begin(wanted, call)
        return self._watch(begun, call) if isinstance(begun, Task) else begun[0].follow()

    async def get_task(self, wanted: GetTaskRequest, call: Call) -> Task:
        task, _ = await self._task(wanted.id, call)
        return task.shown(wanted.history_length)

    async def list_tasks(self, wanted: ListTasksRequest, call: Call) -> ListTasksResponse:
        return await self.tasks.page(call.caller.subject, wanted)

    async def cancel_task(self, wanted: TaskRequest, call: Call) -> Task:
        """Breaks the work off. Raises `TaskNotCancelable` when it is over, or when it cannot be stopped.

        Work of another replica stops at its next step, which finds the task canceled.
        """
        while True:
            task, version = await self._task(wanted.id, call)
            running = self._runs.get(task.id)
            is_at_work = running is not None or not task.status.state.is_settled
            if task.status.state.is_end or (is_at_work and not self.executor.can_stop):
                raise TaskNotCancelable("This task cannot be canceled (any more).")
            if running is not None:
                run, work = running
                await run.break_off(work, State.CANCELED)
                if run.task.status.state is State.CANCELED:
                    return run.task
                continue  # it settled by itself before
            canceled = steps.moved(task, Moved(State.CANCELED))
            try:
                await self.tasks.save(call.caller.subject, canceled, version)
            except Overtaken:
                continue  # somebody was faster: to another step, or to the end
            self._changed.ring()
            return canceled

    async def subscribe(self, wanted: TaskRequest, call: Call) -> AsyncGenerator[StreamResponse, None]:
        """The task as it is, then each change until its end; a pause of the task is none.

        That a paused task took its next message is not told, but what the agent does with it.
        """
        self._must_stream()
        task, _ = await self._task(wanted.id, call)
        if task.status.state.is_end:
            raise UnsupportedOperation("This task is over: there is nothing to follow.")
        return self._watch(task, call)

    async def close(self) -> None:
        """Breaks off all work, which has failed then, and ends all streams."""
        self._is_closed = True
        self._changed.ring()
        running = list(self._runs.values())
        await asyncio.gather(*(run.break_off(work, State.FAILED) for run, work in running))

    async def _watch(self, task: Task, call: Call) -> AsyncGenerator[StreamResponse, None]:
        ticket, running = self._changed.ticket(), self._runs.get(task.id)
        first = len(running[0].events) if running else 1
        yield StreamResponse(task=running[0].task if running else task)
        while not task.status.state.is_end:
            if running is not None:
                async for event in running[0].follow(first or 1):  # the first is the task as it began
                    yield event
                task = running[0].task
            elif self._is_closed:
                return
            else:
                await wait(ticket, self.looks_every_s)
                found, _ = await self._task(task.id, call)
                if found.id not in self._runs:  # work that has begun tells of itself, its end as well
                    for event in steps.news(task, found):
                        yield event
                    task = found
            ticket, running, first = self._changed.ticket(), self._runs.get(task.id), 1

    async def _settled(self, task: Task, call: Call) -> Task:
        """The task once it is settled, or as it is when that takes too long: a replica may have died."""
        deadline = asyncio.get_running_loop().time() + self.settles_within_s
        while not task.status.state.is_settled and not self._is_closed:
            if (left := deadline - asyncio.get_running_loop().time()) <= 0:
                break
            await wait(self._changed.ticket(), min(self.looks_every_s, left))
            task, _ = await self._task(task.id, call)
        return task

    def _must_stream(self) -> None:
        if not self.streams:
            raise UnsupportedOperation("This agent does not stream.")

    async def _task(self, id: str, call: Call) -> tuple[Task, int]:
        found = await self.tasks.get(call.caller.subject, id)
        if found is None:
            raise TaskNotFound("You have no such task.")
        return found

    async def _begin(self, wanted: SendMessageRequest, call: Call) -> tuple[Run, Work] | Task:
        """The work on a message, or the task that it has begun already."""
        message, owner = wanted.message, call.caller.subject
        if (known := await self._known(message, owner)) is not None:
            return self._runs.get(known.id) or known
        if len(self._runs) >= self.max_runs:
            raise Unavailable("agent")
        for part in message.parts:
            if not self.input_modes & {part.kind, ANY}:
                raise ContentTypeNotSupported(f"Send {', '.join(sorted(self.input_modes))}.")
        if message.task_id is not None:
            return await self._go_on(message, message.task_id, call)
        task, said = steps.addressed(steps.new(message.context_id), message)
        updates = self.executor.execute(Turn(call, said, task))
        try:
            version = await self.tasks.add(owner, task, message) if self.counts_once else 0
        except Overtaken:  # a copy of this message was faster
            return await self._begin(wanted, call)
        return self._start(Run(owner=owner, task=task, version=version, tasks=self.tasks), updates)

    async def _go_on(self, message: Message, id: str, call: Call) -> tuple[Run, Work]:
        """The work on another message of a task that waits for one."""
        task, version = await self._task(id, call)
        if message.context_id not in (None, task.context_id):
            raise InvalidParams("The task belongs to another context.")
        if not task.status.state.is_pause:
            raise UnsupportedOperation("This task is over, or at work: it takes no message now.")
        if len(task.history or []) >= self.max_messages:
            raise UnsupportedOperation("This task has had its messages: begin another one.")
        task, said = steps.addressed(steps.moved(task, Moved(State.SUBMITTED)), message)
        updates = self.executor.execute(Turn(call, said, task))
        try:
            version = await self.tasks.save(call.caller.subject, task, version)
        except Overtaken:
            raise UnsupportedOperation("This task has just had another message, or its end.") from None
        return self._start(
            Run(owner=call.caller.subject, task=task, version=version, tasks=self.tasks), updates
        )

    async def _known(self, message: Message, owner: str) -> Task | None:
        """The task that this very message has begun. Raises `InvalidParams` when it was another message's."""
        if not self.counts_once or message.task_id is not None:
            return None
        known = await self.tasks.begun_by(owner, message.message_id)
        if known is not None and (known.history or [message])[0].parts != message.parts:
            raise InvalidParams("This messageId belongs to another message of yours.")
        return known

    def _start(self, run: Run, updates: AsyncIterator[Update]) -> tuple[Run, Work]:
        work = asyncio.create_task(self._work(run, updates), name=f"a2a-{run.task.id}")
        work.add_done_callback(_log)
        self._runs[run.task.id] = run, work
        self._changed.ring()
        return run, work

    async def _work(self, run: Run, updates: AsyncIterator[Update]) -> None:
        try:
            await run.work(updates)
        finally:
            del self._runs[run.task.id]
            run.end()


def _log(work: Work) -> None:
    if not work.cancelled() and (error := work.exception()) is not None:
        log.error("a2a_work_failed", task=work.get_name(), exception=type(error).__qualname__)
