"""What a caller can ask of a deployment that runs."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from mesh_shared.errors import Unavailable
from mesh_shared.events import outbox

from mesh_deployer.domain import secrecy
from mesh_deployer.domain.deployment import Deployment, State
from mesh_deployer.domain.difference import Carrier, difference
from mesh_deployer.domain.drift import Drift, drift, unreported
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.domain.security import SecurityProfile
from mesh_deployer.domain.workload import Workload
from mesh_deployer.errors import CommandNotFinished, DepositNotLowered, NotRunning, UpdateNeedsDeployment
from mesh_deployer.events import CommandAsked, DeploymentUpdated
from mesh_deployer.ports import LogLine, Output
from mesh_deployer.service.deployer import Deployer
from mesh_deployer.service.following import closable
from mesh_deployer.service.workloads import deployable, workload_of

LOOK_S = 10
"""How long a market may take to say what runs."""
COMMAND_S = 30
"""How long a command may take."""
_LEASED = frozenset({State.LEASED, State.ACTIVE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What runs against what should, and what of it nobody reports."""

    deployment: Deployment
    drift: tuple[Drift, ...]
    unreported: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Running:
    """Use cases on one deployment of `deployer`'s."""

    deployer: Deployer

    async def update(self, id: UUID, owner: str | None, sdl: str) -> Deployment:
        """Replaces what runs by what `sdl` says, on the same lease; the same SDL again changes nothing.

        The driver sends the manifest. What does not start is replaced by the version before. Raises
        `DeploymentNotFound`, what `deployable` raises for the SDL, `UpdateNeedsDeployment` with every change
        that takes a new lease, `NotRunning`, and a `CannotRun` when the backend cannot run it.
        """
        while True:
            deployment = await self.deployer.get(id, owner)
            compilation = compile_sdl(sdl)
            workload = deployable(compilation)
            found = difference(compile_sdl(deployment.sdl), compilation)
            if found.carried_by is Carrier.NOTHING:
                return deployment
            if found.carried_by is Carrier.DEPLOYMENT:
                raise UpdateNeedsDeployment([change.told() for change in found.changes])
            if deployment.state is not State.ACTIVE:
                raise NotRunning(deployment.state)
            await self.deployer.market(deployment.provider).capabilities(workload)
            security = await self._secured(deployment, workload)
            updated = deployment.updated(sdl, compilation.version_hash or "", security, datetime.now(UTC))
            if await self.deployer.change(deployment, updated, DeploymentUpdated.of(deployment, updated)):
                return updated

    async def deposit(
        self, id: UUID, owner: str | None, total_uact: int, top_up_to: int | None
    ) -> Deployment:
        """Raises the deposit to `total_uact` in all; the driver locks it. Asking twice is asking once.

        From now on it is raised by itself, up to `top_up_to`, whenever it lasts less than a day; None for
        not at all. Raises `DeploymentNotFound`, `NotRunning`, `DepositNotLowered`.
        """
        while True:
            deployment = await self.leased(id, owner)
            if total_uact < deployment.deposit_uact:
                raise DepositNotLowered(deployment.deposit_uact)
            funded = deployment.funded(total_uact, top_up_to)
            if funded is deployment or await self.deployer.change(deployment, funded):
                return funded

    async def leased(self, id: UUID, owner: str | None) -> Deployment:
        """The deployment when a provider is bound to it. Raises `DeploymentNotFound`, `NotRunning`."""
        deployment = await self.deployer.get(id, owner)
        if deployment.state not in _LEASED:
            raise NotRunning(deployment.state)
        return deployment

    async def compare(self, id: UUID, owner: str | None) -> Comparison:
        """What the market reports, against the SDL. Nothing is changed.

        Raises `DeploymentNotFound`, `NotRunning`, what the market raises for an order that has ended, and
        `Unavailable`.
        """
        deployment = await self.leased(id, owner)
        try:
            async with asyncio.timeout(LOOK_S):
                observed = await self.deployer.market(deployment.provider).observed(id)
        except TimeoutError:
            raise Unavailable("the market") from None
        return Comparison(
            deployment=deployment,
            drift=drift(workload_of(deployment.sdl), observed),
            unreported=unreported(observed),
        )

    async def logs(self, deployment: Deployment, *, tail: int, follow: bool) -> AsyncIterator[LogLine]:
        """What its services write; whatever looks like a credential is left out.

        Raises what the market raises for an order that has ended, and `Unavailable`.
        """
        market = self.deployer.market(deployment.provider)
        async with aclosing(closable(market.logs(deployment.id, tail=tail, follow=follow))) as lines:
            async for line in lines:
                yield replace(line, text=secrecy.redacted(line.text))

    async def execute(
        self, id: UUID, owner: str | None, caller: str, service: str, command: Sequence[str]
    ) -> Output:
        """What `command` writes beside the first replica of `service`. That it was asked for is told first.

        Raises `DeploymentNotFound`, `NotRunning`, `NotOffered`, `ServiceUnknown`, and `CommandNotFinished`
        when it takes longer than `COMMAND_S`.
        """
        deployment = await self.leased(id, owner)
        async with self.deployer.database.write() as session:
            outbox.record(session, CommandAsked.of(deployment, caller, service, command[0]))
        try:
            async with asyncio.timeout(COMMAND_S):
                return await self.deployer.market(deployment.provider).exec(deployment.id, service, command)
        except TimeoutError:
            raise CommandNotFinished(COMMAND_S) from None

    async def _secured(self, deployment: Deployment, workload: Workload) -> SecurityProfile | None:
        """The profile compiled anew: its policies name services and images."""
        if (kept := deployment.security) is None:
            return None
        return await self.deployer.profiles.compile(
            kept.profile, kept.framework, kept.data_residency, deployment.id, workload
        )
