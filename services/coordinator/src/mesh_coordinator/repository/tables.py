"""Runs, their steps, the attempts at each step, and what happened in order."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from mesh_shared.database.types import TYPES, BigId, metadata
from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from mesh_coordinator.domain.run import RunStatus, StepStatus


class Base(DeclarativeBase):
    metadata = metadata()
    type_annotation_map: ClassVar = TYPES


# An absent value is NULL, not JSON's null.
_OPTIONAL_JSON = JSON(none_as_null=True)


class BudgetRow(Base):
    """What all runs of `owner`'s that name it may spend together, in base units."""

    __tablename__ = "budgets"
    __table_args__ = (
        UniqueConstraint("owner", "name"),
        CheckConstraint(
            "reserved_units >= 0 AND spent_units >= 0 AND reserved_units + spent_units <= limit_units",
            name="limit",
        ),
    )

    position: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    owner: Mapped[str] = mapped_column(String(128))
    name: Mapped[str] = mapped_column(String(63))
    limit_units: Mapped[int] = mapped_column(BigInteger)
    reserved_units: Mapped[int] = mapped_column(BigInteger, default=0)
    spent_units: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[datetime]


class RunRow(Base):
    """`version` counts what happened to the run; `stopping` says why nothing new is started.

    `owner` is the subject who asked for it, `task_hash` is of all that was asked for, `traceparent` the trace
    in which it was. `parallel` is how many steps the owner lets run at once, `quorum` how many must succeed.
    `wanted_output` is what the owner wants to be answered, with references; `output` is that, at the end.
    `conductor` is who carries it out: a name that a replica gives itself, and nobody uses twice.

    Amounts are base units in 64-bit integers, because the budget is kept by the database's own arithmetic.
    """

    __tablename__ = "runs"
    __table_args__ = (
        Index("ix_runs_status", "status"),
        CheckConstraint(
            "reserved_units >= 0 AND spent_units >= 0 AND reserved_units + spent_units <= budget_units",
            name="budget",
        ),
    )

    position: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    id: Mapped[UUID] = mapped_column(unique=True)
    owner: Mapped[str] = mapped_column(String(128))
    forked_from: Mapped[UUID | None]
    task: Mapped[str] = mapped_column(Text)
    task_hash: Mapped[str] = mapped_column(String(64))
    given: Mapped[dict[str, Any]]
    wanted_output: Mapped[dict[str, Any]]
    output: Mapped[dict[str, Any] | None] = mapped_column(_OPTIONAL_JSON)
    on_failure: Mapped[str] = mapped_column(String(10))
    status: Mapped[str] = mapped_column(String(10), default=RunStatus.RUNNING)
    stopping: Mapped[str | None] = mapped_column(String(10))
    is_paused: Mapped[bool] = mapped_column(default=False)
    budget_units: Mapped[int] = mapped_column(BigInteger)
    reserved_units: Mapped[int] = mapped_column(BigInteger, default=0)
    spent_units: Mapped[int] = mapped_column(BigInteger, default=0)
    shared_budget: Mapped[int | None] = mapped_column(ForeignKey("budgets.position"))
    conductor: Mapped[UUID]
    version: Mapped[int] = mapped_column(BigInteger, default=0)
    traceparent: Mapped[str | None] = mapped_column(String(55))
    quorum: Mapped[int | None]
    parallel: Mapped[int | None]
    deadline: Mapped[datetime | None]
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class ChargeRow(Base):
    """The price of a run, and the transaction that takes it; what `payer` signed with `nonce` counts once."""

    __tablename__ = "charges"
    __table_args__ = (UniqueConstraint("payer", "nonce"),)

    run_id: Mapped[UUID] = mapped_column(primary_key=True)
    payer: Mapped[str] = mapped_column(String(42))
    nonce: Mapped[str] = mapped_column(String(66))
    units: Mapped[int] = mapped_column(BigInteger)
    transaction_id: Mapped[UUID]
    created_at: Mapped[datetime]


class LedgerAccountRow(Base):
    """`balance_units` is what was given to the account less what was taken: a trigger keeps it."""

    __tablename__ = "ledger_accounts"
    __table_args__ = (CheckConstraint("balance_units >= 0 OR name = 'payer'", name="balance"),)

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    balance_units: Mapped[int] = mapped_column(BigInteger)


class LedgerTransferRow(Base):
    """`units` from the account `debit` to the account `credit`; a row is never changed or removed."""

    __tablename__ = "ledger_transfers"
    __table_args__ = (
        CheckConstraint("units > 0", name="units"),
        CheckConstraint("debit <> credit", name="accounts"),
        Index("ix_ledger_transfers_debit", "debit"),
        Index("ix_ledger_transfers_credit", "credit"),
    )

    position: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    key: Mapped[str] = mapped_column(String(60), unique=True)
    debit: Mapped[str] = mapped_column(ForeignKey("ledger_accounts.name"))
    credit: Mapped[str] = mapped_column(ForeignKey("ledger_accounts.name"))
    units: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]


class PayoutRow(Base):
    """What was owed to `payee`, as one transfer on the chain, sent for the `sends`th time after the first.

    `open_payee` is the payee until the chain has made it, so that each has one open payout at most. (A
    partial index would do as well, for 3 MiB of memory: SQLAlchemy loads PostgreSQL's dialect for it.)
    """

    __tablename__ = "payouts"

    position: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    id: Mapped[UUID] = mapped_column(unique=True)
    payee: Mapped[str] = mapped_column(String(42))
    open_payee: Mapped[str | None] = mapped_column(String(42), unique=True)
    units: Mapped[int] = mapped_column(BigInteger)
    transaction_id: Mapped[UUID]
    sends: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    paid_at: Mapped[datetime | None]


