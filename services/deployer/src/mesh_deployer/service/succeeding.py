"""Puts one deployment in the place of another, without a gap."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from mesh_shared.events import outbox
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_deployer.domain import succession
from mesh_deployer.domain.deployment import ENDED, Deployment, State
from mesh_deployer.errors import BeingReplaced, NotRunning
from mesh_deployer.events import DeploymentCreated
from mesh_deployer.repository.deployments import Deployments, Rest
from mesh_deployer.service.deployer import Deployer
from mesh_deployer.service.workloads import workload_of


@dataclass(frozen=True, slots=True)
class Succeeding:
    """Use cases that give a deployment of `deployer`'s a successor. The driver closes what was replaced."""

    deployer: Deployer

    async def scale(self, id: UUID, owner: str | None, replicas: Mapping[str, int], key: str) -> Deployment:
        """The successor with so many `replicas` by service; the deployment itself when it has them.

        Raises `DeploymentNotFound`, `NotRunning`, `BeingReplaced`, `ServiceUnknown`, `TooFewReplicas`,
        `TooManyReplicas`,
        `NotWritten`, and a `CannotRun` when the backend cannot run so many.
        """
        allowed = self.deployer.policy.replicas
        return await self._begin(
            id, owner, lambda one: succession.scaled(one, replicas, allowed, f"scale {key}", _now())
        )

    async def fail_over(self, id: UUID, owner: str | None, key: str) -> Deployment:
        """The successor at another provider. Raises `DeploymentNotFound`, `NotRunning`, `BeingReplaced`."""
        return await self._begin(id, owner, lambda one: succession.elsewhere(one, f"fail over {key}", _now()))

    async def _begin(
        self, id: UUID, owner: str | None, follow: Callable[[Deployment], Deployment]
    ) -> Deployment:
        while True:
            deployment = await self.deployer.get(id, owner)
            successor = follow(deployment)
            if successor is deployment:
                return deployment
            async with self.deployer.database.read() as session:
                known = await Deployments(session).find(successor.id)
                other = await Deployments(session).find(deployment.replaced_by or successor.id)
            if known is not None:
                return known
            if other is not None and other.state not in ENDED:
                raise BeingReplaced(str(other.id))
            if deployment.state is not State.ACTIVE:
                raise NotRunning(deployment.state)
            await self.deployer.market(deployment.provider).capabilities(workload_of(successor.sdl))
            async with self.deployer.database.write() as session:
                is_stored = await begin(session, deployment, successor)
            if is_stored:
                self.deployer.news.due.ring()
                return successor


async def begin(session: AsyncSession, deployment: Deployment, successor: Deployment) -> bool:
    """Stores `successor` and what it replaces together; false when the latter has changed meanwhile."""
    if not await Deployments(session).replace(deployment, succession.awaits(deployment, successor.id)):
        return False
    Deployments(session).add(successor)
    outbox.record(session, DeploymentCreated.of(successor))
    return True


async def retire(session: AsyncSession, successor: Deployment) -> bool:
    """Has what an active `successor` replaces closed; false when there is nothing to close."""
    if successor.state is not State.ACTIVE or successor.replaces is None:
        return False
    former = await Deployments(session).find(successor.replaces)
    if former is None or (leaving := former.replaced(successor.id, _now())) is former:
        return False
    return await Deployments(session).replace(former, leaving, Rest(_now(), 0))


def _now() -> datetime:
    return datetime.now(UTC)
