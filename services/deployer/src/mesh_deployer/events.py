"""The facts that the deployer publishes."""

from typing import ClassVar

from mesh_shared.events.event import Event
from mesh_shared.wire import Uuid
from pydantic import Field

Amount = Field(description="uact per block, as a decimal string.", examples=["13.501234"])


class DeploymentEvent(Event):
    """What every fact about a deployment says."""

    deployment_id: Uuid
    provider: str = Field(description="The backend: simulated or docker.")

    def subject(self) -> str:
        return str(self.deployment_id)


class DeploymentCreated(DeploymentEvent):
    """A deployment was accepted; nothing of it exists anywhere else yet."""

    topic: ClassVar[str] = "deployer.deployment-created.v1"
    version_hash: str


class LeaseCreated(DeploymentEvent):
    """A provider is bound to run the deployment."""

    topic: ClassVar[str] = "deployer.lease-created.v1"
    lease_id: str
    provider_address: str
    uact_per_block: str = Amount


class DeploymentClosed(DeploymentEvent):
    """Its owner closed the deployment, and the rest of the deposit came back."""

    topic: ClassVar[str] = "deployer.deployment-closed.v1"
    refunded_uact: str


class DeploymentFailed(DeploymentEvent):
    """The deployment could not go on; it was closed, and the rest of the deposit came back."""

    topic: ClassVar[str] = "deployer.deployment-failed.v1"
    code: str
    detail: str
    refunded_uact: str
