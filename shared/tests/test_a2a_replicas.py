"""Two replicas of one agent share its tasks: of two changes at once one is made, and the other is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from mesh_shared.a2a import steps
from mesh_shared.a2a.errors import InvalidParams, TaskNotCancelable, UnsupportedOperation
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
from mesh_shared.a2a.tasks import Overtaken, Tasks
from mesh_shared.auth.tokens import Principal
from mesh_shared.database import engine, migrate

ALICE, BOB = (Call(Principal(name, frozenset())) for name in ("alice", "bob"))
Steps = Callable[[Turn], AsyncIterator[Update]]


class Agent:
    """Does what a test tells it."""

    def __init__(self, steps: Steps, *, can_stop: bool) -> None:
        self.steps = steps
        self.can_stop = can_stop

    def execute(self, turn: Turn) -> AsyncIterator[Update]:
        return self.steps(turn)


Pair = Callable[..., tuple[Server, Server]]


@pytest.fixture
async def pair(database_url: str) -> AsyncIterator[Pair]:
    """Two servers of one agent, each with connections of its own where the database takes several."""
    databases = [engine.connect(database_url)]
    await migrate.upgrade(databases[0], [])
    if not database_url.startswith("sqlite"):
        databases.append(engine.connect(database_url))
    made: list[Server] = []

    def servers(
        steps: Steps, *, can_stop: bool = True, looks_every_s: float = 0.02, **options: Any
    ) -> tuple[Server, Server]:
        first, second = (
            Server(
                executor=Agent(steps, can_stop=can_stop),
                tasks=Tasks(databases[n % len(databases)], f"replica-{n}"),
                input_modes=frozenset({"text/plain"}),
                streams=True,
                looks_every_s=looks_every_s,
                **options,
            )
            for n in range(2)
        )
        made.extend((first, second))
        return first, second

    yield servers
    for server in made:
        await server.close()
    for database in databases:
        await database.engine.dispose()


def said(text: str = "Hello", id: str = "m", *, wait: bool = True, **more: Any) -> SendMessageRequest:
    message = Message(message_id=id, role=Role.USER, parts=[Part(text=text)], **more)
    return SendMessageRequest.model_validate(
        {"message": message.wire(), "configuration": {"returnImmediately": not wait}}
    )


async def sent(server: Server, wanted: SendMessageRequest, call: Call = ALICE) -> Task:
    task = (await server.send_message(wanted, call)).task
    assert task is not None
    return task


async def kept(server: Server, id: str) -> Task:
    return await server.get_task(GetTaskRequest(id=id), ALICE)


async def total(server: Server) -> int:
    return (await server.list_tasks(ListTasksRequest(), ALICE)).total_size


class Gate:
    """Work that goes on when a test lets it, and counts how often it has begun."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.begun = 0

    async def works(self, turn: Turn) -> AsyncIterator[Update]:
        self.begun += 1
        yield Moved(State.WORKING)
        await self.open.wait()
        yield Made(Artifact(artifact_id="a", parts=[Part(text="Done.")]))
        yield Moved(State.COMPLETED)


async def asks(turn: Turn) -> AsyncIterator[Update]:
    yield Moved(State.INPUT_REQUIRED, "And then?")


@dataclass(frozen=True)
class Late(Tasks):
    """Tasks whose database takes its time with one look: the first after a test said so."""

    holds: asyncio.Event = field(default_factory=asyncio.Event)
    is_held: asyncio.Event = field(default_factory=asyncio.Event)
    is_let_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def get(self, owner: str, id: str) -> tuple[Task, int] | None:
        if self.holds.is_set():
            self.holds.clear()
            self.is_held.set()
            await self.is_let_go.wait()
        return await super().get(owner, id)


async def test_a_task_that_one_replica_cancels_stays_so_whatever_the_other_still_does(pair: Pair):
    gate = Gate()
    one, other = pair(gate.works)
    task = await sent(one, said(wait=False))
    events = await one.subscribe(TaskRequest(id=task.id), ALICE)
    await anext(events)

    canceled = await other.cancel_task(TaskRequest(id=task.id), ALICE)
    gate.open.set()
    told = [event.status_update.status.state async for event in events if event.status_update]

    found = await kept(one, task.id)
    assert canceled.status.state is found.status.state is State.CANCELED
    assert (found.artifacts, told) == (None, [State.CANCELED])


