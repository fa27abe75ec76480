"""The facts that the deployer publishes."""

from collections.abc import Iterator
from typing import ClassVar, Self

from mesh_shared.events.event import Event
from mesh_shared.wire import Uuid
from pydantic import Field

from mesh_deployer.domain import secrecy
from mesh_deployer.domain.deployment import Deployment, State

Amount = Field(description="uact per block, as a decimal string.", examples=["13.501234"])

Reason = Field(default=None, description="Why the market closed it.", examples=["owner"])


class DeploymentEvent(Event):
    """What every fact about a deployment says."""

    deployment_id: Uuid
    provider: str = Field(description="The backend: simulated, docker, akash-chain or akash-console.")

    def subject(self) -> str:
        return str(self.deployment_id)


class DeploymentCreated(DeploymentEvent):
    """A deployment was accepted; nothing of it exists anywhere else yet."""

    topic: ClassVar[str] = "deployer.deployment-created.v1"
    version_hash: str

    @classmethod
    def of(cls, deployment: Deployment) -> Self:
        return cls(
            deployment_id=deployment.id,
            provider=deployment.provider,
            version_hash=deployment.version_hash,
        )


class DeploymentUpdated(DeploymentEvent):
    """What a deployment runs is about to be replaced, on the same lease."""

    topic: ClassVar[str] = "deployer.deployment-updated.v1"
    version_hash: str
    former_version_hash: str

    @classmethod
    def of(cls, before: Deployment, after: Deployment) -> Self:
        return cls(
            deployment_id=after.id,
            provider=after.provider,
            version_hash=after.version_hash,
            former_version_hash=before.version_hash,
        )


class CommandAsked(DeploymentEvent):
    """Somebody asked for a command in a container; its arguments may be secret and are not told."""

    topic: ClassVar[str] = "deployer.command-asked.v1"
    caller: str
    service: str
    program: str

    @classmethod
    def of(cls, deployment: Deployment, caller: str, service: str, program: str) -> Self:
        return cls(
            deployment_id=deployment.id,
            provider=deployment.provider,
            caller=caller,
            service=service,
            program=secrecy.redacted(program),
        )


class LeaseCreated(DeploymentEvent):
    """A provider is bound to run a placement of the deployment."""

    topic: ClassVar[str] = "deployer.lease-created.v1"
    placement: str = Field(examples=["dcloud"])
    lease_id: str
    provider_address: str
    uact_per_block: str = Amount


class DeploymentClosed(DeploymentEvent):
    """Its owner closed the deployment, and the rest of the deposit came back."""

    topic: ClassVar[str] = "deployer.deployment-closed.v1"
    refunded_uact: str
    close_reason: str | None = Reason


class DeploymentFailed(DeploymentEvent):
    """The deployment could not go on; it was closed, and the rest of the deposit came back."""

    topic: ClassVar[str] = "deployer.deployment-failed.v1"
    code: str
    detail: str
    refunded_uact: str
    close_reason: str | None = Reason


def facts(before: Deployment, after: Deployment) -> Iterator[DeploymentEvent]:
    """What the world is told when a deployment has come from one state into another; mostly nothing."""
    id, backend = after.id, after.provider
    match after:
        case Deployment(state=State.LEASED):
            for lease, bid in zip(after.leases, after.chosen, strict=True):
                if lease not in before.leases:
                    yield LeaseCreated(
                        deployment_id=id,
                        provider=backend,
                        placement=after.terms.placement(lease.gseq),
                        lease_id=lease.lease_id,
                        provider_address=bid.provider,
                        uact_per_block=f"{bid.uact_per_block:f}",
                    )
        case Deployment(state=State.CLOSED):
            yield DeploymentClosed(
                deployment_id=id,
                provider=backend,
                refunded_uact=str(after.refunded_uact),
                close_reason=after.close_reason,
            )
        case Deployment(state=State.FAILED, ending=ending) if ending:
            yield DeploymentFailed(
                deployment_id=id,
                provider=backend,
                code=ending.code or "",
                detail=ending.text,
                refunded_uact=str(after.refunded_uact),
                close_reason=after.close_reason,
            )
        case _:
            return
