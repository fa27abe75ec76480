"""What a service that works on the chain is told besides."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr, model_validator

from mesh_shared.chain import versions_dir
from mesh_shared.settings import ServiceSettings


class ChainServiceSettings(ServiceSettings):
    """Settings of a service with a key of its own on one chain and one set of contracts."""

    extra_migrations: ClassVar[tuple[Path, ...]] = (versions_dir,)

    chain_rpc_url: SecretStr = Field(
        default=SecretStr("http://127.0.0.1:8370"), description="JSON-RPC address; may hold a provider's key."
    )
    chain_id: int = Field(default=31337, ge=1)
    contracts_file: Path = Field(description="Written by contracts/script/deploy.py; pins every address.")
    chain_key_file: Path = Field(
        default=Path(), description="Our signing key; default `state_dir`/chain.key."
    )

    @model_validator(mode="before")
    @classmethod
    def _derive_key_file(cls, given: dict[str, object]) -> dict[str, object]:
        return {"chain_key_file": Path(str(given.get("state_dir", "."))) / "chain.key"} | given
