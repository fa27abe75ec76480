"""What the registry is told at start."""

from pathlib import Path
from typing import Annotated, ClassVar

from mesh_shared.chain.settings import ChainServiceSettings
from pydantic import Field, StringConstraints, model_validator

KuboUrl = Annotated[str, StringConstraints(pattern=r"^http://[A-Za-z0-9.-]+:[0-9]{1,5}$")]


class Settings(ChainServiceSettings):
    """Settings from `MESH_…` environment variables."""

    service: ClassVar[str] = "registry"

    port: int = Field(default=8371, ge=1, le=65535)
    migrations_dir: Path = Path(__file__).parents[2] / "migrations"
    content_dir: Path = Field(
        default=Path(), description="The embedded content store; default `state_dir`/content."
    )
    kubo_url: KuboUrl | None = Field(
        default=None,
        description="RPC address of a Kubo node, http://host:port, instead of the embedded store.",
    )
    max_content_bytes: int = Field(default=64 << 20, ge=1 << 20)
    confirmations: int = Field(
        default=1, ge=1, le=128, description="Blocks, the own one included, until something is confirmed."
    )
    finality: int = Field(
        default=12, ge=1, le=128, description="Blocks, the own one included, until something is finalized."
    )
    allow_private_agents: bool = Field(
        default=False, description="Cards and their agents may be at addresses that are not public."
    )
    ethr_registry: Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{40}$")] | None = Field(
        default=None, description="Contract of ERC-1056 on our chain, which is asked about did:ethr."
    )
    index_poll_s: float = Field(
        default=0.5, gt=0, le=60, description="How often the chain is looked at while nothing happens."
    )

    @model_validator(mode="before")
    @classmethod
    def _derive_own(cls, given: dict[str, object]) -> dict[str, object]:
        derived = {
            "port": cls.model_fields["port"].default,
            "content_dir": Path(str(given.get("state_dir", "."))) / "content",
        }
        return derived | given
