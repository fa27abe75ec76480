"""A new key-encryption key takes over: keys of secrets are wrapped anew, ciphertexts stay as they are."""

from dataclasses import dataclass

from mesh_shared.database.engine import Database

from mesh_security_gateway.errors import KekUnavailable, SecretUnreadable
from mesh_security_gateway.ports import KeyFileUnfit, Vault
from mesh_security_gateway.repository.envelopes import Envelopes


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrapping:
    """Runs at start, before the first call. Ended in the middle it goes on at the next start."""

    database: Database
    vault: Vault

    async def run(self) -> None:
        """Raises `KeyFileUnfit` when there is a secret that no key-encryption key here opens, or none can be
        used: without it there is no start.
        """
        try:
            await self.vault.prove()
            while await self._portion():
                pass
        except KekUnavailable:
            raise KeyFileUnfit("The engine that holds the key-encryption key does not answer.") from None
        except SecretUnreadable:
            raise KeyFileUnfit(
                "A key-encryption key that opens secrets in the database is missing."
            ) from None

    async def _portion(self) -> int:
        async with self.database.write() as session:
            return await Envelopes(session).rewrap(self.vault.kek_id, self.vault.rewrap)
