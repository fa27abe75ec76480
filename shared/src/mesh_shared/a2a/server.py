"""The operations of A2A (specification §3.1), whatever binding they come by."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol
from uuid import uuid4

import structlog

from mesh_shared.a2a.errors import (
    ContentTypeNotSupported,
    InvalidParams,
    TaskNotCancelable,
    TaskNotFound,
    UnsupportedOperation,
)
from mesh_shared.a2a.model import (
    Artifact,
    ArtifactUpdate,
    GetTaskRequest,
    ListTasksRequest,
    ListTasksResponse,
    Message,
    Part,
    Role,
    SendMessageRequest,
    SendMessageResponse,
    State,
    Status,
    StatusUpdate,
    StreamResponse,
    Task,
    TaskRequest,
)
from mesh_shared.a2a.tasks import Tasks
from mesh_shared.auth.tokens import Principal
from mesh_shared.bell import Bell
from mesh_shared.errors import Unavailable

ANY = "*/*"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Call:
    """Who is asking. `key` makes it safe to ask again; None when the caller gave none."""

    caller: Principal
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One message to the agent, and the task that it belongs to."""

    call: Call
    message: Message
    task: Task


@dataclass(frozen=True, slots=True)
class Moved:
    """The task is in another state; `said` is what the agent says to it."""

    state: State
    said: str | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """An artifact, or with `append` more of the one with that id."""

    artifact: Artifact
    append: bool = False
    is_last: bool = True


Update = Moved | Made | Message
"""What an agent does. A message as the first and only one is the whole answer, and there is no task."""


class Executor(Protocol):
    """The agent behind the protocol."""

    @property
    def can_stop(self) -> bool:
        """Whether work that has begun may be broken off."""
        ...

    def execute(self, turn: Turn) -> AsyncIterator[Update]:
        """What the agent does with a message, step by step, up to a settled state.

        What it raises at the call, before the first step, is the answer, and there is no task.
        """
        ...


@dataclass(slots=True)
class Run:
    """The work on one message. Who follows it reads the events from where they came in."""

    owner: str
    task: Task
    ending: State = State.FAILED
    """What the task becomes when its work ends before it is settled."""
    events: list[StreamResponse] = field(default_factory=list[StreamResponse])
    is_ending: bool = False
    """Whether the last step is being stored, which must not be broken off."""
    is_over: bool = False
    bell: Bell = field(default_factory=Bell)

    @property
    def is_answered(self) -> bool:
        """Whether one message was the whole answer."""
        return bool(self.events) and self.events[0].message is not None

    @property
    def is_done(self) -> bool:
        return self.is_answered or self.task.status.state.is_end

    def tell(self, event: StreamResponse) -> None:
        self.events.append(event)
        self.bell.ring()

    def end(self) -> None:
        self.is_over = True
        self.bell.ring()

    async def follow(self, first: int = 0) -> AsyncGenerator[StreamResponse, None]:
        """The events from the one with index `first` to the last."""
        while True:
            ticket = self.bell.ticket()
            while first < len(self.events):
                yield self.events[first]
                first += 1
            if self.is_over:
                return
            await ticket.wait()