class StepRow(Base):
    """`requirement` and `candidates` are the plan's; `agents` are the first candidates' ids, in order.

    `validators` are the candidates for the review of its results.
    `approval` is NULL for a step about which nobody is asked; `approval_id` is known once somebody is.
    `result` is {"value": …} for a step that no attempt of this run did: it was kept from the run `kept_from`,
    or gathered from the items of a step that `is_mapped`. An item has a `parent`, a number from 1 on, and its
    element as {"value": …}. A step that `is_undo` takes its parent back. `winner` is the number of the
    attempt whose result counts: beside a slow agent the next one is called after `hedge_after_s`.
    """

    __tablename__ = "steps"

    run_id: Mapped[UUID] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    place: Mapped[int]
    is_mapped: Mapped[bool] = mapped_column(default=False)
    parent: Mapped[str | None] = mapped_column(String(70))
    is_undoable: Mapped[bool] = mapped_column(default=False)
    is_undo: Mapped[bool] = mapped_column(default=False)
    item_number: Mapped[int] = mapped_column(default=0)
    item: Mapped[dict[str, Any] | None] = mapped_column(_OPTIONAL_JSON)
    needs: Mapped[list[str]]
    is_optional: Mapped[bool]
    agents: Mapped[list[str]]
    requirement: Mapped[dict[str, Any]]
    candidates: Mapped[list[Any]]
    validators: Mapped[list[Any]] = mapped_column(default=list)
    status: Mapped[str] = mapped_column(String(20), default=StepStatus.PENDING)
    auction: Mapped[str | None] = mapped_column(String(10))
    bids_until: Mapped[datetime | None]
    approval: Mapped[str | None] = mapped_column(String(10))
    approval_id: Mapped[UUID | None]
    approval_by: Mapped[str | None] = mapped_column(String(128))
    approval_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(String(40))
    hedge_after_s: Mapped[int | None]
    winner: Mapped[int | None]
    result: Mapped[dict[str, Any] | None] = mapped_column(_OPTIONAL_JSON)
    kept_from: Mapped[UUID | None]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    @property
    def dearest_units(self) -> int:
        """The most that one of the agents asks for that may be tried."""
        tried = self.candidates[: len(self.agents)]
        return max((candidate["price_units"] for candidate in tried), default=0)


class AttemptRow(Base):
    """One agent's try at a step; `id` is its idempotency key.

    `transaction_id` is what its state waits for on the chain, sent for the `sends`th time after the first;
    `retries` is how often the agent was called again, `doubted_id` the last transaction of which it was
    announced that its outcome is unknown. `advance` is what the agent was given before it worked.
    With `is_on_ledger` its price is held and paid there, and it has no escrow.
    `approval` is what a person was asked about its result, until `review_until`, and has said.
    """

    __tablename__ = "attempts"
    __table_args__ = (
        UniqueConstraint("run_id", "step_id", "number"),
        Index("ix_attempts_state", "state"),
        Index("ix_attempts_escrow_id", "escrow_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    run_id: Mapped[UUID] = mapped_column(ForeignKey("runs.id"))
    run: Mapped[RunRow] = relationship(lazy="raise")
    step_id: Mapped[str] = mapped_column(String(80))
    number: Mapped[int]
    candidate: Mapped[dict[str, Any]]
    parameters: Mapped[dict[str, Any]]
    price_units: Mapped[int] = mapped_column(BigInteger)
    is_on_ledger: Mapped[bool] = mapped_column(default=False)
    state: Mapped[str] = mapped_column(String(10))
    failure: Mapped[str | None] = mapped_column(String(40))
    detail: Mapped[str | None] = mapped_column(String(300))
    outcome: Mapped[str | None] = mapped_column(String(10))
    escrow_id: Mapped[str | None] = mapped_column(String(66))
    terms: Mapped[dict[str, Any] | None] = mapped_column(_OPTIONAL_JSON)
    transaction_id: Mapped[UUID | None]
    sends: Mapped[int] = mapped_column(default=0)
    doubted_id: Mapped[UUID | None]
    retries: Mapped[int] = mapped_column(default=0)
    advance: Mapped[dict[str, Any] | None] = mapped_column(_OPTIONAL_JSON)
    delivery: Mapped[dict[str, Any] | None] = mapped_column(_OPTIONAL_JSON)
    report: Mapped[dict[str, Any] | None] = mapped_column(_OPTIONAL_JSON)
    approval: Mapped[str | None] = mapped_column(String(10))
    approval_id: Mapped[UUID | None]
    approval_by: Mapped[str | None] = mapped_column(String(128))
    approval_at: Mapped[datetime | None]
    review_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    called_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    @property
    def agent_id(self) -> str:
        """Whose try it is."""
        return self.candidate["agent_id"]


class BidRow(Base):
    """What an agent's owner asks for a step, under their signature; the last bid counts."""

    __tablename__ = "bids"

    run_id: Mapped[UUID] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    step_id: Mapped[str] = mapped_column(String(80), primary_key=True)
    agent_id: Mapped[str] = mapped_column(String(66), primary_key=True)
    price_units: Mapped[int] = mapped_column(BigInteger)
    signature: Mapped[str] = mapped_column(Text)
    time: Mapped[datetime]


class RunEventRow(Base):
    """What happened to a run: 1, 2, 3, … without gaps, because the run's row is locked for each."""

    __tablename__ = "run_events"

    run_id: Mapped[UUID] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    type: Mapped[str] = mapped_column(String(40))
    data: Mapped[dict[str, Any]]
    time: Mapped[datetime]
