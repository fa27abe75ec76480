"""What was accepted. Where one stands follows from its transaction and the index."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from mesh_shared.chain.journal import State, TransactionRow
from pydantic import TypeAdapter
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from mesh_registry.domain.agents import DocumentState
from mesh_registry.domain.chain import Depths
from mesh_registry.domain.intents import Change, Intent, Registration, cid_of
from mesh_registry.domain.operations import Operation, OperationStatus
from mesh_registry.repository.ledger import HEIGHT
from mesh_registry.repository.portions import portions
from mesh_registry.repository.tables import AgentRow, DocumentRow, OperationRow

INTENT: TypeAdapter[Registration | Change] = TypeAdapter(Intent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What an operation is from its beginning on."""

    id: UUID
    claim: str
    intent: Registration | Change
    transaction_id: UUID
    requested_by: str


class Operations:
    """Every query on `operations`. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession, depths: Depths) -> None:
        self._session = session
        self._depths = depths

    async def add(self, accepted: Sequence[Accepted]) -> None:
        """Raises `IntegrityError` when another operation has one of the claims."""
        if accepted:
            await self._session.execute(insert(OperationRow), [_values(one) for one in accepted])

    async def get(self, id: UUID) -> Operation | None:
        return (await self.of([id])).get(id)

    async def of(self, ids: Iterable[UUID]) -> dict[UUID, Operation]:
        """The operations with these ids, as far as they are there."""
        return {seen.id: self._operation(seen) for seen in await self._seen(OperationRow.id, ids)}

    async def claiming(self, claims: Iterable[str]) -> dict[str, Operation]:
        """By claim, the operations that have them, or tried to have them and failed last."""
        return {seen.claim: self._operation(seen) for seen in await self._seen(OperationRow.claim, claims)}

    async def _seen(self, column: InstrumentedAttribute[Any], values: Iterable[Any]) -> list["_Seen"]:
        """All whose `column` is one of `values`."""
        found: list[_Seen] = []
        for some in portions(values):
            found += map(_Seen._make, await self._session.execute(_WHOLE.where(column.in_(some))))
        return found

    async def release(self, ids: Iterable[UUID]) -> None:
        """Lets other operations take what these failed to get."""
        for some in portions(ids):
            await self._session.execute(
                update(OperationRow).where(OperationRow.id.in_(some)).values(claim=None)
            )

    def _operation(self, seen: "_Seen") -> Operation:
        intent = INTENT.validate_python(seen.intent)
        where = _registered(seen) if isinstance(intent, Registration) else _mined(seen)
        hash, block = where or (seen.hash, None)
        is_indexed = block is not None and block <= seen.head
        return Operation(
            id=seen.id,
            intent=intent,
            transaction_hash=hash,
            status=self._status(seen, block if is_indexed else None),
            refusal=seen.error,
            is_listed=is_indexed and seen.document_state != DocumentState.WAITING,
        )

    def _status(self, seen: "_Seen", block: int | None) -> OperationStatus:
        if block is not None:
            return OperationStatus(self._depths.status(block, seen.head))
        if seen.state in (State.REJECTED, State.LOST) or seen.succeeded is False:
            return OperationStatus.FAILED
        return OperationStatus.UNKNOWN if seen.state == State.UNKNOWN else OperationStatus.PENDING


class _Seen(NamedTuple):
    """An operation, its transaction, its agent in the index with the document, and the newest block."""

    id: UUID
    claim: str
    intent: Any
    state: str
    hash: str | None
    earlier_hashes: list[str]
    block_number: int | None
    succeeded: bool | None
    error: str | None
    registered_by: str | None
    registered_in: int
    document_state: str | None
    head: int


# Columns and not classes, made once: all who wait for a signature ask at every move of the sender.
_WHOLE = (
    select(
        *(OperationRow.id, OperationRow.claim, OperationRow.intent, TransactionRow.state),
        *(TransactionRow.hash, TransactionRow.earlier_hashes, TransactionRow.block_number),
        *(TransactionRow.succeeded, TransactionRow.error, AgentRow.transaction_hash),
        *(AgentRow.registered_in, DocumentRow.state, HEIGHT),
    )
    .join(TransactionRow, TransactionRow.id == OperationRow.transaction_id)
    .outerjoin(AgentRow, AgentRow.agent_id == OperationRow.agent_id)
    .outerjoin(DocumentRow, DocumentRow.cid == OperationRow.cid)
)


def _values(accepted: Accepted) -> dict[str, Any]:
    intent = accepted.intent
    return {
        "id": accepted.id,
        "claim": accepted.claim,
        "agent_id": intent.agent_id,
        "cid": cid_of(intent),
        "intent": INTENT.dump_python(intent, mode="json"),
        "transaction_id": accepted.transaction_id,
        "requested_by": accepted.requested_by,
    }


def _registered(seen: _Seen) -> tuple[str, int] | None:
    """Under which hash and in which block the index has the agent, when this transaction made it."""
    if seen.registered_by is None or seen.registered_by not in (seen.hash, *seen.earlier_hashes):
        return None
    return seen.registered_by, seen.registered_in


def _mined(seen: _Seen) -> tuple[str, int] | None:
    """Under which hash and in which block the transaction took effect, as far as its sender knows."""
    if not seen.succeeded or seen.hash is None or seen.block_number is None:
        return None
    return seen.hash, seen.block_number
