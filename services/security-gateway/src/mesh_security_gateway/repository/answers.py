"""Answers of wallets that were used, for as long as they could be used again."""

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_security_gateway.repository.tables import WalletAnswerRow


class Answers:
    """Every query on `wallet_answers`. Who uses one holds the audit's head, so that there is no race."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def use(self, nonce: str, expires_at: int, now: int) -> bool:
        """Remembers the answer and forgets those that are too old to come again; False when it was used."""
        await self._session.execute(delete(WalletAnswerRow).where(WalletAnswerRow.expires_at <= now))
        if await self._session.get(WalletAnswerRow, nonce) is not None:
            return False
        self._session.add(WalletAnswerRow(nonce=nonce, expires_at=expires_at))
        return True
