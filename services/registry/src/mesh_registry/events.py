"""The facts that this service publishes; `reverted` says that a reorganisation took back an earlier one."""

from typing import ClassVar

from mesh_shared.events.event import Event


class _AgentEvent(Event):
    agent_id: str
    block_number: int
    reverted: bool = False

    def subject(self) -> str:
        return self.agent_id


class AgentRegistered(_AgentEvent):
    topic: ClassVar[str] = "registry.agent-registered.v1"
    token_id: int
    owner: str
    did: str
    metadata_cid: str | None
    transaction_hash: str


class AgentUpdated(_AgentEvent):
    """Owner, document, capabilities, stake or activity changed, or the document became known."""

    topic: ClassVar[str] = "registry.agent-updated.v1"
    version: int
    owner: str
    metadata_cid: str | None
    active: bool
    stake_amount: str


class AgentDeactivated(_AgentEvent):
    topic: ClassVar[str] = "registry.agent-deactivated.v1"


class ReputationChanged(_AgentEvent):
    topic: ClassVar[str] = "registry.reputation-changed.v1"
    reputation: float
    feedback_count: int
    unproven_feedback_count: int
