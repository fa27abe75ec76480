"""What this service is told at start."""

from pathlib import Path
from typing import ClassVar

from mesh_shared.chain.settings import ChainServiceSettings
from pydantic import Field, SecretStr, model_validator

# Budgets are summed in the database, whose integers have 64 bits.
MAX_UNITS = 2**63 - 1


class Settings(ChainServiceSettings):
    """Settings from `MESH_…` environment variables."""

    service: ClassVar[str] = "coordinator"

    port: int = Field(default=8372, ge=1, le=65535)
    migrations_dir: Path = Path(__file__).parents[2] / "migrations"
    registry_url: str | None = Field(
        default="http://127.0.0.1:8371", description="Who is asked for agents, and lists us as one."
    )
    evaluator_key_file: Path = Field(
        default=Path(), description="Signs verdicts only, needs no ether; default `state_dir`/evaluator.key."
    )
    allow_private_agents: bool = Field(
        default=False, description="Agents may live on private addresses, such as this machine's."
    )
    connections: dict[str, str] = Field(
        default={},
        description="Endpoints of agents whose calls need a credential, and the gateway's connection for "
        "each, as JSON. The connection's provider has the endpoint's origin and no base path.",
    )
    parallel_steps: int = Field(default=8, ge=1, le=100, description="Steps of one run that run at once.")
    parallel_attempts: int = Field(
        default=64, ge=1, description="Attempts of all runs that are open at once."
    )
    parallel_per_payer: int = Field(
        default=64, ge=1, description="Attempts of all runs of one caller that are open at once."
    )
    parallel_per_agent: int = Field(
        default=32, ge=1, description="Calls that one agent has at once, of all runs."
    )
    attempts_per_step: int = Field(default=3, ge=1, le=10, description="Agents tried for one step.")
    max_answer_bytes: int = Field(default=256 << 10, ge=1024, description="Largest answer of an agent.")
    max_run_budget: int = Field(
        default=100_000_000,
        ge=0,
        le=MAX_UNITS,
        description="Most base units a run may spend; the budget of a run that names none.",
    )
    ledger_limit: int = Field(
        default=10_000,
        ge=0,
        le=MAX_UNITS,
        description="Most base units of one step that is paid by the ledger; 0 for no ledger.",
    )
    ledger_period_s: float = Field(
        default=3600, gt=0, description="How often what the ledger owes is paid out on the chain."
    )
    run_price: int = Field(
        default=0,
        ge=0,
        le=MAX_UNITS,
        description="Base units of the mesh's token that a caller pays for each run, by x402; 0 for nothing.",
    )
    model_url: str | None = Field(
        default=None,
        max_length=500,
        description="OpenAI-compatible endpoint, such as `https://models.example/v1`, that drafts plans for "
        "tasks that no rule understands; without it there are rules only.",
    )
    model_name: str = Field(default="", max_length=100, description="The model that is asked.")
    model_key: SecretStr | None = Field(default=None, description="Its API key.")
    submit_window_s: int = Field(
        default=900, ge=10, description="Beyond a step's own time limit, how long a result may be handed in."
    )
    review_window_s: int = Field(
        default=86_400, ge=60, description="How long after that a verdict counts; then the provider is paid."
    )
    chain_patience_s: float = Field(
        default=30, gt=0, description="Silence after which a transaction is looked for on the chain."
    )

    @model_validator(mode="before")
    @classmethod
    def _derive_own(cls, given: dict[str, object]) -> dict[str, object]:
        derived = {
            "port": cls.model_fields["port"].default,
            "evaluator_key_file": Path(str(given.get("state_dir", "."))) / "evaluator.key",
        }
        return derived | given
