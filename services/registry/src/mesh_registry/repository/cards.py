"""Cards by which agents were registered, as they were found then."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import String, and_, delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from mesh_registry.domain.cards import Evidence, Verdict
from mesh_registry.domain.texts import Flag
from mesh_registry.repository.portions import portions
from mesh_registry.repository.tables import AgentRow, Base


class CardRow(Base):
    """The card of an agent that was registered by its address; `cid` is of the metadata made of it."""

    __tablename__ = "cards"

    agent_id: Mapped[str] = mapped_column(String(66), primary_key=True)
    cid: Mapped[str] = mapped_column(String(59))
    url: Mapped[str] = mapped_column(String(500))
    card: Mapped[dict[str, Any]]
    verdict: Mapped[str] = mapped_column(String(13))
    key: Mapped[str | None] = mapped_column(String(43))
    warnings: Mapped[list[str]]
    seen_at: Mapped[datetime]


class Cards:
    """Every query on `cards`. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def forget(self, agent_ids: Iterable[str]) -> None:
        """The cards of attempts before."""
        for some in portions(agent_ids):
            await self._session.execute(delete(CardRow).where(CardRow.agent_id.in_(some)))

    def keep(self, agent_id: str, cid: str, evidence: Evidence) -> None:
        """The card of a new registration."""
        self._session.add(
            CardRow(
                agent_id=agent_id,
                cid=cid,
                url=evidence.url,
                card=evidence.card,
                verdict=evidence.verdict,
                key=evidence.key,
                warnings=list(evidence.warnings),
                seen_at=evidence.seen_at,
            )
        )

    async def find(self, agent_id: str) -> Evidence | None:
        """The card of the agent, as long as the agent is what the card says."""
        is_of_agent = and_(AgentRow.agent_id == CardRow.agent_id, AgentRow.cid == CardRow.cid)
        query = select(CardRow).join(AgentRow, is_of_agent).where(CardRow.agent_id == agent_id)
        row = await self._session.scalar(query)
        return row and Evidence(
            url=row.url,
            card=row.card,
            verdict=Verdict(row.verdict),
            key=row.key,
            warnings=[Flag(warning) for warning in row.warnings],
            seen_at=row.seen_at,
        )
