"""What a caller can ask of the deployer.

Nothing here talks to a market about an order: that is the driver's work.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Literal
from uuid import UUID, uuid5

from mesh_shared import bell, telemetry
from mesh_shared.database.engine import Database
from mesh_shared.errors import IdempotencyKeyReused, Unavailable
from mesh_shared.events import outbox

from mesh_deployer.domain import controls, cost
from mesh_deployer.domain.choice import Choice, choose_bids, placements
from mesh_deployer.domain.deployment import SETTLED, Backend, Deadlines, Deployment
from mesh_deployer.domain.market import Declined, Strategy, Terms
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.domain.security import Control, SecurityProfile
from mesh_deployer.domain.workload import Shape, Workload
from mesh_deployer.errors import BackendNotConfigured, CannotRun, DeploymentNotFound
from mesh_deployer.events import DeploymentCreated, DeploymentEvent
from mesh_deployer.ports import Marketplace, Order, SecurityProfiles
from mesh_deployer.repository.deployments import Deployments, Rest
from mesh_deployer.service.news import News
from mesh_deployer.service.workloads import deployable, workload_of

_IDS = UUID("7d0c9c4e-7a52-5f0e-9a5b-3d1f0a3c7b11")
_QUOTE_S = 10
"""How long a market may take to say who would bid."""
_LOOK_S = 0.5
"""How long a waiting caller goes without looking; what another replica does rings no bell here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The operator's choices for every deployment; `replicas` are those to which a service can be scaled."""

    reputation_floor: Decimal
    deadlines: Deadlines
    deposit_uact: int
    replicas: range = range(1, 11)


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """What a secure deployment asks for."""

    profile: str
    framework: str
    data_residency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be deployed, where, and by whom; `key` makes asking twice the same as asking once."""

    owner: str
    operation: str
    key: str
    sdl: str
    provider: Literal["auto"] | Backend
    reputation_floor: Decimal | None = None
    strategy: Strategy = Strategy.CHEAPEST
    security: Security | None = None
    top_up_to_uact: int | None = None
    fails_over: bool = False

    @property
    def id(self) -> UUID:
        """The deployment's id, the same whenever the same caller uses the same key."""
        return uuid5(_IDS, "\0".join((self.owner, self.operation, self.key)))

    @property
    def digest(self) -> str:
        """Tells another request under the same key from a repetition."""
        asked = (
            self.sdl,
            self.provider,
            self.reputation_floor,
            self.strategy.value,
            self.security,
            self.top_up_to_uact,
            self.fails_over,
        )
        return sha256(repr(asked).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessed:
    """A secure deployment with what can be shown for it at the moment."""

    deployment: Deployment
    security: SecurityProfile
    controls: tuple[Control, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Precheck:
    """What would come of a wish now. `choice` and `declined` have every provider, each with its reason."""

    provider: Backend
    provider_reason: str
    version_hash: str
    shape: Shape
    terms: Terms
    deposit_uact: int
    choice: Choice
    declined: tuple[Declined, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployer:
    """The use cases. `markets` has every backend by its name."""

    database: Database
    markets: Mapping[Backend, Marketplace]
    profiles: SecurityProfiles
    policy: Policy
    news: News
    snapshot: cost.Snapshot
    inputs: cost.Inputs

    async def submit(self, wish: Wish) -> Deployment:
        """Accepts a deployment, durably; the driver takes it from there.

        Raises `IdempotencyKeyReused` when the key belongs to another request, what `deployable` raises for
        the SDL, a `CannotRun` when the named backend cannot run it, and `SecurityProfileRefused` or
        `Unavailable` when the gateway does not compile the profile.
        """
        if (known := await self._find(wish.id)) is not None:
            if known.request_digest != wish.digest:
                raise IdempotencyKeyReused("This key belongs to a request with another body.")
            return known
        compilation = compile_sdl(wish.sdl)
        workload = deployable(compilation)
        provider, reason = await self._place(wish.provider, workload)
        security = await self._secure(wish, workload)
        deployment = self._new(wish, workload, compilation.version_hash or "", provider, reason, security)
        async with self.database.write() as session:
            Deployments(session).add(deployment)
            outbox.record(session, DeploymentCreated.of(deployment))
        self.news.due.ring()
        return deployment

    async def precheck(self, wish: Wish) -> Precheck:
        """What would come of it now; nothing is opened, locked or stored.

        Raises what `submit` raises for the SDL and the backend, and `Unavailable` while its market is silent.
        """
        compilation = compile_sdl(wish.sdl)
        workload = deployable(compilation)
        provider, reason = await self._place(wish.provider, workload)
        terms = self._terms(wish, workload, {})
        order = Order(
            id=wish.id,
            workload=workload,
            requirements=terms.requirements,
            deposit_uact=self.policy.deposit_uact,
        )
        try:
            async with asyncio.timeout(_QUOTE_S):
                book = await self.market(provider).quote(order)
        except TimeoutError:
            raise Unavailable("the market") from None
        return Precheck(
            provider=provider,
            provider_reason=reason,
            version_hash=compilation.version_hash or "",
            shape=workload.shape,
            terms=terms,
            deposit_uact=self.policy.deposit_uact,
            choice=choose_bids(book.bids, terms),
            declined=book.declined,
        )

    async def get(self, id: UUID, owner: str | None) -> Deployment:
        """The deployment of `owner`, or anybody's when it is None. Raises `DeploymentNotFound`."""
        deployment = await self._find(id)
        if deployment is None or owner not in (None, deployment.owner):
            raise DeploymentNotFound
        return deployment

    async def page(
        self, owner: str | None, before: tuple[datetime, UUID] | None, limit: int
    ) -> list[Deployment]:
        """The newest of `owner`, or of everybody when it is None, that are older than `before`."""
        async with self.database.read() as session:
            return await Deployments(session).page(owner, before, limit)

    async def close(self, id: UUID, owner: str | None) -> Deployment:
        """Asks for its end; one that is ending or has ended stays as it is. Raises `DeploymentNotFound`."""
        while True:
            deployment = await self.get(id, owner)
            closing = deployment.closing(datetime.now(UTC))
            if closing is deployment or await self.change(deployment, closing):
                return closing

    async def change(self, before: Deployment, after: Deployment, *told: DeploymentEvent) -> bool:
        """Stores `after`, due at once, with what is `told` of it; false when `before` is past."""
        async with self.database.write() as session:
            is_stored = await Deployments(session).replace(before, after, Rest(datetime.now(UTC), 0))
            for event in told if is_stored else ():
                outbox.record(session, event)
        if is_stored:
            self.news.due.ring()
        return is_stored

    async def wait(self, deployment: Deployment, seconds: float) -> Deployment:
        """The deployment once it runs or has ended, or as it is after `seconds`."""
        ends, settled = asyncio.get_running_loop().time() + seconds, self.news.of(deployment.id)
        while deployment.state not in SETTLED:
            ticket = settled.ticket()
            deployment = await self._find(deployment.id) or deployment
            left = ends - asyncio.get_running_loop().time()
            if left <= 0:
                break
            if deployment.state not in SETTLED:
                await bell.wait(ticket, min(left, _LOOK_S))
        return deployment

    def compare(self, shape: Shape, uact_per_block: Decimal) -> cost.Comparison:
        """What `shape` costs at that price on Akash and on the clouds of the snapshot."""
        return cost.compare(shape, uact_per_block, self.inputs, self.snapshot)

    def reduction(self, deployment: Deployment) -> cost.Comparison | None:
        """What the deployment's own bid saves; None before a bid is chosen."""
        price = deployment.uact_per_block
        return None if price is None else self.compare(deployment.shape, price)

    def assess(self, deployment: Deployment) -> Assessed:
        """The gateway's controls and our own, as they stand now.

        Raises `DeploymentNotFound` for a deployment without a security profile.
        """
        if deployment.security is None:
            raise DeploymentNotFound
        own = controls.assess(deployment, workload_of(deployment.sdl))
        return Assessed(
            deployment=deployment,
            security=deployment.security,
            controls=(*deployment.security.controls, *own),
        )

    def market(self, backend: Backend) -> Marketplace:
        """The backend. Raises `BackendNotConfigured` when the operator does not connect it, or no longer."""
        if (market := self.markets.get(backend)) is None:
            raise BackendNotConfigured(backend, list(self.markets))
        return market

    async def _find(self, id: UUID) -> Deployment | None:
        async with self.database.read() as session:
            return await Deployments(session).find(id)

    async def _place(self, wanted: Literal["auto"] | Backend, workload: Workload) -> tuple[Backend, str]:
        """The backend to use and why. Docker when it can, else simulated, unless one is asked for."""
        if wanted != "auto":
            return wanted, await self.market(wanted).capabilities(workload)
        try:
            return "docker", await self.markets["docker"].capabilities(workload)
        except CannotRun as reason:
            return "simulated", f"{reason.detail} {await self.markets['simulated'].capabilities(workload)}"

    def _terms(self, wish: Wish, workload: Workload, required: Mapping[str, str]) -> Terms:
        floor = self.policy.reputation_floor if wish.reputation_floor is None else wish.reputation_floor
        return Terms(
            reputation_floor=floor,
            placements=placements(workload),
            requirements=required,
            strategy=wish.strategy,
        )

    async def _secure(self, wish: Wish, workload: Workload) -> SecurityProfile | None:
        if wish.security is None:
            return None
        asked = wish.security
        return await self.profiles.compile(
            asked.profile, asked.framework, asked.data_residency, wish.id, workload
        )

    def _new(
        self,
        wish: Wish,
        workload: Workload,
        version_hash: str,
        provider: Backend,
        reason: str,
        security: SecurityProfile | None,
    ) -> Deployment:
        now, policy = datetime.now(UTC), self.policy
        required = {controls.RESIDENCY_ATTRIBUTE: security.data_residency} if security else {}
        return Deployment(
            id=wish.id,
            owner=wish.owner,
            request_digest=wish.digest,
            provider=provider,
            provider_reason=reason,
            sdl=wish.sdl,
            version_hash=version_hash,
            shape=workload.shape,
            terms=self._terms(wish, workload, required),
            deposit_uact=policy.deposit_uact,
            deadlines=policy.deadlines,
            created_at=now,
            traceparent=telemetry.traceparent(),
            security=security,
            top_up_to_uact=wish.top_up_to_uact,
            fail_overs=0 if wish.fails_over else None,
        )
