"""Registrations: what is asked for, and what is signed."""

from typing import Self

from mesh_shared.wire import Address, Cid, Hex32, Units, WireModel
from pydantic import BaseModel, Field

from mesh_registry.domain.metadata import AgentMetadata
from mesh_registry.domain.signing import Authorization, Permit, TypedData
from mesh_registry.schemas.fields import (
    EXAMPLE_OWNER,
    AgentName,
    Deadline,
    Did,
    Signature,
    WalletSignature,
    as_bytes,
)
from mesh_registry.service.registering import Draft, Wish

MAX_BATCH = 50
EXAMPLE_METADATA = {
    "name": "Summarizer",
    "description": "Summarizes text in one paragraph.",
    "endpoint": "https://agent.example:8443",
    "capabilities": ["text.summarize"],
    "toolDefinitions": [
        {
            "name": "SUMMARIZE",
            "description": "One paragraph that says it all.",
            "capability": "text.summarize",
            "parameters": {"type": "object", "properties": {"text": {"type": "string"}}},
            "price": "250000",
        }
    ],
    "reputationHistory": [],
}


class _WishBody(WireModel):
    id: AgentName
    did: Did | None = Field(default=None, examples=[None])
    metadata: AgentMetadata = Field(examples=[EXAMPLE_METADATA])
    stake: Units = Field(
        default="0", description="Base units of the token, locked behind the agent.", examples=["0"]
    )

    def wish(self, authorization: Authorization | None = None) -> Wish:
        return Wish(
            name=self.id,
            did=self.did,
            metadata=self.metadata,
            stake_units=int(self.stake),
            authorization=authorization,
        )


class PermitBody(WireModel):
    """An ERC-2612 permit for the stake, as signed."""

    deadline: Deadline
    signature: Signature

    def permit(self) -> Permit:
        return Permit(deadline=self.deadline, signature=as_bytes(self.signature))


class AuthorizationBody(WireModel):
    """The owner's signatures under what `POST /v1/registrations` answered."""

    owner: Address
    deadline: Deadline
    signature: WalletSignature
    permit: PermitBody | None = None

    def authorization(self) -> Authorization:
        return Authorization(
            owner=self.owner,
            deadline=self.deadline,
            signature=as_bytes(self.signature),
            permit=self.permit and self.permit.permit(),
        )


class DraftRequest(_WishBody):
    """An agent whose owner is going to sign."""

    owner: Address = Field(examples=[EXAMPLE_OWNER])


class OwnRegistration(_WishBody):
    """An agent that is going to belong to the operator of this registry."""


class AgentRequest(_WishBody):
    """An agent to register; without `authorization` it belongs to the operator of this registry."""

    authorization: AuthorizationBody | None = Field(default=None, examples=[None])

    def signed_wish(self) -> Wish:
        return self.wish(self.authorization and self.authorization.authorization())


class BatchRequest(WireModel):
    """Agents to register, each as `POST /v1/agents` takes one."""

    agents: list[AgentRequest] = Field(
        min_length=1, max_length=MAX_BATCH, examples=[[{"id": "acme/one", "metadata": EXAMPLE_METADATA}]]
    )


class DraftView(BaseModel):
    """What the owner signs. Send both signatures to `POST /v1/agents` before the deadline."""

    agentId: Hex32
    metadataCid: Cid
    deadline: Deadline
    nonce: int = Field(description="The owner's present nonce in the registry.", examples=[0])
    registration: TypedData
    permit: TypedData | None = Field(description="For the stake; null when there is none.")

    @classmethod
    def of(cls, draft: Draft) -> Self:
        return cls(
            agentId=draft.registration.agent_id,
            metadataCid=draft.registration.cid,
            deadline=draft.deadline,
            nonce=draft.nonce,
            registration=draft.registration_data,
            permit=draft.permit_data,
        )
