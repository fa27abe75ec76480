"""Agents that speak MCP, active or not, and what became of their documents."""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import false, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import ColumnElement

from mesh_registry.domain.agents import Document
from mesh_registry.domain.servers import Sought
from mesh_registry.repository.documents import document_from
from mesh_registry.repository.tables import AgentRow, DocumentRow


class Place(NamedTuple):
    """A server's token, and when its document was found, in Unix seconds."""

    token_id: int
    found_at: int


class Servers:
    """Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def page(self, sought: Sought, namespace: str, first: int, limit: int) -> list[Place]:
        """Servers that may have what is sought, in the order of their tokens, from token `first` on."""
        query = (
            select(AgentRow.token_id, DocumentRow.found_at)
            .join(DocumentRow, DocumentRow.cid == AgentRow.cid)
            .where(DocumentRow.server_title.is_not(None), AgentRow.token_id >= first)
            .where(*_conditions(sought, namespace))
        )
        rows = await self._session.execute(query.order_by(AgentRow.token_id).limit(limit))
        return [Place(row.token_id, row.found_at) for row in rows]

    async def documents(self, cids: Iterable[str | None]) -> dict[str, tuple[Document, int]]:
        """The documents of servers among `cids`, each with when it was found."""
        columns = (DocumentRow.cid, DocumentRow.state, DocumentRow.metadata_, DocumentRow.found_at)
        wanted = DocumentRow.cid.in_([cid for cid in cids if cid is not None])
        rows = await self._session.execute(
            select(*columns).where(wanted, DocumentRow.server_title.is_not(None))
        )
        return {cid: (document_from(state, said), found_at or 0) for cid, state, said, found_at in rows}


def _conditions(sought: Sought, namespace: str) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    if not sought.with_deleted:
        wanted.append(AgentRow.is_active.is_(True))
    if sought.version is not None:
        # no agent has version 0, which stands for those that none can have
        wanted.append(AgentRow.version >= sought.version if sought.version else false())
    if (since := sought.updated_since) is not None:
        wanted.append(or_(AgentRow.stated_at >= since, DocumentRow.found_at >= since))
    if sought.search is not None:
        text, name = sought.search.casefold(), literal(f"{namespace}/") + AgentRow.agent_id
        in_name = func.lower(name).contains(text, autoescape=True)
        wanted.append(or_(in_name, DocumentRow.server_title.contains(text, autoescape=True)))
    return wanted
