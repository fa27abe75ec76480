"""Where operations stand: those who wait for the same news look together, however many they are."""

from collections.abc import Callable, Sequence
from uuid import UUID

from mesh_shared.database.engine import Database
from mesh_shared.gathering import Gathering

from mesh_registry.domain.chain import Depths
from mesh_registry.domain.operations import Operation
from mesh_registry.repository.agents import Agents
from mesh_registry.repository.operations import Operations


class Lookout:
    """Each question is answered from what is written when it is asked."""

    def __init__(self, database: Database, depths: Depths) -> None:
        self.database = database
        self.depths = depths
        self._by_id = Gathering(self._read)
        self._by_claim = Gathering(self._read_claims)

    async def operation(self, id: UUID) -> Operation | None:
        """The operation; None when there is none."""
        return await self._by_id.outcome(id)

    async def claim(self, claim: str, agent_id: str) -> tuple[Operation | None, bool]:
        """The operation that has `claim`, or failed with it last; whether there is such an agent."""
        return await self._by_claim.outcome((claim, agent_id))

    async def _read(self, take: Callable[[], list[UUID]]) -> Sequence[Operation | None]:
        ids = take()
        async with self.database.read() as session:
            found = await Operations(session, self.depths).of(set(ids))
        return [found.get(id) for id in ids]

    async def _read_claims(
        self, take: Callable[[], list[tuple[str, str]]]
    ) -> Sequence[tuple[Operation | None, bool]]:
        wanted = take()
        async with self.database.read() as session:
            claiming = await Operations(session, self.depths).claiming({claim for claim, _ in wanted})
            known = await Agents(session).known({agent_id for _, agent_id in wanted})
        return [(claiming.get(claim), agent_id in known) for claim, agent_id in wanted]
