"""What the server of A2A does when the agent behind it, or the caller, does not behave."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from mesh_shared.a2a.errors import (
    ContentTypeNotSupported,
    TaskNotCancelable,
    TaskNotFound,
    UnsupportedOperation,
)
from mesh_shared.a2a.executor import Call, Made, Moved, Turn, Update
from mesh_shared.a2a.model import (
    Artifact,
    GetTaskRequest,
    ListTasksRequest,
    Message,
    Part,
    Role,
    SendMessageRequest,
    State,
    Task,
    TaskRequest,
)
from mesh_shared.a2a.server import Server
from mesh_shared.a2a.tasks import Tasks
from mesh_shared.auth.tokens import Principal
from mesh_shared.database import engine, migrate
from mesh_shared.errors import Unavailable

CALL = Call(Principal("alice", frozenset()))
Steps = Callable[[Turn], AsyncIterator[Update]]


class Agent:
    """Does what a test tells it."""

    def __init__(self, steps: Steps, *, can_stop: bool) -> None:
        self.steps = steps
        self.can_stop = can_stop

    def execute(self, turn: Turn) -> AsyncIterator[Update]:
        return self.steps(turn)


Make = Callable[..., Server]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    database = engine.connect(f"sqlite+aiosqlite:///{tmp_path}/tasks.db")
    await migrate.upgrade(database, [])
    made: list[Server] = []

    def server(steps: Steps, *, can_stop: bool = True, **more: Any) -> Server:
        agent = Agent(steps, can_stop=can_stop)
        options: dict[str, Any] = {"input_modes": frozenset({"text/plain"}), "streams": True}
        made.append(Server(executor=agent, tasks=Tasks(database, "0"), **(options | more)))
        return made[-1]

    yield server
    for one in made:
        await one.close()
    await database.engine.dispose()


def said(text: str = "Hello", *, wait: bool = True, **more: Any) -> SendMessageRequest:
    message = Message(message_id="m", role=Role.USER, parts=[Part(text=text)], **more)
    return SendMessageRequest.model_validate(
        {"message": message.wire(), "configuration": {"returnImmediately": not wait}}
    )


async def begun(server: Server) -> Task:
    task = (await server.send_message(said(wait=False), CALL)).task
    assert task is not None
    return task


async def ends_early(turn: Turn) -> AsyncIterator[Update]:
    yield Moved(State.WORKING)


async def breaks(turn: Turn) -> AsyncIterator[Update]:
    yield Moved(State.WORKING)
    raise RuntimeError("a bug")


async def hangs(turn: Turn) -> AsyncIterator[Update]:
    yield Moved(State.WORKING)
    await asyncio.Event().wait()


async def test_an_agent_that_stops_before_the_end_has_failed(make: Make):
    answer = await make(ends_early).send_message(said(), CALL)

    assert answer.task is not None
    assert answer.task.status.state is State.FAILED


async def test_a_bug_of_the_agent_is_told_and_the_task_has_failed(make: Make):
    server = make(breaks)

    with pytest.raises(RuntimeError, match="a bug"):
        await server.send_message(said(), CALL)

    (task,) = (await server.tasks.page("alice", ListTasksRequest())).tasks
    assert task.status.state is State.FAILED


async def test_work_goes_on_without_whoever_asked_for_it(make: Make):
    server = make(ends_early)
    asking = asyncio.create_task(server.send_message(said(), CALL))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)

    async with asyncio.timeout(60):
        while not (page := await server.tasks.page("alice", ListTasksRequest(status=State.FAILED))).tasks:
            await asyncio.sleep(0.01)

    assert page.total_size == 1


async def test_a_task_at_work_takes_no_second_message(make: Make):
    server = make(hangs)
    task = await begun(server)

    with pytest.raises(UnsupportedOperation):
        await server.send_message(said(task_id=task.id), CALL)


async def test_work_that_cannot_be_stopped_is_not(make: Make):
    server = make(hangs, can_stop=False)
    task = await begun(server)

    with pytest.raises(TaskNotCancelable):
        await server.cancel_task(TaskRequest(id=task.id), CALL)

    assert (await server.get_task(GetTaskRequest(id=task.id), CALL)).status.state is State.WORKING


async def test_what_is_at_work_when_the_service_stops_has_failed(make: Make):
    server = make(hangs)
    task = await begun(server)

    await server.close()

    assert (await server.get_task(GetTaskRequest(id=task.id), CALL)).status.state is State.FAILED


async def test_a_stream_ends_when_the_service_stops(make: Make):
    server = make(hangs)
    task = await begun(server)
    events = await server.subscribe(TaskRequest(id=task.id), CALL)
    first = await anext(events)

    await server.close()
    rest = [event async for event in events]

    assert first.task is not None
    assert [event.status_update.status.state for event in rest if event.status_update] == [State.FAILED]


async def test_everyone_who_follows_is_told_the_same(make: Make):
    server = make(hangs)
    task = await begun(server)
    streams = [await server.subscribe(TaskRequest(id=task.id), CALL) for _ in range(3)]
    for stream in streams:
        await anext(stream)

    await server.cancel_task(TaskRequest(id=task.id), CALL)
    told = [[event.wire() async for event in stream] for stream in streams]

    assert told[0] == told[1] == told[2]
    assert told[0][-1]["statusUpdate"]["status"]["state"] == "TASK_STATE_CANCELED"


async def test_more_work_than_there_is_room_for_is_refused(make: Make):
    server = make(hangs, max_runs=1)
    await begun(server)

    with pytest.raises(Unavailable):
        await server.send_message(said(), CALL)


async def test_a_conversation_has_an_end(make: Make):
    async def asks(turn: Turn) -> AsyncIterator[Update]:
        yield Moved(State.INPUT_REQUIRED, "And then?")

    server = make(asks, max_messages=2)
    task = (await server.send_message(said(), CALL)).task
    assert task is not None
    await server.send_message(said(task_id=task.id), CALL)

    with pytest.raises(UnsupportedOperation):
        await server.send_message(said(task_id=task.id), CALL)


async def test_only_what_the_agent_takes_is_taken(make: Make):
    server = make(ends_early, input_modes=frozenset({"image/png"}))

    with pytest.raises(ContentTypeNotSupported):
        await server.send_message(said(), CALL)


async def test_an_agent_that_does_not_stream_says_so(make: Make):
    server = make(hangs, streams=False)
    task = await begun(server)

    with pytest.raises(UnsupportedOperation):
        await server.stream_message(said(), CALL)
    with pytest.raises(UnsupportedOperation):
        await server.subscribe(TaskRequest(id=task.id), CALL)


async def asks(turn: Turn) -> AsyncIterator[Update]:
    yield Moved(State.INPUT_REQUIRED, "And then?")


async def waiting(server: Server) -> Task:
    task = (await server.send_message(said(), CALL)).task
    assert task is not None
    return task


async def kept(server: Server, task: Task) -> State:
    return (await server.get_task(GetTaskRequest(id=task.id), CALL)).status.state


async def test_a_stream_ends_when_the_service_stops_before_the_work_has_begun(make: Make):
    server = make(hangs)
    events = await server.stream_message(said(), CALL)

    await server.close()
    async with asyncio.timeout(60):
        told = [event async for event in events]

    assert [event.status_update.status.state for event in told if event.status_update][-1:] == [State.FAILED]


async def test_two_cancellations_at_once_leave_a_task_that_is_canceled(make: Make):
    server = make(hangs)
    task = await begun(server)

    await asyncio.gather(
        *(server.cancel_task(TaskRequest(id=task.id), CALL) for _ in range(2)), return_exceptions=True
    )

    assert await kept(server, task) is State.CANCELED


async def test_a_cancellation_while_the_service_stops_leaves_no_task_at_work(make: Make):
    server = make(hangs)
    task = await begun(server)

    canceled, _ = await asyncio.gather(
        server.cancel_task(TaskRequest(id=task.id), CALL), server.close(), return_exceptions=True
    )

    assert await kept(server, task) is (State.CANCELED if isinstance(canceled, Task) else State.FAILED)


async def test_who_is_told_that_a_waiting_task_is_canceled_finds_it_so_whoever_wrote_at_once(make: Make):
    server = make(asks)
    task = await waiting(server)

    canceled, _ = await asyncio.gather(
        server.cancel_task(TaskRequest(id=task.id), CALL),
        server.send_message(said(task_id=task.id), CALL),
        return_exceptions=True,
    )

    assert await kept(server, task) is (
        State.CANCELED if isinstance(canceled, Task) else State.INPUT_REQUIRED
    )


async def test_two_messages_at_once_are_one_and_a_refusal(make: Make):
    server = make(asks)
    task = await waiting(server)

    answers = await asyncio.gather(
        *(server.send_message(said(str(n), task_id=task.id), CALL) for n in range(2)), return_exceptions=True
    )

    found = await server.get_task(GetTaskRequest(id=task.id), CALL)
    refused = [answer for answer in answers if isinstance(answer, UnsupportedOperation)]
    assert len(found.history or []) == 1 + len(answers) - len(refused)


DIRECT = Message(message_id="a", role=Role.AGENT, parts=[Part(text="That is all.")])


@pytest.mark.parametrize(
    "after", [Moved(State.WORKING), Made(Artifact(artifact_id="late", parts=DIRECT.parts))]
)
async def test_an_end_is_final_whatever_the_agent_does_after_it(make: Make, after: Update):
    async def goes_on(turn: Turn) -> AsyncIterator[Update]:
        yield Moved(State.COMPLETED)
        yield after

    task = (await make(goes_on).send_message(said(), CALL)).task

    assert task is not None
    assert (task.status.state, task.artifacts) == (State.COMPLETED, None)


async def test_nothing_comes_after_an_answer_in_one_message(make: Make):
    async def goes_on(turn: Turn) -> AsyncIterator[Update]:
        yield DIRECT
        yield Moved(State.COMPLETED)

    server = make(goes_on)
    answer = await server.send_message(said(), CALL)

    assert (answer.message, answer.task) == (DIRECT, None)
    assert (await server.list_tasks(ListTasksRequest(), CALL)).total_size == 0


async def test_a_message_after_work_has_begun_is_the_last_word_on_the_task(make: Make):
    async def answers(turn: Turn) -> AsyncIterator[Update]:
        yield Moved(State.WORKING)
        yield DIRECT

    task = (await make(answers).send_message(said(), CALL)).task

    assert task is not None
    assert task.status.state is State.COMPLETED
    assert task.status.message is not None
    assert task.status.message.parts == DIRECT.parts


async def test_an_artifact_made_again_takes_the_place_of_the_first(make: Make):
    async def makes_twice(turn: Turn) -> AsyncIterator[Update]:
        for text in ("draft", "final"):
            yield Made(Artifact(artifact_id="a", parts=[Part(text=text)]))
        yield Moved(State.COMPLETED)

    task = (await make(makes_twice).send_message(said(), CALL)).task

    assert task is not None
    assert [artifact.parts for artifact in task.artifacts or []] == [[Part(text="final")]]


async def test_a_task_that_waits_goes_on_after_a_restart(make: Make):
    task = await waiting(make(asks))
    restarted = make(asks)
    await restarted.tasks.recover()

    again = (await restarted.send_message(said("Again", task_id=task.id), CALL)).task

    assert again is not None
    assert [message.parts[0].text for message in again.history or []] == ["Hello", "Again"]


async def test_nobody_else_learns_that_a_task_is_there(make: Make):
    server = make(hangs)
    task, other = await begun(server), Call(Principal("bob", frozenset()))

    for id in (task.id, "nothing"):
        with pytest.raises(TaskNotFound, match="no such task"):
            await server.subscribe(TaskRequest(id=id), other)
        with pytest.raises(TaskNotFound, match="no such task"):
            await server.cancel_task(TaskRequest(id=id), other)
        with pytest.raises(TaskNotFound, match="no such task"):
            await server.send_message(said(task_id=id), other)


async def test_who_subscribes_late_is_told_only_what_is_new(make: Make):
    gate = asyncio.Event()

    async def works(turn: Turn) -> AsyncIterator[Update]:
        yield Moved(State.WORKING)
        await gate.wait()
        yield Moved(State.COMPLETED)

    server = make(works)
    events = await server.subscribe(TaskRequest(id=(await begun(server)).id), CALL)
    first = await anext(events)
    gate.set()

    rest = [event async for event in events]

    assert first.task is not None
    assert first.task.status.state is State.WORKING
    assert [event.status_update and event.status_update.status.state for event in rest] == [State.COMPLETED]