@dataclass(slots=True, kw_only=True)
class Server:
    """One agent's tasks. `input_modes` are the media types that it takes, `*/*` for all."""

    executor: Executor
    tasks: Tasks
    input_modes: frozenset[str]
    streams: bool = False
    max_runs: int = 1000
    max_messages: int = 100
    """Of one task; a conversation that is longer begins another."""
    _runs: dict[str, tuple[Run, asyncio.Task[None]]] = field(
        default_factory=dict[str, tuple[Run, "asyncio.Task[None]"]]
    )
    _changed: Bell = field(default_factory=Bell)
    """Rings when work on some task begins, and when one ends that nobody works on."""
    _turns: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Who reads a task to change it holds this until the change is made, or work on it has begun."""
    _is_closed: bool = False

    async def send_message(self, wanted: SendMessageRequest, call: Call) -> SendMessageResponse:
        """Waits for the task to settle, unless the caller wants to go at once."""
        run, work = await self._begin(wanted, call)
        ticket = run.bell.ticket()
        if wanted.configuration.return_immediately:
            await ticket.wait()
        else:
            await asyncio.wait([work])
        if work.done() and not work.cancelled():
            work.result()  # what went wrong in the agent went wrong here
        if run.is_answered:
            return SendMessageResponse(message=run.events[0].message)
        return SendMessageResponse(task=run.task.shown(wanted.configuration.history_length))

    async def stream_message(
        self, wanted: SendMessageRequest, call: Call
    ) -> AsyncGenerator[StreamResponse, None]:
        """The task as it begins, then each change until it is settled; or the one message."""
        self._must_stream()
        run, _ = await self._begin(wanted, call)
        return run.follow()

    async def get_task(self, wanted: GetTaskRequest, call: Call) -> Task:
        return (await self._task(wanted.id, call)).shown(wanted.history_length)

    async def list_tasks(self, wanted: ListTasksRequest, call: Call) -> ListTasksResponse:
        return await self.tasks.page(call.caller.subject, wanted)

    async def cancel_task(self, wanted: TaskRequest, call: Call) -> Task:
        """Breaks the work off. Raises `TaskNotCancelable` when it is over, or when it cannot be stopped."""
        task = await self._task(wanted.id, call)
        running = self._runs.get(task.id)
        if running is not None and self.executor.can_stop:
            await self._break_off(*running, State.CANCELED)
            if running[0].task.status.state is State.CANCELED:
                return running[0].task
        return await self._cancel_idle(wanted.id, call)

    async def _cancel_idle(self, id: str, call: Call) -> Task:
        async with self._turns:
            is_at_work, task = id in self._runs, await self._task(id, call)
            if is_at_work or task.status.state.is_end:
                raise TaskNotCancelable("This task cannot be canceled (any more).")
            task = _moved(task, Moved(State.CANCELED))
            await self.tasks.save(call.caller.subject, task)
        self._changed.ring()
        return task

    async def subscribe(self, wanted: TaskRequest, call: Call) -> AsyncGenerator[StreamResponse, None]:
        """The task as it is, then each change until its end; a pause of the task is none."""
        self._must_stream()
        task = await self._task(wanted.id, call)
        if task.status.state.is_end:
            raise UnsupportedOperation("This task is over: there is nothing to follow.")
        return self._watch(task, call)

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
                await ticket.wait()
                task = await self._task(task.id, call)
                if task.status.state.is_end and task.id not in self._runs:
                    yield StreamResponse(status_update=_told(task))
            ticket, running, first = self._changed.ticket(), self._runs.get(task.id), 1

    async def close(self) -> None:
        """Breaks off all work, which has failed then, and ends all streams."""
        self._is_closed = True
        self._changed.ring()
        running = list(self._runs.values())
        await asyncio.gather(*(self._break_off(run, work, State.FAILED) for run, work in running))

    async def _break_off(self, run: Run, work: "asyncio.Task[None]", ending: State) -> None:
        """Stops the work, and waits until it has ended."""
        await asyncio.sleep(0)  # work that is canceled before its first step never comes to its end
        if not run.is_ending:
            run.is_ending, run.ending = True, ending
            work.cancel()
        await asyncio.wait([work])

    def _must_stream(self) -> None:
        if not self.streams:
            raise UnsupportedOperation("This agent does not stream.")

    async def _task(self, id: str, call: Call) -> Task:
        task = await self.tasks.get(call.caller.subject, id)
        if task is None:
            raise TaskNotFound("You have no such task.")
        return task

    async def _begin(self, wanted: SendMessageRequest, call: Call) -> tuple[Run, "asyncio.Task[None]"]:
        if len(self._runs) >= self.max_runs:
            raise Unavailable("agent")
        for part in wanted.message.parts:
            if not self.input_modes & {part.kind, ANY}:
                raise ContentTypeNotSupported(f"Send {', '.join(sorted(self.input_modes))}.")
        if wanted.message.task_id is None:
            return self._start(wanted.message, _new(wanted.message.context_id or str(uuid4())), call)
        async with self._turns:
            return self._start(wanted.message, await self._named(wanted.message.task_id, wanted, call), call)

    def _start(self, message: Message, task: Task, call: Call) -> tuple[Run, "asyncio.Task[None]"]:
        """Begins the work on a message of `task`."""
        message = message.model_copy(update={"task_id": task.id, "context_id": task.context_id})
        task = task.model_copy(update={"history": [*(task.history or []), message]})
        updates = self.executor.execute(Turn(call, message, task))
        run = Run(call.caller.subject, task)
        work = asyncio.create_task(self._work(run, updates), name=f"a2a-{task.id}")
        work.add_done_callback(_log)
        self._runs[task.id] = run, work
        self._changed.ring()
        return run, work

    async def _named(self, id: str, wanted: SendMessageRequest, call: Call) -> Task:
        """The task that a message names, when it takes one now."""
        is_at_work, task = id in self._runs, await self._task(id, call)
        if wanted.message.context_id not in (None, task.context_id):
            raise InvalidParams("The task belongs to another context.")
        if is_at_work or task.status.state.is_end:
            raise UnsupportedOperation("This task is over, or at work: it takes no message now.")
        if len(task.history or []) >= self.max_messages:
            raise UnsupportedOperation("This task has had its messages: begin another one.")
        return task

    async def _work(self, run: Run, updates: AsyncIterator[Update]) -> None:
        try:
            async for update in updates:
                if not run.is_done:  # an end is final, whatever the agent does after it
                    await self._take(run, update)
        finally:
            run.is_ending = True
            try:
                if not (run.is_answered or run.task.status.state.is_settled):
                    await self._take(run, Moved(run.ending))
            finally:
                del self._runs[run.task.id]
                run.end()

    async def _take(self, run: Run, update: Update) -> None:
        """Stores a step, then tells of it."""
        if isinstance(update, Message) and not run.events:
            run.tell(StreamResponse(message=update))
            return
        before, (after, event) = run.task, _after(run.task, update)
        await self.tasks.save(run.owner, after)
        run.task = after  # not before: work that is broken off while it stores a step has not made it
        if not run.events:
            run.tell(StreamResponse(task=before))
        run.tell(event)


def _log(work: "asyncio.Task[None]") -> None:
    if not work.cancelled() and (error := work.exception()) is not None:
        log.error("a2a_work_failed", task=work.get_name(), exception=type(error).__qualname__)


def _new(context_id: str) -> Task:
    return Task(
        id=str(uuid4()), context_id=context_id, status=Status(state=State.SUBMITTED, timestamp=_now())
    )


def _after(task: Task, update: Update) -> tuple[Task, StreamResponse]:
    """The task with one more step done, and the event that tells of it."""
    if isinstance(update, Made):
        return _made(task, update)
    moved = _moved(
        task, update if isinstance(update, Moved) else Moved(State.COMPLETED, update.parts[0].text)
    )
    return moved, StreamResponse(status_update=_told(moved))


def _told(task: Task) -> StatusUpdate:
    return StatusUpdate(task_id=task.id, context_id=task.context_id, status=task.status)


def _moved(task: Task, update: Moved) -> Task:
    said = None if update.said is None else _spoken(task, update.said)
    status = Status(state=update.state, message=said, timestamp=_now())
    return task.model_copy(update={"status": status})


def _made(task: Task, update: Made) -> tuple[Task, StreamResponse]:
    artifacts = {artifact.artifact_id: artifact for artifact in task.artifacts or []}
    made, known = update.artifact, artifacts.get(update.artifact.artifact_id)
    if update.append and known is not None:
        made = known.model_copy(update={"parts": [*known.parts, *update.artifact.parts]})
    artifacts[made.artifact_id] = made
    told = ArtifactUpdate(
        task_id=task.id,
        context_id=task.context_id,
        artifact=update.artifact,
        append=update.append,
        last_chunk=update.is_last,
    )
    done = task.model_copy(update={"artifacts": list(artifacts.values())})
    return done, StreamResponse(artifact_update=told)


def _spoken(task: Task, text: str) -> Message:
    return Message(
        message_id=str(uuid4()),
        role=Role.AGENT,
        parts=[Part(text=text)],
        context_id=task.context_id,
        task_id=task.id,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
