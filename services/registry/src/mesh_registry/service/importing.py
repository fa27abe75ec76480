"""Registering agents of other networks by the address of their A2A card."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mesh_shared.database.engine import Database

from mesh_registry.domain import cards, texts
from mesh_registry.domain.cards import Evidence
from mesh_registry.domain.metadata import AgentMetadata
from mesh_registry.domain.operations import Operation
from mesh_registry.domain.signing import Authorization
from mesh_registry.errors import CardNotFound, CardUnavailable
from mesh_registry.ports import CardSource
from mesh_registry.repository.cards import Cards
from mesh_registry.service.registering import Registrar, Wish


@dataclass(frozen=True, slots=True, kw_only=True)
class CardWish:
    """An agent that somebody wants registered by its card; see `Wish`."""

    name: str
    url: str
    capabilities: Sequence[str] | None
    did: str | None
    stake_units: int
    authorization: Authorization | None


@dataclass(frozen=True, slots=True)
class Importer:
    """Fetches cards and registers what they say."""

    database: Database
    registrar: Registrar
    source: CardSource
    allow_private: bool
    """Whether agents may live at addresses that are not public, as they do on the operator's own machine."""

    async def look(self, url: str, capabilities: Sequence[str] | None) -> tuple[Evidence, AgentMetadata]:
        """The card at `url`, what its signatures are worth, and what would be registered. Nothing is stored.

        Raises `CardUnavailable`, `CardUnfit`, `TextUnfit`.
        """
        url = cards.card_url(url)
        data = await self.source.fetch(url, cards.MAX_BYTES)
        said, card = cards.read(data, allow_private=self.allow_private)
        verdict, key = cards.verdict(said, url, await self._keys(cards.keys_url(said, url)))
        evidence = Evidence(
            url=url,
            card=said,
            verdict=verdict,
            key=key,
            warnings=texts.warnings(said),
            seen_at=datetime.now(UTC),
        )
        return evidence, cards.metadata_of(card, capabilities)

    async def register(self, wish: CardWish, requested_by: str) -> Operation:
        """Registers what the card says; the card is kept in the same commit.

        Repeating it is safe, as with `Registrar`, and does not look at what was kept.

        Raises what `look` and `Registrar.register` raise.
        """
        evidence, metadata = await self.look(wish.url, wish.capabilities)
        registered = Wish(
            name=wish.name,
            did=wish.did,
            metadata=metadata,
            stake_units=wish.stake_units,
            authorization=wish.authorization,
            card=evidence,
        )
        return await self.registrar.register(registered, requested_by)

    async def card(self, agent_id: str) -> Evidence:
        """The card that the agent was registered by, as long as it says the same. Raises `CardNotFound`."""
        async with self.database.read() as session:
            found = await Cards(session).find(agent_id)
        if found is None:
            raise CardNotFound
        return found

    async def _keys(self, url: str | None) -> bytes | None:
        if url is None:
            return None
        try:
            return await self.source.fetch(url, cards.MAX_BYTES)
        except CardUnavailable:
            return None
