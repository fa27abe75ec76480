"""Cards by which agents were registered, as they were found then."""

from datetime import datetime
from typing import Any

from sqlalchemy import String
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from mesh_registry.domain.cards import Evidence, Flag, Verdict
from mesh_registry.repository.tables import Base


class CardRow(Base):
    """The card of an agent that was registered by its address."""

    __tablename__ = "cards"

    agent_id: Mapped[str] = mapped_column(String(66), primary_key=True)
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

    async def save(self, agent_id: str, evidence: Evidence) -> None:
        await self._session.merge(
            CardRow(
                agent_id=agent_id,
                url=evidence.url,
                card=evidence.card,
                verdict=evidence.verdict,
                key=evidence.key,
                warnings=list(evidence.warnings),
                seen_at=evidence.seen_at,
            )
        )

    async def find(self, agent_id: str) -> Evidence | None:
        row = await self._session.get(CardRow, agent_id)
        return row and Evidence(
            url=row.url,
            card=row.card,
            verdict=Verdict(row.verdict),
            key=row.key,
            warnings=[Flag(warning) for warning in row.warnings],
            seen_at=row.seen_at,
        )
