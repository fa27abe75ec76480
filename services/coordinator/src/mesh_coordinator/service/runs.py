"""Runs: accepted now, carried out by the conductor, told by their rows."""

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from mesh_shared import telemetry
from mesh_shared.bell import Bell, wait
from mesh_shared.canonical import json_hash
from mesh_shared.database.engine import Database
from mesh_shared.errors import IdempotencyKeyReused
from mesh_shared.events import outbox
from mesh_shared.gathering import Gathering
from pydantic import TypeAdapter
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_coordinator.domain.plan import Plan, PlannedStep
from mesh_coordinator.domain.run import Approval, Auction, OnFailure, RunStatus, Stopping
from mesh_coordinator.domain.selection import Candidate
from mesh_coordinator.errors import BudgetTooSmall, NoAcceptableAgent, RunEnded
from mesh_coordinator.events import RunStarted
from mesh_coordinator.repository.budgets import Budgets
from mesh_coordinator.repository.codec import CANDIDATES, REQUIREMENT, dumped
from mesh_coordinator.repository.runs import RunRecord, Runs
from mesh_coordinator.repository.tables import BudgetRow, RunEventRow, RunRow, StepRow
from mesh_coordinator.service.charges import Cashier
from mesh_coordinator.service.claims import Claims
from mesh_coordinator.service.planning import Planner, Task

_TASK: TypeAdapter[Task] = TypeAdapter(Task)
LONGEST_WAIT_S = 7 * 86_400
"""For a person, in a run that names no deadline."""
LOOK_AGAIN_S = 1.0
"""Another replica rings no bell here."""


@dataclass(slots=True, kw_only=True)
class RunDesk:
    """Takes tasks, and tells how their runs stand."""

    database: Database
    claims: Claims
    cashier: Cashier
    planner: Planner
    attempts_per_step: int
    news: Bell
    """Rung for the conductor, and by it: when a run is accepted, stops, moves or ends."""
    _looks: Gathering[UUID, bool] = field(init=False)

    def __post_init__(self) -> None:
        self._looks = Gathering(self._are_running)

    async def start(self, task: Task, id: UUID, owner: str, payment: str | None = None) -> RunRecord:
        """Plans `task` and puts it on record as run `id` of `owner`'s; the run of that id if there is one.

        Where runs have their price, `payment` is what the owner sent for it.

        Raises `NoRequirementRecognised`, `InvalidPlan`, `NoAcceptableAgent`, `BudgetTooSmall`,
        `BudgetAboveLimit`, `BudgetNotFound`, `AgentNotFound`, `Unavailable`, `PaymentMissing`, or
        `IdempotencyKeyReused` when run `id` is of another task. Nothing is spent before the plan stands.
        """
        async with self.database.read() as session:
            is_known = await Runs(session).find(id) is not None
        if is_known:
            await self.planner.check_again(task)  # what makes no sense has no hash either
        else:
            await self._accept(task, id, owner, payment)
        record = await self.get(id)
        if record.run.task_hash != _hash(task):
            raise IdempotencyKeyReused("This key belongs to the run of another task.")
        return record

    async def _accept(self, task: Task, id: UUID, owner: str, payment: str | None) -> None:
        shared = await self._shared(task, owner)
        plan = await self.planner.plan(task)
        budget_units = self.planner.budget(task)
        left_units = budget_units if shared is None else shared.limit_units - shared.spent_units
        _check(task, plan, min(budget_units, left_units))
        await self.cashier.collect(id, payment)
        run, steps = _run_row(task, id, owner, budget_units), self._steps(plan, id)
        run.conductor = self.claims.name
        run.shared_budget = None if shared is None else shared.position
        with suppress(IntegrityError):  # the same request at another replica was first
            async with self.database.write() as session:
                Runs(session).add(run, steps)
                await session.flush()
                Runs(session).happened(run, "run.started", {"steps": len(steps)}, run.created_at)
                outbox.record(session, RunStarted(run_id=id, steps=len(steps), budget=str(budget_units)))
            self.news.ring()

    async def _shared(self, task: Task, owner: str) -> BudgetRow | None:
        if task.shared_budget is None:
            return None
        async with self.database.read() as session:
            return await Budgets(session).named(owner, task.shared_budget)

    async def get(self, id: UUID) -> RunRecord:
        """Everything on record of a run. Raises `RunNotFound`."""
        async with self.database.read() as session:
            return await Runs(session).record(id)

    async def newest(self, limit: int, *, before: int | None, status: RunStatus | None) -> Sequence[RunRow]:
        """A page of the list, newest first; `before` is the position of the last row of the page before."""
        async with self.database.read() as session:
            return await Runs(session).newest(limit, before=before, status=status)

    async def ended(self, id: UUID, timeout_s: float) -> RunRecord:
        """The run when it has ended, or as it stands after `timeout_s`. Raises `RunNotFound`."""
        deadline = time.monotonic() + timeout_s
        while True:
            ticket = self.news.ticket()
            is_running = await self._looks.outcome(id)
            left_s = deadline - time.monotonic()
            if not is_running or left_s <= 0:
                return await self.get(id)
            await wait(ticket, min(left_s, LOOK_AGAIN_S))

    async def _are_running(self, close: Callable[[], list[UUID]]) -> list[bool]:
        """Every move wakes all who wait: they look together."""
        async with self.database.read() as session:
            ids = close()
            running = await Runs(session).running(ids)
        return [id in running for id in ids]

    async def cancel(self, id: UUID) -> RunRecord:
        """Starts nothing more in the run. Agents that were called already are judged and paid by their work.

        Cancelling again changes nothing. Raises `RunNotFound` or `RunEnded`.
        """
        async with self._open(id) as (session, run):
            if run.stopping is None:
                run.stopping = Stopping.CANCELLED
                Runs(session).happened(run, "run.cancelling", {}, datetime.now(UTC))
        return await self.get(id)

    async def pause(self, id: UUID, *, is_paused: bool) -> RunRecord:
        """Starts nothing new until it is resumed; what is under way is finished. The same again is nothing.

        Raises `RunNotFound` or `RunEnded`.
        """
        async with self._open(id) as (session, run):
            if run.is_paused != is_paused:
                run.is_paused = is_paused
                happening = "run.paused" if is_paused else "run.resumed"
                Runs(session).happened(run, happening, {}, datetime.now(UTC))
        return await self.get(id)

    @asynccontextmanager
    async def _open(self, id: UUID) -> AsyncGenerator[tuple[AsyncSession, RunRow], None]:
        """A run that has not ended, to be changed; the conductor hears of it."""
        async with self.database.write() as session:
            run = await Runs(session).locked(id)
            if run.status != RunStatus.RUNNING:
                raise RunEnded(run.status)
            yield session, run
        self.news.ring()

    async def history(self, id: UUID, *, after: int, limit: int) -> tuple[Sequence[RunEventRow], bool]:
        """What happened after number `after`, and whether nothing more ever will. Raises `RunNotFound`."""
        async with self.database.read() as session:
            run = await Runs(session).get(id)
            rows = await Runs(session).history(id, after=after, limit=limit)
        last = rows[-1].sequence if rows else after
        return rows, run.status != RunStatus.RUNNING and last >= run.version

    def _steps(self, plan: Plan, run_id: UUID) -> list[StepRow]:
        return [_step_row(step, place, run_id, self._tried(step)) for place, step in enumerate(plan.steps)]

    def _tried(self, step: PlannedStep) -> Sequence[Candidate]:
        """Agents that may be tried, in order."""
        wanted = step.requirement.policy.fallback_agents
        most = self.attempts_per_step if wanted is None else min(1 + wanted, self.attempts_per_step)
        return step.hirable[:most]


