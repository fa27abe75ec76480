"""Use cases: plan a task, run it, pay for what holds up."""

from dataclasses import dataclass
from uuid import UUID, uuid5

from mesh_shared.errors import IdempotencyKeyRequired

from mesh_coordinator.service.approvals import ApprovalDesk
from mesh_coordinator.service.auctions import AuctionDesk
from mesh_coordinator.service.budgets import BudgetDesk
from mesh_coordinator.service.charges import Cashier
from mesh_coordinator.service.escrows import EscrowDesk
from mesh_coordinator.service.forking import ForkDesk
from mesh_coordinator.service.ledger import LedgerDesk
from mesh_coordinator.service.planning import Planner
from mesh_coordinator.service.reconciling import Reconciler
from mesh_coordinator.service.runs import RunDesk

RUN = "coordinator:run"
APPROVE = "coordinator:approve"
BID = "coordinator:bid"
_IDS = UUID("5e1c7c4e-6f0a-4d8e-9d0a-371000000372")


@dataclass(frozen=True, slots=True)
class Coordinator:
    """Everything that a caller can ask of this service."""

    planner: Planner
    cashier: Cashier
    runs: RunDesk
    forks: ForkDesk
    approvals: ApprovalDesk
    auctions: AuctionDesk
    budgets: BudgetDesk
    ledger: LedgerDesk
    escrows: EscrowDesk
    reconciler: Reconciler


def id_for(subject: str, key: str | None, scope: str) -> UUID:
    """The same id whenever a caller repeats a request under its key, also after a crash.

    Raises `IdempotencyKeyRequired` without a key: repeating the request would pay again.
    """
    if key is None:
        raise IdempotencyKeyRequired("Send an Idempotency-Key: money moves here.")
    return uuid5(_IDS, "\0".join((subject, key, scope)))
