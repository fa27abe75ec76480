"""The deployer: descriptions of deployments, bids for them, and what runs."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from mesh_client.channel import Channel, ended, segment
from mesh_client.streams import Event, Message, events, follow

SETTLED = frozenset({"active", "closed", "failed"})
OVER = frozenset({"closed", "failed"})


class Issue(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong at a place of an SDL, and what to do about it."""

    path: str
    code: str
    message: str
    hint: str
    severity: str


class Validation(msgspec.Struct, frozen=True, kw_only=True):
    """Whether an SDL compiles; `version_hash` is the SHA-256 that Akash computes of its manifest."""

    ok: bool
    version_hash: str | None
    issues: list[Issue]


class Bid(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's offer, and why it was or was not taken. Prices: uACT a block, US dollars a month."""

    provider: str
    uact_per_block: Decimal
    usd_per_month: Decimal
    reputation: Decimal
    accepted: bool
    reason: str


class Declined(msgspec.Struct, frozen=True, kw_only=True):
    """A provider that makes no offer, and why."""

    provider: str
    cause: str
    reason: str


class Bids(msgspec.Struct, frozen=True, kw_only=True):
    """All offers, and everybody who made none."""

    explanation: str
    items: list[Bid]
    declined: list[Declined]


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment as it stands: created, open, chosen, leased, active, closing, closed or failed."""

    id: str = msgspec.field(name="deploymentId")
    status: str
    provider: str
    provider_reason: str
    uris: list[str]
    explanation: str
    version_hash: str
    deposit_uact: Decimal
    refunded_uact: Decimal | None = None
    close_reason: str | None = None
    lease_id: str | None = msgspec.field(name="leaseId", default=None)


class _Sdl(msgspec.Struct):
    sdl: str


@dataclass(frozen=True, slots=True)
class Deployer:
    """From a description to something that answers."""

    channel: Channel

    async def sdl(self, config: dict[str, Any]) -> str:
        """The SDL of a simple deployment: `name`, `image`, `port`, what it may use and what it may cost."""
        return (await self.channel.post("/v1/sdl", _Sdl, config)).sdl

    async def validate(self, sdl: str) -> Validation:
        """What Akash's compiler would say, with a hint for each mistake."""
        return await self.channel.post("/v1/sdl/validate", Validation, {"sdl": sdl})

    async def deploy(
        self, sdl: str, *, provider: str = "auto", key: str | None = None, **terms: Any
    ) -> Deployment:
        """Begins a deployment and returns at once. `terms` are members of the request, such as `strategy`."""
        body = {"sdl": sdl, "provider": provider} | terms
        return await self.channel.post("/v1/deployments", Deployment, body, key=key)

    async def deployment(self, deployment_id: str) -> Deployment:
        """A deployment as it stands. Raises `Problem` with 404."""
        return await self.channel.get(f"/v1/deployments/{segment(deployment_id)}", Deployment)

    async def settled(self, deployment_id: str, *, within_s: float = 600.0) -> Deployment:
        """The deployment when it is active, or will never be. Raises `Unfinished` when that takes longer."""
        return await self._when(deployment_id, SETTLED, within_s)

    def deployments(self) -> AsyncIterator[Deployment]:
        """All deployments, newest first."""
        return self.channel.pages("/v1/deployments", Deployment)

    async def bids(self, deployment_id: str) -> Bids:
        """Every provider with a reason."""
        return await self.channel.get(f"/v1/deployments/{segment(deployment_id)}/bids", Bids)

    async def close(self, deployment_id: str, *, within_s: float = 600.0) -> Deployment:
        """Ends a deployment and waits until what is left of its deposit is back."""
        await self.channel.post(f"/v1/deployments/{segment(deployment_id)}/close", Deployment)
        return await self._when(deployment_id, OVER, within_s)

    def logs(self, deployment_id: str, *, tail: int = 100) -> AsyncGenerator[Message]:
        """What its containers write, as they write it; ends with the deployment."""

        async def is_over() -> bool:
            return (await self.deployment(deployment_id)).status in OVER

        path = f"/v1/deployments/{segment(deployment_id)}/logs"
        return follow(self.channel, path, is_over=is_over, tail=tail, follow="true")

    def events(self, *, after: int = 0) -> AsyncGenerator[Event]:
        """What the deployer publishes, without end."""
        return events(self.channel, after=after)

    async def _when(self, deployment_id: str, states: frozenset[str], within_s: float) -> Deployment:
        return await ended(
            lambda: self.deployment(deployment_id), lambda it: it.status in states, within_s=within_s
        )
