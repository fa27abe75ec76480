"""What the chain may be asked to write down about an agent."""

from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from mesh_registry.domain.reputation import MAX_STAKE_UNITS
from mesh_registry.errors import StakeTooLarge


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A new agent. Ids and capabilities are hashes; the latter are ascending."""

    owner: str
    agent_id: str
    did: str
    cid: str
    stake_units: int
    capabilities: tuple[str, ...]
    kind: Literal["register"] = "register"


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Other metadata, and the capabilities in it, for the agent that is at `expected_version`."""

    agent_id: str
    cid: str
    capabilities: tuple[str, ...]
    expected_version: int
    kind: Literal["update"] = "update"


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """On or off for the agent that is at `expected_version`."""

    agent_id: str
    expected_version: int
    kind: Literal["activate", "deactivate"]

    @property
    def is_active(self) -> bool:
        """What the agent is to be."""
        return self.kind == "activate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stake:
    """More stake behind the agent, in base units, from whoever sends the transaction."""

    agent_id: str
    units: int
    kind: Literal["stake"] = "stake"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unstake:
    """Stake that starts to cool down, in base units."""

    agent_id: str
    units: int
    kind: Literal["unstake"] = "unstake"


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """All that has cooled down, to the agent's owner."""

    agent_id: str
    kind: Literal["withdraw"] = "withdraw"


SignedChange = Update | Switch | Stake | Unstake
"""What the contract does at its owner's signature."""
Change = SignedChange | Withdrawal
"""What may be asked about an agent that exists."""
AnyChange = Annotated[Change, Field(discriminator="kind")]
Intent = Annotated[Registration | Change, Field(discriminator="kind")]


def bounded(units: int) -> int:
    """`units` of stake as the contract can count them. Raises `StakeTooLarge`."""
    if units > MAX_STAKE_UNITS:
        raise StakeTooLarge
    return units


def claim_of(intent: Registration | Change, request_id: UUID) -> str:
    """What one operation at most may have: the agent's id, one of its versions, or else the request."""
    match intent:
        case Registration():
            return intent.agent_id
        case Update() | Switch():
            return f"{intent.agent_id}@{intent.expected_version}"
        case _:
            return str(request_id)


def cid_of(intent: Registration | Change) -> str | None:
    """Where the metadata is that the intent names, if it names any."""
    return intent.cid if isinstance(intent, Registration | Update) else None
