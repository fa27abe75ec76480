"""Queries on runs, their steps and their history."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from mesh_shared.database import role
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_coordinator.domain.attempt import OPEN, Failure, State
from mesh_coordinator.domain.limits import OpenAttempt
from mesh_coordinator.domain.plan import Plan, PlannedStep
from mesh_coordinator.domain.run import (
    Approval,
    AttemptFacts,
    Auction,
    OnFailure,
    RunFacts,
    RunStatus,
    StepFacts,
    StepStatus,
    Stopping,
)
from mesh_coordinator.domain.selection import Candidate
from mesh_coordinator.errors import ApprovalNotFound, RunNotFound
from mesh_coordinator.repository.attempts import Attempts
from mesh_coordinator.repository.codec import CANDIDATE, CANDIDATES, REQUIREMENT
from mesh_coordinator.repository.tables import AttemptRow, RunEventRow, RunRow, StepRow

_Attempt = tuple[str, str | None, datetime | None]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Everything on record of a run; steps in the plan's order, attempts oldest first."""

    run: RunRow
    steps: Sequence[StepRow]
    attempts: Sequence[AttemptRow]

    @property
    def plan(self) -> Plan:
        """The plan with the items of mapped steps, which need their items."""
        items: defaultdict[str | None, list[str]] = defaultdict(list)
        for step in self.steps:
            if not step.is_undo:
                items[step.parent].append(step.id)
        return Plan(steps=tuple(_planned(step, items[step.id]) for step in self.steps))

    @property
    def hired(self) -> dict[str, Candidate]:
        """Who was hired last for each step."""
        return {one.step_id: CANDIDATE.validate_python(one.candidate) for one in self.attempts}

    @property
    def is_open(self) -> bool:
        return self.run.status == RunStatus.RUNNING


def _planned(step: StepRow, items: Sequence[str]) -> PlannedStep:
    wanted = REQUIREMENT.validate_python(step.requirement)
    return PlannedStep(
        requirement=replace(wanted, id=step.id, needs=(*step.needs, *items)),
        candidates=CANDIDATES.validate_python(step.candidates),
        validators=CANDIDATES.validate_python(step.validators),
    )


def role_of(conductor: UUID) -> str:
    """What a conductor holds while it lives; see `mesh_shared.database.role`."""
    return f"runs:{conductor}"


