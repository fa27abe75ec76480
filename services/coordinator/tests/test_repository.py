"""Queries on both databases: budgets that hold, histories without gaps, and what nobody may overwrite."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from mesh_coordinator.domain.attempt import Failure, State
from mesh_coordinator.domain.limits import OpenAttempt
from mesh_coordinator.domain.run import OnFailure, RunStatus, Start, StepStatus, Stopping
from mesh_coordinator.errors import RunNotFound
from mesh_coordinator.repository.attempts import Attempts, Outrun
from mesh_coordinator.repository.budgets import Budgets
from mesh_coordinator.repository.charges import Charges
from mesh_coordinator.repository.runs import Facts, Runs
from mesh_coordinator.repository.tables import AttemptRow, BudgetRow, ChargeRow, RunRow, StepRow
from mesh_coordinator.service.moves import record
from sqlalchemy.exc import IntegrityError

if TYPE_CHECKING:
    from mesh_shared.database.engine import Database

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
US = uuid4()
"""Who conducts."""


def run_row(**more: Any) -> RunRow:
    told: dict[str, Any] = {
        "id": uuid4(),
        "owner": "o",
        "task": "t",
        "task_hash": "0" * 64,
        "given": {},
        "wanted_output": {},
        "on_failure": OnFailure.PARTIAL,
        "budget_units": 100,
        "conductor": US,
        "created_at": NOW,
    }
    return RunRow(**(told | more))


def step_row(run_id: UUID, id: str, place: int = 0, **more: Any) -> StepRow:
    told: dict[str, Any] = {
        "needs": [],
        "is_optional": False,
        "agents": ["x"],
        "requirement": {},
        "candidates": [],
    }
    return StepRow(run_id=run_id, id=id, place=place, **(told | more))


def attempt_row(run_id: UUID, step_id: str, number: int = 1, **more: Any) -> AttemptRow:
    told: dict[str, Any] = {
        "id": uuid4(),
        "candidate": {"agent_id": "x"},
        "parameters": {},
        "price_units": 0,
        "state": State.INVOKING,
        "created_at": NOW,
    }
    return AttemptRow(run_id=run_id, step_id=step_id, number=number, **(told | more))


async def stored(database: Database, run: RunRow, *rows: Any) -> UUID:
    async with database.write() as session:
        Runs(session).add(run, [])
        await session.flush()
        session.add_all(rows)
    return run.id


async def reserve(database: Database, id: UUID, units: int) -> bool:
    async with database.write() as session:
        return await Budgets(session).reserve(id, units)


async def budget(database: Database, id: UUID) -> tuple[int, int]:
    async with database.read() as session:
        run = await Runs(session).get(id)
    return run.reserved_units, run.spent_units


async def test_fifty_reservations_at_the_edge_never_go_over_the_budget(database: Database):
    id = await stored(database, run_row(budget_units=100))

    taken = await asyncio.gather(*(reserve(database, id, 3) for _ in range(50)))

    assert sum(taken) == 33
    assert await budget(database, id) == (99, 0)


async def test_what_comes_back_can_be_reserved_again_and_what_was_spent_cannot(database: Database):
    id = await stored(database, run_row(budget_units=100))
    assert await reserve(database, id, 60)
    assert await reserve(database, id, 40)

    async with database.write() as session:
        await Budgets(session).give_back(id, 60, spent_units=0)
        await Budgets(session).give_back(id, 40, spent_units=40)

    assert not await reserve(database, id, 61)
    assert await reserve(database, id, 60)
    assert await budget(database, id) == (60, 40)


async def shared_budget(database: Database, limit_units: int) -> int:
    row = BudgetRow(owner="o", name="shared", limit_units=limit_units, created_at=NOW)
    async with database.write() as session:
        Budgets(session).add(row)
    return row.position


async def test_fifty_runs_at_once_never_go_over_the_budget_that_they_share(database: Database):
    shared = await shared_budget(database, 100)
    ids = [await stored(database, run_row(budget_units=10, shared_budget=shared)) for _ in range(50)]

    taken = await asyncio.gather(*(reserve(database, id, 3) for id in ids))

    async with database.read() as session:
        budget_row = await Budgets(session).named("o", "shared")
    assert (sum(taken), budget_row.reserved_units) == (33, 99)
    reserved = [await budget(database, id) for id in ids]
    assert sorted(reserved) == [(0, 0)] * 17 + [(3, 0)] * 33


async def test_what_a_run_pays_is_paid_of_both_budgets_and_the_rest_comes_back_to_both(database: Database):
    shared = await shared_budget(database, 100)
    id = await stored(database, run_row(budget_units=50, shared_budget=shared))
    assert await reserve(database, id, 30)
    assert await reserve(database, id, 20)

    async with database.write() as session:
        await Budgets(session).give_back(id, 30, spent_units=30)
        await Budgets(session).give_back(id, 20, spent_units=0)

    async with database.read() as session:
        row = await Budgets(session).named("o", "shared")
    assert (row.reserved_units, row.spent_units) == (0, 30)
    assert await budget(database, id) == (0, 30)


@pytest.mark.parametrize(
    ("own_limit", "shared_limit", "units", "fits"),
    [
        (50, None, 50, True),
        (50, None, 51, False),
        (50, 40, 40, True),
        (50, 40, 41, False),
        (30, 40, 31, False),
    ],
)
async def test_what_may_fit_once_reservations_come_back(
    database: Database, own_limit: int, shared_limit: int | None, units: int, fits: bool
):
    shared = None if shared_limit is None else await shared_budget(database, shared_limit)
    id = await stored(database, run_row(budget_units=own_limit, shared_budget=shared))
    assert await reserve(database, id, 30)

    async with database.read() as session:
        assert await Budgets(session).may_fit(id, units) == fits


async def test_the_database_itself_refuses_a_budget_that_is_overdrawn(database: Database):
    id = await stored(database, run_row(budget_units=100))

    with pytest.raises(IntegrityError):
        async with database.write() as session:
            await Budgets(session).give_back(id, 0, spent_units=101)

    assert await budget(database, id) == (0, 0)


async def test_what_happens_at_the_same_time_is_numbered_without_a_gap(database: Database):
    id = await stored(database, run_row())

    async def happen(n: int) -> None:
        async with database.write() as session:
            Runs(session).happened(await Runs(session).locked(id), f"thing.{n}", {"n": n}, NOW)

    await asyncio.gather(*(happen(n) for n in range(30)))

    async with database.read() as session:
        history = await Runs(session).history(id, after=0, limit=100)
        run = await Runs(session).get(id)
    assert [row.sequence for row in history] == list(range(1, 31))
    assert run.version == 30
    assert {row.data["n"] for row in history} == set(range(30))


async def happen_in_vain(database: Database, id: UUID) -> None:
    async with database.write() as session:
        Runs(session).happened(await Runs(session).locked(id), "lost", {}, NOW)
        raise RuntimeError("the process is in trouble")


async def test_what_was_rolled_back_left_no_gap(database: Database):
    id = await stored(database, run_row())

    with pytest.raises(RuntimeError):
        await happen_in_vain(database, id)
    async with database.write() as session:
        Runs(session).happened(await Runs(session).locked(id), "kept", {}, NOW)

    async with database.read() as session:
        history = await Runs(session).history(id, after=0, limit=10)
    assert [(row.sequence, row.type) for row in history] == [(1, "kept")]


async def test_a_history_is_read_in_pages(database: Database):
    id = await stored(database, run_row())
    async with database.write() as session:
        run = await Runs(session).locked(id)
        for n in range(5):
            Runs(session).happened(run, f"thing.{n}", {}, NOW)

    async with database.read() as session:
        page = await Runs(session).history(id, after=2, limit=2)

    assert [row.type for row in page] == ["thing.2", "thing.3"]


async def test_an_attempt_that_somebody_else_moved_on_is_not_moved_again(database: Database):
    run = run_row()
    attempt = attempt_row(run.id, "a", state=State.FUNDED)
    await stored(database, run, attempt)

    async with database.write() as session:
        (await Attempts(session).locked(attempt.id, State.FUNDED)).state = State.INVOKING

    with pytest.raises(Outrun):
        async with database.write() as session:
            await Attempts(session).locked(attempt.id, State.FUNDED)


async def test_a_step_has_one_attempt_of_each_number(database: Database):
    run = run_row()

    with pytest.raises(IntegrityError):
        await stored(database, run, attempt_row(run.id, "a"), attempt_row(run.id, "a"))


async def test_the_facts_of_open_runs_come_oldest_first_with_their_steps_in_order(database: Database):
    older, newer, ended = run_row(), run_row(stopping=Stopping.CANCELLED), run_row(status=RunStatus.FAILED)
    await stored(database, older, step_row(older.id, "b", 0), step_row(older.id, "a", 1, needs=["b"]))
    await stored(database, ended, step_row(ended.id, "x"))
    failed = attempt_row(newer.id, "a", 1, state=State.CLOSED, failure=Failure.TIMED_OUT)
    second = attempt_row(newer.id, "a", 2, state=State.INVOKING, created_at=NOW + timedelta(seconds=1))
    await stored(
        database,
        newer,
        step_row(newer.id, "a", status=StepStatus.RUNNING, agents=["x", "y", "z"]),
        second,
        failed,
    )

    async with database.read() as session:
        versions = await Facts(session, 4, NOW).versions(US)
        facts = await Facts(session, 4, NOW).of_all(list(versions))
        open_attempts = await Facts(session, 4, NOW).open_attempts()

    assert list(versions) == list(facts) == [older.id, newer.id]
    assert [(step.id, step.needs) for step in facts[older.id].steps] == [("b", ()), ("a", ("b",))]
    (step,) = facts[newer.id].steps
    assert [(one.state, one.failure) for one in step.attempts] == [
        (State.CLOSED, Failure.TIMED_OUT),
        (State.INVOKING, None),
    ]
    assert (facts[newer.id].stopping, facts[newer.id].parallel) == (Stopping.CANCELLED, 4)
    assert open_attempts == {second.id: OpenAttempt("o", "x", State.INVOKING, US)}


@pytest.mark.parametrize(
    ("asked", "late_by_s", "parallel", "is_late"),
    [(None, None, 4, False), (2, -1, 2, False), (9, 0, 4, True)],
)
async def test_a_run_has_its_own_limits_within_the_operator_s(
    database: Database, asked: int | None, late_by_s: int | None, parallel: int, is_late: bool
):
    deadline = None if late_by_s is None else NOW - timedelta(seconds=late_by_s)
    id = await stored(database, run_row(parallel=asked, deadline=deadline))

    async with database.read() as session:
        facts = await Facts(session, 4, NOW).of(id)

    assert (facts.parallel, facts.is_late) == (parallel, is_late)


async def test_a_run_to_which_something_happened_is_in_another_version(database: Database):
    run, other = run_row(), run_row()
    for one in (run, other):
        await stored(database, one)
    async with database.write() as session:
        Runs(session).happened(await Runs(session).locked(run.id), "run.paused", {}, NOW)

    async with database.read() as session:
        versions = await Facts(session, 4, NOW).versions(US)
        facts = await Facts(session, 4, NOW).of(run.id)

    assert versions == {run.id: 1, other.id: 0}
    assert facts.version == 1


@pytest.mark.parametrize(("price_units", "state"), [(0, State.INVOKING), (5, State.RESERVING)])
async def test_what_is_next_for_an_attempt_is_in_the_commit_that_opens_it(
    database: Database, price_units: int, state: State
):
    run, wanted = run_row(), {"id": "a", "capability": "work"}
    candidates = [{"agent_id": "x", "price_units": price_units}]
    await stored(database, run, step_row(run.id, "a", requirement=wanted, candidates=candidates))

    async with database.write() as session:
        made = await record(session, await Runs(session).locked(run.id), [Start("a", 1)])

    async with database.read() as session:
        told = await Runs(session).history(run.id, after=0, limit=9)
    (opened,) = made.opened
    assert (opened.state, opened.called_at is None) == (state, price_units > 0)
    assert [one.type for one in told] == ["attempt.selected", f"attempt.{state}"]


async def test_only_the_result_that_counts_is_passed_on(database: Database):
    run = run_row()
    poor = attempt_row(run.id, "a", 1, delivery={"result": "poor"}, failure=Failure.POOR_QUALITY)
    good = attempt_row(run.id, "a", 2, delivery={"result": None})
    late = attempt_row(run.id, "a", 3, delivery={"result": "late"})
    silent = attempt_row(run.id, "b", 1, failure=Failure.TIMED_OUT)
    steps = step_row(run.id, "a", winner=2), step_row(run.id, "b", 1)
    await stored(database, run, *steps, poor, good, late, silent)

    async with database.read() as session:
        results = await Attempts(session).results(run.id, ["a", "b"])

    assert results == {"a": None}


@pytest.mark.parametrize(
    ("hedge_after_s", "state", "is_slow"),
    [
        (5, State.INVOKING, True),
        (6, State.INVOKING, False),
        (None, State.INVOKING, False),
        (5, State.SETTLING, False),
    ],
)
async def test_an_agent_is_slow_while_it_has_not_answered(
    database: Database, hedge_after_s: int | None, state: State, is_slow: bool
):
    run = run_row()
    called = attempt_row(run.id, "a", state=state, called_at=NOW - timedelta(seconds=5))
    await stored(database, run, step_row(run.id, "a", hedge_after_s=hedge_after_s), called)

    async with database.read() as session:
        (step,) = (await Facts(session, 4, NOW).of(run.id)).steps

    assert [attempt.is_slow for attempt in step.attempts] == [is_slow]


async def test_a_payment_and_a_run_belong_to_one_charge_each(database: Database):
    def charge(run_id: UUID, payer: str, nonce: str) -> ChargeRow:
        told = {"units": 7, "transaction_id": uuid4(), "created_at": NOW}
        return ChargeRow(run_id=run_id, payer=payer, nonce=nonce, **told)

    async def put(row: ChargeRow) -> bool:
        try:
            async with database.write() as session:
                Charges(session).add(row)
        except IntegrityError:
            return False
        return True

    run, other = uuid4(), uuid4()
    rows = [charge(run, "p", "1"), charge(other, "p", "1"), charge(run, "p", "2"), charge(other, "q", "1")]
    assert [await put(row) for row in rows] == [True, False, False, True]

    async with database.write() as session:
        await Charges(session).remove(run)
    assert await put(charge(run, "p", "1"))


async def test_an_attempt_is_found_by_its_escrow(database: Database):
    run = run_row()
    attempt = attempt_row(run.id, "a", escrow_id="0x" + "ab" * 32)
    await stored(database, run, attempt)

    async with database.read() as session:
        found = await Attempts(session).by_escrow("0x" + "ab" * 32)
        other = await Attempts(session).by_escrow("0x" + "cd" * 32)

    assert found is not None
    assert (found.id, other) == (attempt.id, None)


async def test_a_run_that_nobody_started_is_not_found(database: Database):
    async with database.read() as session:
        with pytest.raises(RunNotFound):
            await Runs(session).record(uuid4())
        with pytest.raises(RunNotFound):
            await Runs(session).locked(uuid4())


async def test_amounts_up_to_the_limit_of_the_column_are_kept_exactly(database: Database):
    id = await stored(database, run_row(budget_units=2**63 - 1))

    assert await reserve(database, id, 2**63 - 1)
    assert await budget(database, id) == (2**63 - 1, 0)
