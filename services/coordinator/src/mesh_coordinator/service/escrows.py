"""What became of an escrow: the chain's word beside ours."""

from dataclasses import dataclass

from mesh_shared.database.engine import Database

from mesh_coordinator.domain.settlement import Escrow, EscrowState
from mesh_coordinator.errors import EscrowNotFound
from mesh_coordinator.ports import Escrows
from mesh_coordinator.repository.attempts import Attempts
from mesh_coordinator.repository.tables import AttemptRow


@dataclass(frozen=True, slots=True)
class EscrowRecord:
    """An escrow as the contract holds it, and the attempt that it pays for, when that is ours."""

    id: str
    on_chain: Escrow
    attempt: AttemptRow | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowDesk:
    """Reads escrows."""

    database: Database
    escrows: Escrows

    async def get(self, id: str) -> EscrowRecord:
        """The escrow with that id. Raises `EscrowNotFound` or `ChainUnavailable`."""
        async with self.database.read() as session:
            attempt = await Attempts(session).by_escrow(id)
        on_chain = await self.escrows.read(id)
        if on_chain.state is EscrowState.NONE and attempt is None:
            raise EscrowNotFound
        return EscrowRecord(id, on_chain, attempt)