class Runs:
    """Every query on `runs`, `steps` and `run_events`. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, run: RunRow, steps: Sequence[StepRow]) -> None:
        self._session.add(run)
        self._session.add_all(steps)

    async def find(self, id: UUID) -> RunRow | None:
        return await self._session.scalar(select(RunRow).where(RunRow.id == id))

    async def get(self, id: UUID) -> RunRow:
        """Raises `RunNotFound`."""
        if (found := await self.find(id)) is None:
            raise RunNotFound
        return found

    async def locked(self, id: UUID) -> RunRow:
        """The run, which nobody else changes until we are done. Raises `RunNotFound`."""
        query = select(RunRow).where(RunRow.id == id).with_for_update()
        found = await self._session.scalar(query.execution_options(populate_existing=True))
        if found is None:
            raise RunNotFound
        return found

    async def record(self, id: UUID) -> RunRecord:
        """Raises `RunNotFound`."""
        run = await self.get(id)
        steps = await self._session.scalars(
            select(StepRow).where(StepRow.run_id == id).order_by(StepRow.place, StepRow.item_number)
        )
        attempts = await self._session.scalars(
            select(AttemptRow).where(AttemptRow.run_id == id).order_by(AttemptRow.step_id, AttemptRow.number)
        )
        return RunRecord(run, steps.all(), attempts.all())

    async def newest(self, limit: int, *, before: int | None, status: RunStatus | None) -> Sequence[RunRow]:
        """Newest first, from below position `before` on."""
        query = select(RunRow).order_by(RunRow.position.desc()).limit(limit)
        if before is not None:
            query = query.where(RunRow.position < before)
        if status is not None:
            query = query.where(RunRow.status == status)
        return (await self._session.scalars(query)).all()

    async def running(self, ids: Sequence[UUID]) -> set[UUID]:
        """Those of `ids` whose run has not ended."""
        query = select(RunRow.id).where(RunRow.id.in_(ids), RunRow.status == RunStatus.RUNNING)
        return set(await self._session.scalars(query))

    async def find_step(self, run_id: UUID, id: str) -> StepRow | None:
        return await self._session.get(StepRow, (run_id, id))

    async def step(self, run_id: UUID, id: str) -> StepRow:
        return await self._session.get_one(StepRow, (run_id, id))

    async def steps(self, run_id: UUID, ids: Collection[str]) -> dict[str, StepRow]:
        """These steps by their ids."""
        query = select(StepRow).where(StepRow.run_id == run_id, StepRow.id.in_(ids))
        return {step.id: step for step in await self._session.scalars(query)}

    async def results(self, run_id: UUID, steps: Sequence[str]) -> dict[str, Any]:
        """What the steps amount to that succeeded, by step: what was delivered for them, or kept."""
        if not steps:
            return {}
        query = select(StepRow.id, StepRow.result).where(
            StepRow.run_id == run_id, StepRow.id.in_(steps), StepRow.result.is_not(None)
        )
        kept = {id: result["value"] for id, result in await self._session.execute(query) if result}
        return {**await Attempts(self._session).results(run_id, steps), **kept}

    async def items(self, run_id: UUID, parent: str) -> Sequence[str]:
        """The ids of a mapped step's items, in order."""
        query = select(StepRow.id).where(
            StepRow.run_id == run_id, StepRow.parent == parent, StepRow.is_undo.is_(False)
        )
        return (await self._session.scalars(query.order_by(StepRow.item_number))).all()

    async def count(self, run_id: UUID) -> int:
        """How many steps the run has, items included."""
        query = select(func.count()).select_from(StepRow).where(StepRow.run_id == run_id)
        return (await self._session.execute(query)).scalar_one()

    async def asked(self, run_id: UUID, approval_id: UUID) -> StepRow | AttemptRow:
        """The step, or the attempt, about which somebody was asked. Raises `ApprovalNotFound`."""
        query = select(StepRow).where(StepRow.run_id == run_id, StepRow.approval_id == approval_id)
        if (step := await self._session.scalar(query)) is not None:
            return step
        if (attempt := await Attempts(self._session).asked(run_id, approval_id)) is None:
            raise ApprovalNotFound
        return attempt

    def happened(self, run: RunRow, type: str, data: Mapping[str, Any], at: datetime) -> None:
        """Adds to the history of a run that is new or locked; its number is the run's new version."""
        run.version += 1
        row = RunEventRow(run_id=run.id, sequence=run.version, type=type, data=dict(data), time=at)
        self._session.add(row)

    async def strangers(self, conductor: UUID) -> Sequence[UUID]:
        """The others who conduct, or have conducted, runs that have not ended."""
        query = select(RunRow.conductor).where(
            RunRow.status == RunStatus.RUNNING, RunRow.conductor != conductor
        )
        return (await self._session.scalars(query.distinct())).all()

    async def take_over(self, before: UUID, after: UUID) -> None:
        """Gives the open runs of a conductor to another, when nobody holds the role of the first."""
        if not await role.is_free(self._session, role_of(before)):
            return
        theirs = RunRow.conductor == before, RunRow.status == RunStatus.RUNNING
        await self._session.execute(update(RunRow).where(*theirs).values(conductor=after))

    async def history(self, id: UUID, *, after: int, limit: int) -> Sequence[RunEventRow]:
        """What happened after number `after`, in order."""
        query = (
            select(RunEventRow)
            .where(RunEventRow.run_id == id, RunEventRow.sequence > after)
            .order_by(RunEventRow.sequence)
            .limit(limit)
        )
        return (await self._session.scalars(query)).all()


