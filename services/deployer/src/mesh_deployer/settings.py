"""What the deployer is told at start."""

from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Literal

from mesh_shared.settings import ServiceSettings
from pydantic import Field, model_validator


class Settings(ServiceSettings):
    """The deployer's settings, from `MESH_…` environment variables."""

    service: ClassVar[str] = "deployer"

    port: int = Field(default=8373, ge=1, le=65535)
    migrations_dir: Path = Path(__file__).parents[2] / "migrations"
    docker_url: str = Field(default="unix:///var/run/docker.sock", description="Where an engine may answer.")
    docker_exec: bool = Field(
        default=False, description="Whether commands may be run in containers of the Docker backend."
    )
    akash_url: str | None = Field(
        default=None, description="REST API of an Akash node; without it there is no backend akash-chain."
    )
    akash_profile: Literal["v1beta4", "v1beta3"] = Field(
        default="v1beta4", description="Which line of Akash it speaks, by its deployment module."
    )
    akash_key_file: Path = Field(
        default=Path(), description="Who pays: 32 bytes in hex or a mnemonic; default `state_dir`/akash.key."
    )
    akash_fee_denom: str = Field(default="uakt", pattern="^[a-z][a-z0-9/]{1,127}$")
    akash_gas_price: Decimal = Field(default=Decimal("0.025"), ge=0)
    akash_private_providers: bool = Field(
        default=False, description="Whether providers may be at addresses that are not public."
    )
    akash_exec: bool = Field(
        default=False, description="Whether commands may be run at providers of akash-chain."
    )
    console_connection: str | None = Field(
        default=None,
        pattern="^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        description="Connection of the gateway to Akash's Console; without it there is no akash-console.",
    )
    console_proxy_url: str = Field(
        default="wss://console-provider-proxy.akash.network",
        pattern="^wss?://",
        description="The Console's way to providers, for logs and commands.",
    )
    console_exec: bool = Field(
        default=False, description="Whether commands may be run at providers of akash-console."
    )
    market_seed: int = Field(default=379, description="Which providers the simulated market has.")
    market_providers: int = Field(
        default=12, ge=1, le=5_000, description="How many the simulated market has."
    )
    market_faults: bool = Field(
        default=False, description="Whether an SDL may ask it for a fault, to rehearse."
    )
    reputation_floor: Decimal = Field(default=Decimal("0.7"), ge=0, le=1)
    bid_window_s: float = Field(default=5, ge=0, description="How long to gather bids before choosing.")
    bid_deadline_s: float = Field(default=300, gt=0, description="When to give up without a bid.")
    manifest_deadline_s: float = Field(default=300, gt=0, description="When to give up on a start.")
    step_timeout_s: float = Field(
        default=30, gt=0, le=50, description="How long the market may take to answer."
    )
    watch_s: float = Field(default=60, gt=0, description="How often a running workload is looked at.")
    sweep_s: float = Field(default=60, gt=0, description="How often markets are searched for leftovers.")
    fail_over_s: float = Field(
        default=300, gt=0, description="How long replicas may be missing before another provider is sought."
    )
    min_replicas: int = Field(
        default=1, ge=1, le=1_000, description="Below which no service can be scaled down."
    )
    max_replicas: int = Field(default=10, ge=1, le=1_000, description="To which a service can be scaled.")
    deposit_uact: int = Field(default=500_000, ge=500_000, description="Akash's least deposit, 0.5 ACT.")
    block_time_s: Decimal = Field(default=Decimal("6.098"), gt=0, description="Seconds per Akash block.")
    usd_per_act: Decimal = Field(default=Decimal(1), gt=0, description="1 ACT is 1,000,000 uact.")
    parallel_deployments: int = Field(default=8, ge=1, le=100)

    @model_validator(mode="before")
    @classmethod
    def _derive_key(cls, given: dict[str, object]) -> dict[str, object]:
        return {"akash_key_file": Path(str(given.get("state_dir", "."))) / "akash.key"} | given
