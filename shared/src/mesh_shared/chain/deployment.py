"""Which contracts this mesh uses: a file that the deploy script writes and every service pins."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from mesh_shared.wire import Address


class Deployment(BaseModel):
    """Addresses by contract name, on one chain; nothing of them happened before `block`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    chain_id: int
    block: int
    contracts: dict[str, Address]

    def address(self, contract: str) -> str:
        return self.contracts[contract]


def read(path: Path) -> Deployment:
    """Raises `FileNotFoundError` or `pydantic.ValidationError`: no service starts without addresses."""
    return Deployment.model_validate_json(path.read_bytes())