def _step_row(step: PlannedStep, place: int, run_id: UUID, tried: Sequence[Candidate]) -> StepRow:
    above = step.requirement.asks_above_units
    price_units = max((candidate.price_units for candidate in tried), default=0)
    is_safe = all(candidate.is_safe for candidate in tried)
    return StepRow(
        run_id=run_id,
        id=step.requirement.id,
        place=place,
        needs=list(step.requirement.needs),
        is_mapped=step.requirement.for_each is not None,
        is_undoable=step.requirement.compensate is not None,
        hedge_after_s=step.requirement.policy.hedge_after_s if is_safe else None,
        is_optional=step.requirement.optional,
        agents=[candidate.agent_id for candidate in tried],
        auction=None if step.requirement.select.auction_s is None else Auction.NEEDED,
        approval=None if above is None or price_units <= above else Approval.NEEDED,
        requirement=dumped(REQUIREMENT, step.requirement),
        candidates=dumped(CANDIDATES, step.candidates),
        validators=dumped(CANDIDATES, step.validators),
    )


def _hash(task: Task) -> str:
    """Tells tasks apart, whatever they were asked through: 64 hex digits."""
    return json_hash(_TASK.dump_python(task, mode="json")).hex()


def _deadline(task: Task, now: datetime) -> datetime | None:
    """Nobody is waited for longer than a week."""
    asks = any(one.asks_above_units is not None for one in task.requirements or ())
    lasts_s = LONGEST_WAIT_S if task.deadline_s is None and asks else task.deadline_s
    return None if lasts_s is None else now + timedelta(seconds=lasts_s)


def _run_row(task: Task, id: UUID, owner: str, budget_units: int) -> RunRow:
    now = datetime.now(UTC)
    return RunRow(
        id=id,
        owner=owner,
        task=task.text,
        task_hash=_hash(task),
        given=task.input,
        wanted_output=dict(task.output),
        on_failure=task.on_failure,
        quorum=task.quorum,
        budget_units=budget_units,
        traceparent=telemetry.traceparent(),
        parallel=task.parallel,
        deadline=_deadline(task, now),
        created_at=now,
    )


def _check(task: Task, plan: Plan, budget_units: int) -> None:
    """Refuses what cannot end well: nobody to hire, though no gap is allowed; more to pay than there is."""
    required = {step.requirement.id for step in plan.steps if not step.requirement.optional}
    missing = [id for id in plan.gaps if id in required]
    needed = len(required) if task.on_failure is OnFailure.FAIL_FAST else task.quorum or 0
    if missing and (len(required) - len(missing) < needed or len(plan.gaps) == len(plan.steps)):
        raise NoAcceptableAgent(missing)
    price_units = sum(
        step.chosen.price_units for step in plan.steps if step.chosen and step.requirement.id in required
    )
    if price_units > budget_units:
        raise BudgetTooSmall(price_units=price_units, budget_units=budget_units)
