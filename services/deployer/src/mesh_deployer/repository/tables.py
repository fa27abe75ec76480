"""The deployer's tables."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from mesh_shared.database.types import TYPES, UnitAmount, metadata
from sqlalchemy import BigInteger, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    metadata = metadata()
    type_annotation_map: ClassVar = TYPES


class DeploymentRow(Base):
    """A deployment as a document, beside the columns that queries need.

    `due_at` is when it is to be looked at next, null when there is nothing to do. Whoever takes it moves
    `due_at` ahead and puts its name into `claimed_by`, so that nobody else takes it meanwhile.
    """

    __tablename__ = "deployments"
    __table_args__ = (
        Index("ix_deployments_due_at", "due_at"),
        Index("ix_deployments_owner_created_at", "owner", "created_at", "id"),
        Index("ix_deployments_created_at", "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(String(255))
    provider: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20))
    revision: Mapped[int]
    created_at: Mapped[datetime]
    lease_id: Mapped[str | None] = mapped_column(String(200), unique=True)
    document: Mapped[dict[str, Any]]
    due_at: Mapped[datetime | None]
    claimed_by: Mapped[str | None] = mapped_column(String(100))
    attempts: Mapped[int]


class SimulatedOrderRow(Base):
    """The simulated market's side of an order: what a chain would keep.

    `state` is open (a placement has no lease), active, lost (a provider has closed its lease) or closed;
    `reason` says why it is one of the last two. `leases` has those of the placements, `resources` the digest
    of what is leased, `manifest` what the providers were sent.
    """

    __tablename__ = "simulated_orders"

    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int]
    state: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str | None] = mapped_column(String(20))
    offers: Mapped[list[Any]]
    declined: Mapped[list[Any]]
    escrow: Mapped[dict[str, Any]]
    height: Mapped[int]
    fault: Mapped[str | None] = mapped_column(String(30))
    fault_fired: Mapped[bool]
    leases: Mapped[list[Any]]
    resources: Mapped[str] = mapped_column(String(64))
    manifest: Mapped[list[Any] | None]
    spent_uact: Mapped[int | None] = mapped_column(UnitAmount)


class RemoteOrderRow(Base):
    """What we know of an order on a market elsewhere; everything else is asked there.

    `void_after` is the height, or the Unix time in milliseconds, until which what was sent for it may still
    come through. `dseq` is the deployment's number there, null until the market has given it one. `number` is
    how often it has looked for a provider, where that takes another deployment. `resources` is the digest of
    what the order asks for, `manifest` what it was opened with, where its answer has to be found again.
    `reason` is how it ended, null while it has not, and `spent_uact` what is gone of the deposit for good.
    """

    __tablename__ = "remote_orders"
    __table_args__ = (UniqueConstraint("backend", "dseq"),)

    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    backend: Mapped[str] = mapped_column(String(20), primary_key=True)
    number: Mapped[int]
    dseq: Mapped[int | None] = mapped_column(BigInteger)
    void_after: Mapped[int | None] = mapped_column(BigInteger)
    resources: Mapped[str] = mapped_column(String(64))
    manifest: Mapped[str | None] = mapped_column(Text)
    has_manifest: Mapped[bool]
    reason: Mapped[str | None] = mapped_column(String(20))
    spent_uact: Mapped[int | None] = mapped_column(UnitAmount)
