"""Tasks of A2A are kept on either database, for their owner, and in the order of their last change."""

from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import orjson
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
from pydantic import ValidationError


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


async def save(tasks: Tasks, owner: str, task: Task) -> None:
    """Writes the task over whatever is kept of it."""
    kept = await tasks.get(owner, task.id)
    await tasks.save(owner, task, kept[1] if kept else 0)


async def listed(tasks: Tasks, owner: str = "alice", **wanted: object) -> ListTasksResponse:
    return await tasks.page(owner, ListTasksRequest.model_validate(wanted))


def ids(page: ListTasksResponse) -> list[str]:
    return [task.id for task in page.tasks]


async def test_a_task_comes_back_as_it_was_saved(tasks: Tasks):
    saved = task("t")

    await save(tasks, "alice", saved)

    assert await tasks.get("alice", "t") == (saved, 1)


async def test_a_task_is_only_its_owner_s(tasks: Tasks):
    await save(tasks, "alice", task("t"))

    assert await tasks.get("bob", "t") is None
    assert ids(await listed(tasks, "bob")) == []
    assert (await listed(tasks, "bob")).total_size == 0


async def test_saving_again_changes_the_task(tasks: Tasks):
    await save(tasks, "alice", task("t", state=State.WORKING))

    await save(tasks, "alice", task("t", 1, State.COMPLETED))

    assert ids(await listed(tasks, status="TASK_STATE_COMPLETED")) == ["t"]
    assert (await listed(tasks)).total_size == 1


async def test_every_task_is_on_one_page_and_on_one_only(tasks: Tasks):
    at_once = task("x")
    for n in range(7):  # several have the same time
        await save(tasks, "alice", at_once.model_copy(update={"id": f"t{n}"}))
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
        await save(tasks, "alice", task(f"t{n}", n))

    page = await listed(tasks, pageSize=2)

    assert (ids(page), page.next_page_token) == (["t1", "t0"], "")


async def test_conditions_are_met_together(tasks: Tasks):
    await save(tasks, "alice", task("old", -60, context="one"))
    await save(tasks, "alice", task("new", context="one"))
    await save(tasks, "alice", task("failed", state=State.FAILED, context="one"))
    await save(tasks, "alice", task("other", context="two"))
    recent = (datetime.now(UTC) - timedelta(minutes=30)).isoformat()

    page = await listed(
        tasks, contextId="one", status="TASK_STATE_COMPLETED", statusTimestampAfter=recent, pageSize=10
    )

    assert (ids(page), page.total_size) == (["new"], 1)


def token(place: object) -> str:
    return urlsafe_b64encode(orjson.dumps(place)).decode()


NO_TOKENS = [
    "x",
    *map(token, [{}, None, ["a"], [1, 2], ["noon", "t"], ["0001-01-01T00:00:00+14:00", "t"]]),
    token(["2026-01-01T00:00:00+00:00", "a\0b"]),
]


@pytest.mark.parametrize("token", NO_TOKENS)
async def test_a_token_that_is_none_of_ours_is_refused(tasks: Tasks, token: str):
    with pytest.raises(InvalidParams):
        await listed(tasks, pageToken=token)


async def test_what_this_replica_left_unfinished_has_failed(tasks: Tasks):
    await save(tasks, "alice", task("working", state=State.WORKING))
    await save(tasks, "alice", task("submitted", state=State.SUBMITTED))
    await save(tasks, "alice", task("waiting", state=State.INPUT_REQUIRED))
    await save(Tasks(tasks.database, "replica-2"), "alice", task("theirs", state=State.WORKING))

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
    await save(tasks, "alice", task("old", -week - 1))
    await save(tasks, "alice", task("young", -week + 1))

    await tasks.recover()

    assert ids(await listed(tasks)) == ["young"]


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "noon"])
def test_a_time_that_no_calendar_in_utc_has_is_refused(at: str):
    with pytest.raises(ValidationError, match="statusTimestampAfter"):
        ListTasksRequest.model_validate({"statusTimestampAfter": at})


def test_a_time_without_an_offset_is_in_utc():
    wanted = ListTasksRequest.model_validate({"statusTimestampAfter": "2026-01-01T00:00:00"})

    assert wanted.status_timestamp_after == datetime(2026, 1, 1, tzinfo=UTC)


async def test_a_list_after_a_time_leaves_out_what_changed_at_it(tasks: Tasks):
    saved = task("t")
    await save(tasks, "alice", saved)

    page = await listed(tasks, statusTimestampAfter=saved.status.timestamp)

    assert ids(page) == []


async def test_a_list_shows_as_much_history_as_was_asked_for_and_no_artifacts(tasks: Tasks):
    await save(tasks, "alice", task("t"))

    full, short = await listed(tasks), await listed(tasks, historyLength=0, includeArtifacts=True)

    assert [(t.history is None, t.artifacts is None) for t in full.tasks + short.tasks] == [
        (False, True),
        (True, False),
    ]


async def test_a_total_counts_every_page(tasks: Tasks):
    for n in range(3):
        await save(tasks, "alice", task(f"t{n}", n))
    first = await listed(tasks, pageSize=2)

    last = await listed(tasks, pageSize=2, pageToken=first.next_page_token)

    assert (first.total_size, last.total_size, len(last.tasks)) == (3, 3, 1)


async def test_a_task_that_moves_up_while_it_is_listed_pushes_none_off_the_next_page(tasks: Tasks):
    for n in range(3):
        await save(tasks, "alice", task(f"t{n}", n))
    first = await listed(tasks, pageSize=2)
    await save(tasks, "alice", task("t2", 9))

    last = await listed(tasks, pageSize=2, pageToken=first.next_page_token)

    assert (ids(first), ids(last)) == (["t2", "t1"], ["t0"])


async def test_a_token_shows_nobody_else_s_tasks(tasks: Tasks):
    for n in range(3):
        await save(tasks, "alice", task(f"t{n}", n))
    hers = await listed(tasks, pageSize=1)

    page = await listed(tasks, "bob", pageSize=1, pageToken=hers.next_page_token)

    assert (ids(page), page.total_size) == ([], 0)


async def test_what_was_left_unfinished_shows_as_failed_in_the_task_itself(tasks: Tasks):
    await save(tasks, "alice", task("working", state=State.WORKING))

    await tasks.recover()

    found = await tasks.get("alice", "working")
    assert found is not None
    assert (found[0].status.state, found[0].artifacts) == (State.FAILED, task("working").artifacts)
    assert found[1] == 2  # whoever still works on it is told