async def test_work_that_cannot_be_stopped_is_not_canceled_by_another_replica(pair: Pair):
    gate = Gate()
    one, other = pair(gate.works, can_stop=False)
    task = await sent(one, said(wait=False))

    with pytest.raises(TaskNotCancelable):
        await other.cancel_task(TaskRequest(id=task.id), ALICE)
    gate.open.set()

    async with asyncio.timeout(60):
        while (await kept(other, task.id)).status.state is not State.COMPLETED:
            await asyncio.sleep(0.01)


async def test_a_task_at_work_takes_no_message_at_another_replica(pair: Pair):
    gate = Gate()
    one, other = pair(gate.works)
    task = await sent(one, said(wait=False))

    with pytest.raises(UnsupportedOperation):
        await other.send_message(said("And?", task_id=task.id), ALICE)

    assert gate.begun == 1


async def test_two_messages_to_two_replicas_at_once_are_one_and_a_refusal(pair: Pair):
    one, other = pair(asks)
    task = await sent(one, said())

    answers = await asyncio.gather(
        *(server.send_message(said(str(n), task_id=task.id), ALICE) for n, server in enumerate((one, other))),
        return_exceptions=True,
    )

    refused = [answer for answer in answers if isinstance(answer, UnsupportedOperation)]
    found = await kept(one, task.id)
    assert len(found.history or []) == 1 + len(answers) - len(refused)
    assert found.status.state is State.INPUT_REQUIRED


async def test_a_cancellation_and_a_message_at_two_replicas_leave_what_was_told(pair: Pair):
    one, other = pair(asks)
    task = await sent(one, said())

    canceled, _ = await asyncio.gather(
        one.cancel_task(TaskRequest(id=task.id), ALICE),
        other.send_message(said(task_id=task.id), ALICE),
        return_exceptions=True,
    )

    expected = State.CANCELED if isinstance(canceled, Task) else State.INPUT_REQUIRED
    assert (await kept(one, task.id)).status.state is expected


async def test_who_follows_at_one_replica_hears_what_another_did(pair: Pair):
    gate = Gate()
    one, other = pair(gate.works)
    task = await sent(one, said(wait=False))
    events = await other.subscribe(TaskRequest(id=task.id), ALICE)
    first = await anext(events)
    gate.open.set()

    async with asyncio.timeout(60):
        rest = [event async for event in events]

    assert first.task is not None
    assert [e.artifact_update.artifact.artifact_id for e in rest if e.artifact_update] == ["a"]
    assert rest[-1].status_update is not None
    assert rest[-1].status_update.status.state is State.COMPLETED


async def test_who_follows_is_not_told_that_a_message_was_taken(pair: Pair):
    async def asks_then_is_done(turn: Turn) -> AsyncIterator[Update]:
        if len(turn.task.history or []) == 1:
            yield Moved(State.INPUT_REQUIRED)
        else:
            for _ in range(20):  # as long as this takes, whoever looks finds a message without an answer
                await kept(other, turn.task.id)
            yield Moved(State.COMPLETED)

    one, other = pair(asks_then_is_done, looks_every_s=0)
    task = await sent(one, said())
    events = await one.subscribe(TaskRequest(id=task.id), ALICE)
    await anext(events)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sent(other, said(task_id=task.id)))
        told = [event.status_update.status.state async for event in events if event.status_update]

    assert told == [State.COMPLETED]


async def test_who_follows_hears_the_end_of_work_that_was_done_while_they_looked(pair: Pair):
    is_done, may_end = asyncio.Event(), asyncio.Event()

    async def asks_then_lingers(turn: Turn) -> AsyncIterator[Update]:
        yield Moved(State.INPUT_REQUIRED if len(turn.task.history or []) == 1 else State.COMPLETED)
        if len(turn.task.history or []) > 1:
            is_done.set()  # and kept; the work itself is not over
            await may_end.wait()

    one, _ = pair(asks_then_lingers)
    late = one.tasks = Late(one.tasks.database, one.tasks.instance)
    task = await sent(one, said())
    events = await one.subscribe(TaskRequest(id=task.id), ALICE)
    await anext(events)

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        late.holds.set()
        following = tasks.create_task(anext(events))
        await late.is_held.wait()
        tasks.create_task(sent(one, said(task_id=task.id)))
        await is_done.wait()
        late.is_let_go.set()
        event = await following
        may_end.set()

    assert event.status_update is not None
    assert event.status_update.status.state is State.COMPLETED
    assert [event async for event in events] == []


