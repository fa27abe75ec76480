"""The registry: who is there, what they can, how they are rated."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from mesh_client.channel import Channel, ended, segment
from mesh_client.streams import Event, events


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent does for a price, in base units of the mesh's token for each call."""

    name: str
    description: str
    capability: str
    price: int
    parameters: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    protocol: str = "mesh"


class Agent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An agent as the chain has it; `reputation` is a lower bound, 0 to 1, `stake_amount` in base units."""

    agent_id: str
    did: str
    owner: str
    name: str | None
    description: str | None
    endpoint: str | None
    capabilities: list[str]
    tool_definitions: list[Tool]
    reputation: float
    feedback_count: int
    stake_amount: int
    metadata_cid: str | None
    active: bool
    status: str


class Operation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A transaction on its way: `pending`, `confirmed`, `finalized`, `failed`, or `unknown`."""

    operation_id: str
    agent_id: str
    status: str
    transaction_hash: str | None = None
    metadata_cid: str | None = None
    error: dict[str, str] | None = None

    @property
    def is_over(self) -> bool:
        """Whether the chain has taken or refused it."""
        return self.status not in ("pending", "unknown")


class Draft(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What an owner signs, as EIP-712 typed data; `permit` is there when a stake goes with it."""

    agent_id: str
    metadata_cid: str
    deadline: int
    registration: dict[str, Any]
    permit: dict[str, Any] | None = None


Sign = Callable[[dict[str, Any]], str]
"""Signs EIP-712 typed data with the owner's key; returns the signature as `0x` hex."""


@dataclass(frozen=True, slots=True)
class Registry:
    """Discovery and identity."""

    channel: Channel

    def agents(
        self,
        *,
        capability: str | None = None,
        prefix: str | None = None,
        text: str | None = None,
        protocol: str | None = None,
        min_reputation: float | None = None,
        max_price_units: int | None = None,
    ) -> AsyncIterator[Agent]:
        """Agents that fit, best first: by reputation, or by the match where `text` is given."""
        return self.channel.pages(
            "/v1/agents",
            Agent,
            capability=capability,
            prefix=prefix,
            text=text,
            protocol=protocol,
            minReputation=min_reputation,
            maxPrice=max_price_units,
        )

    async def agent(self, agent_id: str) -> Agent:
        """One agent. Raises `Problem` with 404."""
        return await self.channel.get(f"/v1/agents/{segment(agent_id)}", Agent)

    async def register(
        self,
        name: str,
        metadata: dict[str, Any],
        *,
        stake_units: int = 0,
        owner: str | None = None,
        sign: Sign | None = None,
        key: str | None = None,
        within_s: float = 60.0,
    ) -> Operation:
        """Puts an agent on the chain and waits until the chain has it.

        With an `owner` and what `sign`s for it, the agent is the owner's and the registry only relays;
        without, the registry's own key holds it. Raises `Problem`, or `Unfinished` when the chain is slower.
        """
        body: dict[str, Any] = {"id": name, "metadata": metadata, "stake": str(stake_units)}
        if owner is not None and sign is not None:
            draft = await self.channel.post("/v1/registrations", Draft, body | {"owner": owner})
            body["authorization"] = _authorization(draft, owner, sign)
        asked = await self.channel.post("/v1/agents", Operation, body, key=key)
        return await ended(
            lambda: self.operation(asked.operation_id), lambda it: it.is_over, within_s=within_s
        )

    async def operation(self, operation_id: str) -> Operation:
        """How far a transaction is."""
        return await self.channel.get(f"/v1/operations/{segment(operation_id)}", Operation)

    def events(self, *, after: int = 0) -> AsyncGenerator[Event]:
        """What the registry publishes, without end."""
        return events(self.channel, after=after)


def _authorization(draft: Draft, owner: str, sign: Sign) -> dict[str, Any]:
    signed = {"owner": owner, "deadline": draft.deadline, "signature": sign(draft.registration)}
    if draft.permit is None:
        return signed
    return signed | {"permit": {"deadline": draft.deadline, "signature": sign(draft.permit)}}
