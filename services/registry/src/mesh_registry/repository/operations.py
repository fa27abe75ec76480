"""What was accepted. Where one stands follows from its transaction and the index."""

from collections.abc import Iterable
from typing import cast
from uuid import UUID

from mesh_shared.chain.journal import State, TransactionRow
from pydantic import TypeAdapter
from sqlalchemy import Select, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_registry.domain.agents import DocumentState
from mesh_registry.domain.chain import Depths
from mesh_registry.domain.intents import Change, Intent, Registration, cid_of
from mesh_registry.domain.operations import Operation, OperationStatus
from mesh_registry.repository.ledger import HEIGHT
from mesh_registry.repository.portions import portions
from mesh_registry.repository.tables import AgentRow, DocumentRow, OperationRow

INTENT: TypeAdapter[Registration | Change] = TypeAdapter(Intent)


class Operations:
    """Every query on `operations`. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession, depths: Depths) -> None:
        self._session = session
        self._depths = depths

    def add(
        self, id: UUID, claim: str, intent: Registration | Change, transaction_id: UUID, requested_by: str
    ) -> None:
        self._session.add(
            OperationRow(
                id=id,
                claim=claim,
                agent_id=intent.agent_id,
                cid=cid_of(intent),
                intent=INTENT.dump_python(intent, mode="json"),
                transaction_id=transaction_id,
                requested_by=requested_by,
            )
        )

    async def get(self, id: UUID) -> Operation | None:
        return (await self.of([id])).get(id)

    async def of(self, ids: Iterable[UUID]) -> dict[UUID, Operation]:
        """The operations with these ids, as far as they are there."""
        found: dict[UUID, Operation] = {}
        for some in portions(ids):
            rows = await self._session.execute(_whole().where(OperationRow.id.in_(some)))
            found |= {row[0].id: self._operation(*row) for row in rows}
        return found

    async def claiming(self, claim: str) -> Operation | None:
        """The operation that has this claim, or tried to have it and failed last."""
        return await self._one(_whole().where(OperationRow.claim == claim))

    async def release(self, id: UUID) -> None:
        """Lets another operation take what this one failed to get."""
        await self._session.execute(update(OperationRow).where(OperationRow.id == id).values(claim=None))

    async def _one(self, query: "_Whole") -> Operation | None:
        row = (await self._session.execute(query)).one_or_none()
        return None if row is None else self._operation(*row)

    def _operation(
        self,
        operation: OperationRow,
        transaction: TransactionRow,
        agent: AgentRow | None,
        document_state: str | None,
        head: int,
    ) -> Operation:
        intent = INTENT.validate_python(operation.intent)
        seen = _registered(transaction, agent) if isinstance(intent, Registration) else _mined(transaction)
        hash, block = seen or (transaction.hash, None)
        is_indexed = block is not None and block <= head
        return Operation(
            id=operation.id,
            intent=intent,
            transaction_hash=hash,
            status=self._status(transaction, block if is_indexed else None, head),
            refusal=transaction.error,
            is_listed=is_indexed and document_state != DocumentState.WAITING,
        )

    def _status(self, transaction: TransactionRow, block: int | None, head: int) -> OperationStatus:
        if block is not None:
            return OperationStatus(self._depths.status(block, head))
        if transaction.state in (State.REJECTED, State.LOST) or transaction.succeeded is False:
            return OperationStatus.FAILED
        return OperationStatus.UNKNOWN if transaction.state == State.UNKNOWN else OperationStatus.PENDING


def _registered(transaction: TransactionRow, agent: AgentRow | None) -> tuple[str, int] | None:
    """Under which hash and in which block the index has the agent, when this transaction made it."""
    if agent is None or agent.transaction_hash not in transaction.hashes:
        return None
    return agent.transaction_hash, agent.registered_in


def _mined(transaction: TransactionRow) -> tuple[str, int] | None:
    """Under which hash and in which block the transaction took effect, as far as its sender knows."""
    if not transaction.succeeded or transaction.hash is None or transaction.block_number is None:
        return None
    return transaction.hash, transaction.block_number


_Whole = Select[OperationRow, TransactionRow, AgentRow | None, str | None, int]


def _whole() -> _Whole:
    query = (
        select(OperationRow, TransactionRow, AgentRow, DocumentRow.state, HEIGHT)
        .join(TransactionRow, TransactionRow.id == OperationRow.transaction_id)
        .outerjoin(AgentRow, AgentRow.agent_id == OperationRow.agent_id)
        .outerjoin(DocumentRow, DocumentRow.cid == OperationRow.cid)
    )
    return cast("_Whole", query)  # an outer join yields null, which its type does not say