class Facts:
    """What the reducer has to know, without plans, parameters and results."""

    def __init__(self, session: AsyncSession, parallel: int, now: datetime) -> None:
        self._session = session
        self._parallel = parallel
        self._now = now

    async def versions(self, conductor: UUID) -> dict[UUID, int]:
        """Of each of their runs that has not ended, oldest first; what the reducer knows changes with it.

        For whatever changes that is told in the run's history, in the same commit.
        """
        query = select(RunRow.id, RunRow.version).where(
            RunRow.conductor == conductor, RunRow.status == RunStatus.RUNNING
        )
        rows = await self._session.execute(query.order_by(RunRow.position))
        return {id: version for id, version in rows}

    async def of(self, id: UUID) -> RunFacts:
        """One run."""
        return (await self.of_all([id]))[id]

    async def open_attempts(self) -> dict[UUID, OpenAttempt]:
        """Attempts on which there is something left to do, whoever conducts them, oldest first."""
        agent = AttemptRow.candidate["agent_id"].as_string()
        query = (
            select(AttemptRow.id, RunRow.owner, agent, AttemptRow.state, RunRow.conductor)
            .join(RunRow, RunRow.id == AttemptRow.run_id)
            .where(AttemptRow.state.in_(OPEN))
            .order_by(AttemptRow.created_at)
        )
        rows = await self._session.execute(query)
        return {
            id: OpenAttempt(owner, agent, State(state), conductor)
            for id, owner, agent, state, conductor in rows
        }

    async def of_all(self, ids: Sequence[UUID]) -> dict[UUID, RunFacts]:
        """These runs, oldest first."""
        attempts = await self._attempts(ids)
        steps = await self._steps(ids, attempts)
        columns = (
            RunRow.id,
            RunRow.owner,
            RunRow.version,
            RunRow.on_failure,
            RunRow.stopping,
            RunRow.is_paused,
            RunRow.parallel,
            RunRow.deadline,
            RunRow.quorum,
        )
        rows = await self._session.execute(
            select(*columns).where(RunRow.id.in_(ids)).order_by(RunRow.position)
        )
        return {
            id: RunFacts(
                steps=tuple(steps.get(id, ())),
                on_failure=OnFailure(on_failure),
                stopping=Stopping(stopping) if stopping else None,
                parallel=min(parallel or self._parallel, self._parallel),
                owner=owner,
                version=version,
                is_late=deadline is not None and deadline <= self._now,
                quorum=quorum,
                is_paused=is_paused,
            )
            for id, owner, version, on_failure, stopping, is_paused, parallel, deadline, quorum in rows
        }

    async def _steps(
        self, ids: Sequence[UUID], attempts: Mapping[tuple[UUID, str], Sequence[_Attempt]]
    ) -> dict[UUID, list[StepFacts]]:
        columns = (
            StepRow.run_id,
            StepRow.id,
            StepRow.needs,
            StepRow.status,
            StepRow.is_optional,
            StepRow.agents,
            StepRow.auction,
            StepRow.bids_until,
            StepRow.approval,
            StepRow.is_mapped,
            StepRow.parent,
            StepRow.is_undoable,
            StepRow.is_undo,
            StepRow.hedge_after_s,
        )
        rows = await self._session.execute(
            select(*columns).where(StepRow.run_id.in_(ids)).order_by(StepRow.place, StepRow.item_number)
        )
        found: dict[UUID, list[StepFacts]] = {}
        for row in rows:
            facts = StepFacts(
                id=row.id,
                needs=tuple(row.needs),
                status=StepStatus(row.status),
                is_optional=row.is_optional,
                agents=tuple(row.agents),
                attempts=self._seen(attempts.get((row.run_id, row.id), ()), row.hedge_after_s),
                auction=self._auction(row.auction, row.bids_until),
                approval=Approval(row.approval) if row.approval else None,
                is_mapped=row.is_mapped,
                parent=row.parent,
                is_undoable=row.is_undoable,
                is_undo=row.is_undo,
            )
            found.setdefault(row.run_id, []).append(facts)
        return found

    def _auction(self, state: str | None, until: datetime | None) -> Auction | None:
        is_over = state == Auction.OPEN and _is_before(until, self._now)
        return Auction.OVER if is_over else Auction(state) if state else None

    def _seen(self, attempts: Sequence[_Attempt], hedge_after_s: int | None) -> tuple[AttemptFacts, ...]:
        before = None if hedge_after_s is None else self._now - timedelta(seconds=hedge_after_s)
        return tuple(
            AttemptFacts(
                state=State(state),
                failure=Failure(failure) if failure else None,
                is_slow=state == State.INVOKING and _is_before(called_at, before),
            )
            for state, failure, called_at in attempts
        )

    async def _attempts(self, ids: Sequence[UUID]) -> dict[tuple[UUID, str], list[_Attempt]]:
        columns = (AttemptRow.run_id, AttemptRow.step_id, AttemptRow.state, AttemptRow.failure)
        rows = await self._session.execute(
            select(*columns, AttemptRow.called_at)
            .where(AttemptRow.run_id.in_(ids))
            .order_by(AttemptRow.number)
        )
        found: dict[tuple[UUID, str], list[_Attempt]] = {}
        for run_id, step_id, state, failure, called_at in rows:
            found.setdefault((run_id, step_id), []).append((state, failure, called_at))
        return found


def _is_before(at: datetime | None, limit: datetime | None) -> bool:
    return at is not None and limit is not None and at <= limit
