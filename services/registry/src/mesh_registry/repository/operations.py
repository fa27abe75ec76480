"""Registrations that were accepted. Where one stands follows from its transaction and the index."""

from typing import cast
from uuid import UUID

from mesh_shared.chain.journal import State, TransactionRow
from sqlalchemy import Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_registry.domain.agents import DocumentState
from mesh_registry.domain.chain import Depths
from mesh_registry.domain.operations import Operation, OperationStatus
from mesh_registry.domain.signing import Registration
from mesh_registry.repository.tables import AgentRow, BlockRow, DocumentRow, OperationRow

_HEAD = select(func.max(BlockRow.number)).scalar_subquery()


class Operations:
    """Every query on `operations`. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession, depths: Depths) -> None:
        self._session = session
        self._depths = depths

    def add(self, id: UUID, registration: Registration, transaction_id: UUID, requested_by: str) -> None:
        self._session.add(
            OperationRow(
                id=id,
                claim=registration.agent_id,
                agent_id=registration.agent_id,
                owner=registration.owner,
                did=registration.did,
                cid=registration.cid,
                stake_units=registration.stake_units,
                capabilities=list(registration.capabilities),
                transaction_id=transaction_id,
                requested_by=requested_by,
            )
        )

    async def get(self, id: UUID) -> Operation | None:
        return await self._one(_whole().where(OperationRow.id == id))

    async def claiming(self, agent_id: str) -> Operation | None:
        """The registration that took this id, or tried to and failed last."""
        return await self._one(_whole().where(OperationRow.claim == agent_id))

    async def release(self, id: UUID) -> None:
        """Lets another registration take the id that this one failed to get."""
        await self._session.execute(update(OperationRow).where(OperationRow.id == id).values(claim=None))

    async def _one(self, query: "_Whole") -> Operation | None:
        row = (await self._session.execute(query)).one_or_none()
        if row is None:
            return None
        operation, transaction, agent, document_state, head = row
        known = transaction.hashes
        mined = agent if agent is not None and agent.transaction_hash in known else None
        return Operation(
            id=operation.id,
            registration=_registration(operation),
            transaction_hash=mined.transaction_hash if mined else transaction.hash,
            status=self._status(transaction, mined, head or 0),
            refusal=transaction.error,
            is_listed=mined is not None and document_state != DocumentState.WAITING,
        )

    def _status(self, transaction: TransactionRow, mined: AgentRow | None, head: int) -> OperationStatus:
        if mined is not None:
            return OperationStatus(self._depths.status(mined.registered_in, head))
        if transaction.state == State.REJECTED or transaction.succeeded is False:
            return OperationStatus.FAILED
        return OperationStatus.UNKNOWN if transaction.state == State.UNKNOWN else OperationStatus.PENDING


_Whole = Select[OperationRow, TransactionRow, AgentRow | None, str | None, int | None]


def _whole() -> _Whole:
    query = (
        select(OperationRow, TransactionRow, AgentRow, DocumentRow.state, _HEAD)
        .join(TransactionRow, TransactionRow.id == OperationRow.transaction_id)
        .outerjoin(AgentRow, AgentRow.agent_id == OperationRow.agent_id)
        .outerjoin(DocumentRow, DocumentRow.cid == AgentRow.cid)
    )
    return cast("_Whole", query)  # an outer join yields null, which its type does not say


def _registration(row: OperationRow) -> Registration:
    return Registration(
        owner=row.owner,
        agent_id=row.agent_id,
        did=row.did,
        cid=row.cid,
        stake_units=row.stake_units,
        capabilities=tuple(row.capabilities),
    )
