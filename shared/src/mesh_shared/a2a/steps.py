"""What a step of an agent makes of a task. Nothing here is stored or told."""

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

from mesh_shared.a2a.executor import Made, Moved, Update
from mesh_shared.a2a.model import (
    ArtifactUpdate,
    Message,
    Part,
    Role,
    State,
    Status,
    StatusUpdate,
    StreamResponse,
    Task,
)


def new(context_id: str | None) -> Task:
    """A task that nothing has been done for."""
    status = Status(state=State.SUBMITTED, timestamp=_now())
    return Task(id=str(uuid4()), context_id=context_id or str(uuid4()), status=status)


def addressed(task: Task, message: Message) -> tuple[Task, Message]:
    """The task with one more message, and the message as one of that task."""
    message = message.model_copy(update={"task_id": task.id, "context_id": task.context_id})
    return task.model_copy(update={"history": [*(task.history or []), message]}), message


def after(task: Task, update: Update) -> tuple[Task, StreamResponse]:
    """The task with one more step done, and the event that tells of it."""
    if isinstance(update, Made):
        return _made(task, update)
    done = moved(task, update if isinstance(update, Moved) else Moved(State.COMPLETED, update.parts[0].text))
    return done, told(done)


def told(task: Task) -> StreamResponse:
    """The event that the task has the state which it has."""
    update = StatusUpdate(task_id=task.id, context_id=task.context_id, status=task.status)
    return StreamResponse(status_update=update)


def news(before: Task, now: Task) -> Iterator[StreamResponse]:
    """What tells of all that happened between two looks: artifacts as they are now, then the state.

    That a paused task took its next message is not told.
    """
    known = {artifact.artifact_id: artifact for artifact in before.artifacts or []}
    for artifact in now.artifacts or []:
        if known.get(artifact.artifact_id) != artifact:
            yield _shown(now, Made(artifact))
    if now.status != before.status and now.status.state is not State.SUBMITTED:
        yield told(now)


def moved(task: Task, update: Moved) -> Task:
    """The task in another state, from now on."""
    said = None if update.said is None else _spoken(task, update.said)
    status = Status(state=update.state, message=said, timestamp=_now())
    return task.model_copy(update={"status": status})


def _made(task: Task, update: Made) -> tuple[Task, StreamResponse]:
    artifacts = {artifact.artifact_id: artifact for artifact in task.artifacts or []}
    made, known = update.artifact, artifacts.get(update.artifact.artifact_id)
    if update.append and known is not None:
        made = known.model_copy(update={"parts": [*known.parts, *update.artifact.parts]})
    artifacts[made.artifact_id] = made
    return task.model_copy(update={"artifacts": list(artifacts.values())}), _shown(task, update)


def _shown(task: Task, update: Made) -> StreamResponse:
    shown = ArtifactUpdate(
        task_id=task.id,
        context_id=task.context_id,
        artifact=update.artifact,
        append=update.append,
        last_chunk=update.is_last,
    )
    return StreamResponse(artifact_update=shown)


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
