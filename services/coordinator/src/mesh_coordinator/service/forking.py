"""Forks: a run again from one of its steps on, with what the others delivered."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from mesh_shared import telemetry
from mesh_shared.bell import Bell
from mesh_shared.canonical import json_hash
from mesh_shared.database.engine import Database
from mesh_shared.errors import IdempotencyKeyReused
from mesh_shared.events import outbox
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_coordinator.domain.plan import dependent
from mesh_coordinator.domain.run import Approval, Auction, StepStatus
from mesh_coordinator.errors import BudgetNotFound, RunOpen, StepNotFound
from mesh_coordinator.events import RunStarted
from mesh_coordinator.repository.runs import RunRecord, Runs
from mesh_coordinator.repository.tables import RunRow, StepRow
from mesh_coordinator.service.charges import Cashier
from mesh_coordinator.service.claims import Claims


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkDesk:
    """Starts runs out of runs."""

    database: Database
    claims: Claims
    cashier: Cashier
    news: Bell
    """Rung for the conductor."""

    async def fork(
        self, old_id: UUID, from_step: str, id: UUID, owner: str, payment: str | None = None
    ) -> RunRecord:
        """Run `id`, which does `from_step` and all that needs it again, and what had not succeeded.

        The plan is the old run's, its candidates and prices too; what else succeeded is not called or paid
        again. Raises `RunNotFound`, `StepNotFound`, `RunOpen`, `BudgetNotFound` when the old run spends of
        somebody else's budget, `PaymentMissing`, or `IdempotencyKeyReused` when run `id` is another fork.
        """
        async with self.database.read() as session:
            if is_new := await Runs(session).find(id) is None:
                _check(await Runs(session).record(old_id), from_step, owner)
        if is_new:
            await self.cashier.collect(id, payment)
        with suppress(IntegrityError):  # the same request at another replica was first
            async with self.database.write() as session:
                if await Runs(session).find(id) is None:
                    await self._add(session, await Runs(session).record(old_id), from_step, id, owner)
        self.news.ring()
        async with self.database.read() as session:
            record = await Runs(session).record(id)
        if record.run.task_hash != _hash(old_id, from_step):
            raise IdempotencyKeyReused("This key belongs to another fork.")
        return record

    async def _add(self, session: AsyncSession, old: RunRecord, from_step: str, id: UUID, owner: str) -> None:
        _check(old, from_step, owner)
        planned = _planned(old)
        needs = {step.id: step.needs for step in planned}
        again = dependent(needs, from_step)
        kept = [step.id for step in planned if step.id not in again and step.status == StepStatus.SUCCEEDED]
        results = await Runs(session).results(old.run.id, kept)
        run = _run(old.run, from_step, id, owner)
        run.conductor = self.claims.name
        steps = [_kept(step, id, results) if step.id in results else _again(step, id) for step in planned]
        Runs(session).add(run, steps)
        await session.flush()
        data = {"steps": len(steps), "kept": len(kept), "forked_from": str(old.run.id), "step": from_step}
        Runs(session).happened(run, "run.started", data, run.created_at)
        outbox.record(session, RunStarted(run_id=id, steps=len(steps), budget=str(run.budget_units)))


def _planned(old: RunRecord) -> list[StepRow]:
    return [step for step in old.steps if step.parent is None]


def _check(old: RunRecord, from_step: str, owner: str) -> None:
    if from_step not in {step.id for step in _planned(old)}:
        raise StepNotFound
    if old.is_open:
        raise RunOpen
    if old.run.shared_budget is not None and old.run.owner != owner:
        raise BudgetNotFound


def _hash(old_id: UUID, from_step: str) -> str:
    return json_hash(["fork", str(old_id), from_step]).hex()


def _run(old: RunRow, from_step: str, id: UUID, owner: str) -> RunRow:
    now = datetime.now(UTC)
    return RunRow(
        id=id,
        owner=owner,
        forked_from=old.id,
        task=old.task,
        task_hash=_hash(old.id, from_step),
        given=old.given,
        wanted_output=old.wanted_output,
        on_failure=old.on_failure,
        quorum=old.quorum,
        budget_units=old.budget_units,
        shared_budget=old.shared_budget,
        parallel=old.parallel,
        deadline=None if old.deadline is None else now + (old.deadline - old.created_at),
        traceparent=telemetry.traceparent(),
        created_at=now,
    )


def _again(old: StepRow, run_id: UUID) -> StepRow:
    return StepRow(
        run_id=run_id,
        id=old.id,
        place=old.place,
        needs=old.needs,
        is_mapped=old.is_mapped,
        is_undoable=old.is_undoable,
        hedge_after_s=old.hedge_after_s,
        is_optional=old.is_optional,
        agents=old.agents,
        auction=None if old.auction in (None, Auction.AWARDED) else Auction.NEEDED,
        approval=None if old.approval is None else Approval.NEEDED,
        requirement=old.requirement,
        candidates=old.candidates,
        validators=old.validators,
    )


def _kept(old: StepRow, run_id: UUID, results: dict[str, object]) -> StepRow:
    step = _again(old, run_id)
    step.status, step.approval, step.is_undoable = StepStatus.SUCCEEDED, None, False
    step.result, step.kept_from = {"value": results[old.id]}, old.kept_from or old.run_id
    return step
