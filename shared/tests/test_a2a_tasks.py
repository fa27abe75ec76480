"""Tasks of A2A are kept on either database, for their owner, and in the order of their last change."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from mesh_shared.a2a.errors import InvalidParams
from mesh_shared.a2a.model import (
    Artifact,
    ListTasksRequest,
    ListTasksResponse,
    Message,
    Part,
    Role,
    State,
    Status,
    Task,
)
from mesh_shared.a2a.tasks import KEPT, Tasks
from mesh_shared.database import engine, migrate


def task(id: str, minutes: int = 0, state: State = State.COMPLETED, context: str = "c") -> Task:
    at = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat(timespec="milliseconds")
    said = Message(message_id="m", role=Role.USER, parts=[Part(text="Hello")])
    return Task(
        id=id,
        context_id=context,
        status=Status(state=state, timestamp=at.replace("+00:00", "Z")),
        artifacts=[Artifact(artifact_id="a", parts=[Part(data={"n": None, "deep": [1, {"b": False}]})])],
        history=[said],
    )


@pytest.fixture
async def tasks(database_url: str) -> AsyncIterator[Tasks]:
    database = engine.connect(database_url)
    await migrate.upgrade(database, [])
    yield Tasks(database, "replica-1")
    await database.engine.dispose()


async def listed(tasks: Tasks, owner: str = "alice", **wanted: object) -> ListTasksResponse:
    return await tasks.page(owner, ListTasksRequest.model_validate(wanted))


def ids(page: ListTasksResponse) -> list[str]:
    return [task.id for task in page.tasks]


async def test_a_task_comes_back_as_it_was_saved(tasks: Tasks):
    saved = task("t")

    await tasks.save("alice", saved)

    assert await tasks.get("alice", "t") == saved


async def test_a_task_is_only_its_owner_s(tasks: Tasks):
    await tasks.save("alice", task("t"))

    assert await tasks.get("bob", "t") is None
    assert ids(await listed(tasks, "bob")) == []
    assert (await listed(tasks, "bob")).total_size == 0


async def test_saving_again_changes_the_task(tasks: Tasks):
    await tasks.save("alice", task("t", state=State.WORKING))

    await tasks.save("alice", task("t", 1, State.COMPLETED))

    assert ids(await listed(tasks, status="TASK_STATE_COMPLETED")) == ["t"]
    assert (await listed(tasks)).total_size == 1


async def test_every_task_is_on_one_page_and_on_one_only(tasks: Tasks):
    at_once = task("x")
    for n in range(7):  # several have the same time
        await tasks.save("alice", at_once.model_copy(update={"id": f"t{n}"}))
    seen: list[str] = []
    token = ""

    for _ in range(3):
        page = await listed(tasks, pageSize=3, pageToken=token)
        seen += ids(page)
        token = page.next_page_token

    assert seen == [f"t{n}" for n in range(6, -1, -1)]
    assert token == ""


async def test_a_page_that_ends_with_the_list_says_so(tasks: Tasks):
    for n in range(2):
        await tasks.save("alice", task(f"t{n}", n))

    page = await listed(tasks, pageSize=2)

    assert (ids(page), page.next_page_token) == (["t1", "t0"], "")


async def test_conditions_are_met_together(tasks: Tasks):
    await tasks.save("alice", task("old", -60, context="one"))
    await tasks.save("alice", task("new", context="one"))
    await tasks.save("alice", task("failed", state=State.FAILED, context="one"))
    await tasks.save("alice", task("other", context="two"))
    recent = (datetime.now(UTC) - timedelta(minutes=30)).isoformat()

    page = await listed(
        tasks, contextId="one", status="TASK_STATE_COMPLETED", statusTimestampAfter=recent, pageSize=10
    )

    assert (ids(page), page.total_size) == (["new"], 1)


@pytest.mark.parametrize("token", ["x", "e30=", "WyJhIl0=", "WzEsMl0=", "bnVsbA==", "WyJub29uIiwgInQiXQ=="])
async def test_a_token_that_is_none_of_ours_is_refused(tasks: Tasks, token: str):
    with pytest.raises(InvalidParams):
        await listed(tasks, pageToken=token)


async def test_what_this_replica_left_unfinished_has_failed(tasks: Tasks):
    await tasks.save("alice", task("working", state=State.WORKING))
    await tasks.save("alice", task("submitted", state=State.SUBMITTED))
    await tasks.save("alice", task("waiting", state=State.INPUT_REQUIRED))
    await Tasks(tasks.database, "replica-2").save("alice", task("theirs", state=State.WORKING))

    await tasks.recover()

    found = {task.id: task.status.state for task in (await listed(tasks)).tasks}
    assert found == {
        "working": State.FAILED,
        "submitted": State.FAILED,
        "waiting": State.INPUT_REQUIRED,
        "theirs": State.WORKING,
    }


async def test_tasks_are_forgotten_after_a_week(tasks: Tasks):
    week = int(KEPT.total_seconds() // 60)
    await tasks.save("alice", task("old", -week - 1))
    await tasks.save("alice", task("young", -week + 1))

    await tasks.recover()

    assert ids(await listed(tasks)) == ["young"]
