"""Challenges that nobody has answered yet."""

from datetime import datetime

from pydantic import TypeAdapter
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_registry.domain.challenges import Challenge
from mesh_registry.domain.intents import AnyChange, Change
from mesh_registry.repository.tables import ChallengeRow

MOST_OPEN = 100
_CHANGE: TypeAdapter[Change] = TypeAdapter(AnyChange)


class Challenges:
    """Every query on `challenges`. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, challenge: Challenge, requested_by: str, now: datetime) -> None:
        """Keeps a challenge; drops the expired ones, and what `requested_by` has beyond the newest 100."""
        await self._session.execute(delete(ChallengeRow).where(ChallengeRow.expires_at <= now))
        own = select(ChallengeRow.nonce).where(ChallengeRow.requested_by == requested_by)
        newest = own.order_by(ChallengeRow.expires_at.desc(), ChallengeRow.nonce).limit(MOST_OPEN - 1)
        rest = ChallengeRow.nonce.not_in(newest)
        await self._session.execute(
            delete(ChallengeRow).where(ChallengeRow.requested_by == requested_by, rest)
        )
        self._session.add(
            ChallengeRow(
                nonce=challenge.nonce,
                owner=challenge.owner,
                change=_CHANGE.dump_python(challenge.change, mode="json"),
                message=challenge.message,
                requested_by=requested_by,
                expires_at=challenge.expires_at,
            )
        )

    async def open(self, nonce: str, now: datetime) -> Challenge | None:
        """The challenge with this nonce; None when there is none (any more)."""
        row = await self._session.get(ChallengeRow, nonce)
        if row is None or row.expires_at <= now:
            return None
        return Challenge(
            nonce=row.nonce,
            owner=row.owner,
            change=_CHANGE.validate_python(row.change),
            message=row.message,
            expires_at=row.expires_at,
        )

    async def close(self, nonce: str) -> bool:
        """Takes a challenge out of the world; False when somebody else has."""
        closed = delete(ChallengeRow).where(ChallengeRow.nonce == nonce).returning(ChallengeRow.nonce)
        return await self._session.scalar(closed) is not None
