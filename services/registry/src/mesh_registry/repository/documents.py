"""What is under the CIDs that agents name, and what is still being looked for."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_registry.domain.agents import NOWHERE, SOUGHT, Document, DocumentState
from mesh_registry.domain.metadata import AgentMetadata
from mesh_registry.repository.tables import AgentRow, DocumentRow


@dataclass(frozen=True, slots=True)
class Search:
    """A document to look for; `attempts` have been made before."""

    cid: str
    attempts: int


class Documents:
    """Every query on `documents`. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def ensure(self, cid: str | None, now: datetime) -> Document:
        """What is known of the document; it is looked for from `now` on when nothing was known."""
        if cid is None:
            return NOWHERE
        row = await self._session.get(DocumentRow, cid)
        if row is None:
            row = DocumentRow(cid=cid, state=DocumentState.WAITING, due_at=now)
            self._session.add(row)
        return document_of(row)

    async def is_due(self, now: datetime) -> bool:
        """Whether there is something to look for."""
        return await self._session.scalar(_due(now).with_only_columns(DocumentRow.cid)) is not None

    async def lease(self, instance: str, now: datetime, until: datetime) -> Search | None:
        """The document to look for next, which nobody else looks for before `until`.

        New ones come first, so that those that were not found again and again hold up nobody; those that no
        agent names any more are let be.
        """
        row = await self._session.scalar(_due(now).with_for_update(skip_locked=True))
        if row is None:
            return None
        row.due_at, row.leased_by = until, instance
        return Search(row.cid, row.attempts)

    async def free(self, instance: str, now: datetime) -> None:
        """Ends the leases of a replica that is at its start: it looks for nothing yet."""
        query = update(DocumentRow).where(DocumentRow.leased_by == instance)
        await self._session.execute(query.values(due_at=now, leased_by=None))

    async def postpone(self, search: Search, due_at: datetime, state: DocumentState | None = None) -> None:
        """Looks for it again at `due_at`; with `state`, one more attempt has ended so."""
        tried = {} if state is None else {"state": state, "attempts": search.attempts + 1}
        query = update(DocumentRow).where(DocumentRow.cid == search.cid)
        await self._session.execute(query.values(due_at=due_at, leased_by=None, **tried))

    async def decide(self, cid: str, document: Document) -> None:
        """Ends the search."""
        row = await self._session.get_one(DocumentRow, cid)
        row.state, row.leased_by = document.state, None
        row.metadata_ = document.metadata and document.metadata.model_dump(mode="json")


def document_of(row: DocumentRow) -> Document:
    """The row as the domain has it."""
    metadata = None if row.metadata_ is None else AgentMetadata.model_validate(row.metadata_)
    return Document(DocumentState(row.state), metadata)


def _due(now: datetime) -> Select[DocumentRow]:
    is_named = exists().where(AgentRow.cid == DocumentRow.cid)
    query = select(DocumentRow).where(DocumentRow.state.in_(SOUGHT), DocumentRow.due_at <= now, is_named)
    return query.order_by(DocumentRow.attempts, DocumentRow.due_at).limit(1)