async def test_of_two_changes_of_one_version_one_is_made(pair: Pair):
    one, other = pair(asks)
    task = steps.new("c")
    version = await one.tasks.add("alice", task)
    ends = [steps.moved(task, Moved(state)) for state in (State.COMPLETED, State.FAILED)]

    outcomes = await asyncio.gather(
        *(s.tasks.save("alice", end, version) for s, end in zip((one, other), ends, strict=True)),
        return_exceptions=True,
    )

    (made,) = [n for n, outcome in enumerate(outcomes) if outcome == version + 1]
    assert isinstance(outcomes[1 - made], Overtaken)
    assert await one.tasks.get("alice", task.id) == (ends[made], version + 1)


async def test_nobody_changes_the_task_of_another_caller(pair: Pair):
    one, _ = pair(asks)
    task = steps.new("c")
    version = await one.tasks.add("alice", task)

    with pytest.raises(Overtaken):
        await one.tasks.save("bob", steps.moved(task, Moved(State.CANCELED)), version)

    assert await one.tasks.get("alice", task.id) == (task, version)


async def test_a_message_that_comes_to_both_replicas_at_once_is_one_task_and_one_effect(pair: Pair):
    gate = Gate()
    gate.open.set()
    servers = pair(gate.works, counts_once=True)

    tasks = await asyncio.gather(*(sent(server, said()) for server in servers * 4))

    assert len({task.id for task in tasks}) == 1
    assert {task.status.state for task in tasks} == {State.COMPLETED}
    assert (gate.begun, await total(servers[0])) == (1, 1)


async def test_a_message_that_comes_again_later_is_its_task_as_it_is(pair: Pair):
    gate = Gate()
    one, other = pair(gate.works, counts_once=True, settles_within_s=0.01)
    first = await sent(one, said(wait=False))

    at_work = [await sent(other, said()), await sent(one, said(wait=False))]
    gate.open.set()
    done = await sent(one, said())
    again = await sent(other, said())

    assert {task.id for task in (*at_work, done, again)} == {first.id}
    assert {task.status.state for task in at_work} == {State.WORKING}
    assert (done.status.state, again) == (State.COMPLETED, done)
    assert gate.begun == 1


async def test_a_message_that_comes_again_as_a_stream_is_told_of_the_same_task(pair: Pair):
    gate = Gate()
    gate.open.set()
    one, other = pair(gate.works, counts_once=True)
    task = await sent(one, said())

    told = [event async for event in await other.stream_message(said(), ALICE)]

    assert [event.task for event in told] == [task]


async def test_another_message_under_the_same_id_is_refused(pair: Pair):
    gate = Gate()
    gate.open.set()
    one, other = pair(gate.works, counts_once=True)
    await sent(one, said("Hello"))

    with pytest.raises(InvalidParams, match="another message"):
        await other.send_message(said("Goodbye"), ALICE)

    assert gate.begun == 1


async def test_the_ids_of_two_callers_have_nothing_to_do_with_each_other(pair: Pair):
    gate = Gate()
    gate.open.set()
    one, other = pair(gate.works, counts_once=True)

    hers, his = await sent(one, said()), await sent(other, said(), BOB)

    assert hers.id != his.id
    assert gate.begun == 2


async def test_a_message_whose_task_failed_may_be_tried_again(pair: Pair):
    tries = 0

    async def fails_once(turn: Turn) -> AsyncIterator[Update]:
        nonlocal tries
        tries += 1
        yield Moved(State.FAILED if tries == 1 else State.COMPLETED)

    one, other = pair(fails_once, counts_once=True)

    first, second = await sent(one, said()), await sent(other, said())

    assert (first.status.state, second.status.state) == (State.FAILED, State.COMPLETED)
    assert first.id != second.id


async def test_a_message_whose_replica_died_may_be_tried_again_once_that_is_known(pair: Pair):
    gate = Gate()
    one, other = pair(gate.works, counts_once=True)
    died = await sent(one, said(wait=False))
    await Tasks(one.tasks.database, "replica-0").recover()  # as it does when it starts again
    gate.open.set()

    again = await sent(other, said())

    assert (await kept(other, died.id)).status.state is State.FAILED
    assert (again.id != died.id, again.status.state) == (True, State.COMPLETED)


async def test_without_that_promise_each_message_is_a_task_of_its_own(pair: Pair):
    gate = Gate()
    gate.open.set()
    one, _ = pair(gate.works)

    ids = {(await sent(one, said())).id for _ in range(2)}

    assert len(ids) == 2
