"""The registry's public wire models."""

from typing import Annotated, Any, Self

from mesh_shared.web.pages import Page
from mesh_shared.wire import Address, Cid, Hex32, Units, Uuid, WireModel
from pydantic import BaseModel, Field, StringConstraints

from mesh_registry.domain.agents import Agent, DocumentState, Feedback, Listing
from mesh_registry.domain.chain import Status
from mesh_registry.domain.metadata import AgentMetadata, PastReputation, Tool
from mesh_registry.domain.operations import Operation, OperationStatus
from mesh_registry.domain.reputation import PPM
from mesh_registry.domain.signing import Authorization, Permit, TypedData
from mesh_registry.errors import RegistrationRefused
from mesh_registry.service.registering import Draft, Wish

MAX_INSTANT = 2**53 - 1
EXAMPLE_OWNER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
_HASH = "0x" + "5e" * 32

AgentName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9._/-]{0,127}$"),
    Field(description="The agent's name, first come first served.", examples=["acme/summarizer"]),
]
Did = Annotated[
    str,
    StringConstraints(pattern=r"^did:[a-z0-9]{1,32}:[A-Za-z0-9._:%-]{1,200}$"),
    Field(description="Default: did:pkh of the owner.", examples=["did:web:acme.example"]),
]
Signature = Annotated[
    str,
    StringConstraints(pattern=r"^0x[0-9a-fA-F]{128}1[bBcC]$"),
    Field(description="65 bytes r, s, v of an account's key; v is 27 or 28.", examples=["0x" + "1b" * 65]),
]
Deadline = Annotated[
    int, Field(ge=0, le=MAX_INSTANT, description="Unix seconds, as signed.", examples=[1798761600])
]
TransactionHash = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{64}$"), Field(examples=[_HASH])]
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

    def wish(self) -> Wish:
        return Wish(name=self.id, did=self.did, metadata=self.metadata, stake_units=int(self.stake))


class PermitBody(WireModel):
    """An ERC-2612 permit for the stake, as signed."""

    deadline: Deadline
    signature: Signature


class AuthorizationBody(WireModel):
    """The owner's signatures under what `POST /v1/registrations` answered."""

    owner: Address
    deadline: Deadline
    signature: Signature
    permit: PermitBody | None = None

    def authorization(self) -> Authorization:
        permit = self.permit and Permit(
            deadline=self.permit.deadline, signature=_bytes(self.permit.signature)
        )
        return Authorization(
            owner=self.owner,
            deadline=self.deadline,
            signature=_bytes(self.signature),
            permit=permit,
        )


class DraftRequest(_WishBody):
    """An agent whose owner is going to sign."""

    owner: Address = Field(examples=[EXAMPLE_OWNER])


class OwnRegistration(_WishBody):
    """An agent that is going to belong to the operator of this registry."""


class AgentRequest(_WishBody):
    """An agent to register; without `authorization` it belongs to the operator of this registry."""

    authorization: AuthorizationBody | None = Field(default=None, examples=[None])


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


class RefusalView(BaseModel):
    code: str = Field(examples=["agent-exists"])
    detail: str


class OperationView(BaseModel):
    """A registration on its way. `transactionHash` is null only before it was first sent."""

    operationId: Uuid
    agentId: Hex32
    metadataCid: Cid
    transactionHash: TransactionHash | None
    status: OperationStatus
    error: RefusalView | None = Field(description="Why it failed; null while it has not.")

    @classmethod
    def of(cls, operation: Operation, refusal: RegistrationRefused | None = None) -> Self:
        return cls(
            operationId=operation.id,
            agentId=operation.registration.agent_id,
            metadataCid=operation.registration.cid,
            transactionHash=operation.transaction_hash,
            status=operation.status,
            error=refusal and RefusalView(code=refusal.code(), detail=refusal.detail),
        )


class AgentView(BaseModel):
    """An agent. What it says of itself is null or empty until its metadata was fetched and checked."""

    agentId: Hex32 = Field(description="Keccak-256 of its name.")
    tokenId: str = Field(description="ERC-721 token.", examples=["1"])
    name: str | None = Field(examples=["Summarizer"])
    description: str | None
    did: str = Field(examples=[f"did:pkh:eip155:31337:{EXAMPLE_OWNER}"])
    owner: Address
    endpoint: str | None = Field(examples=["https://agent.example:8443"])
    capabilities: list[str] = Field(description="Claimed by the metadata and confirmed by the chain.")
    toolDefinitions: list[Tool]
    reputationHistory: list[PastReputation]
    reputation: float = Field(ge=0, le=1, description="What quality to expect at least, with 95 % certainty.")
    feedbackCount: int = Field(description="Paid quality scores, which make the reputation.")
    unprovenFeedbackCount: int = Field(
        description="Quality scores without proof of payment; they weigh nothing."
    )
    stakeAmount: Units
    metadataCid: Cid | None = Field(description="Null when the agent's URI names no IPFS content.")
    metadataStatus: DocumentState
    version: int
    active: bool
    status: Status

    @classmethod
    def of(cls, listing: Listing) -> Self:
        agent, metadata = listing.agent, listing.document.metadata
        return cls(
            agentId=agent.agent_id,
            tokenId=str(agent.token_id),
            name=metadata and metadata.name,
            description=metadata and metadata.description,
            did=agent.did,
            owner=agent.owner,
            endpoint=metadata and metadata.endpoint,
            capabilities=listing.capabilities,
            toolDefinitions=metadata.toolDefinitions if metadata else [],
            reputationHistory=metadata.reputationHistory if metadata else [],
            reputation=agent.standing.reputation_ppm / PPM,
            feedbackCount=agent.standing.feedback_count,
            unprovenFeedbackCount=agent.standing.unproven_count,
            stakeAmount=str(agent.stake_units),
            metadataCid=agent.cid,
            metadataStatus=listing.document.state,
            version=agent.version,
            active=agent.is_active,
            status=listing.status,
        )


class FeedbackView(BaseModel):
    """What one client said of the agent."""

    client: Address
    index: int = Field(description="The client's how-manieth about this agent, from 1.", examples=[1])
    value: str = Field(description="Whole number with `valueDecimals` decimals.", examples=["92"])
    valueDecimals: int
    tag1: str = Field(examples=["quality"])
    tag2: str
    score: float | None = Field(description="0 to 1 when it is a quality score, else null.")
    escrowId: Hex32 | None = Field(description="The settled escrow that proves the payment.")
    revoked: bool
    counts: bool = Field(description="Whether it moves the reputation: a quality score, paid, not revoked.")
    blockNumber: int
    transactionHash: Hex32

    @classmethod
    def of(cls, feedback: Feedback) -> Self:
        return cls(
            client=feedback.client,
            index=feedback.index,
            value=str(feedback.value),
            valueDecimals=feedback.decimals,
            tag1=feedback.tag1,
            tag2=feedback.tag2,
            score=None if feedback.quality_ppm is None else feedback.quality_ppm / PPM,
            escrowId=feedback.escrow_id,
            revoked=feedback.is_revoked,
            counts=feedback.counts,
            blockNumber=feedback.block_number,
            transactionHash=feedback.transaction_hash,
        )


class ReputationView(Page[FeedbackView]):
    """The reputation and one page of what it is made of, newest first."""

    agentId: Hex32
    reputation: float = Field(
        description="The lower bound mu - 1.645 sigma, at least 0, of Beta(r + 1.6, s + 0.4): r sums the "
        "scores that count, s what each lacks to 1.",
        examples=[0.58707],
    )
    feedbackCount: int
    unprovenFeedbackCount: int

    @classmethod
    def about(cls, agent: Agent, page: Page[FeedbackView]) -> Self:
        return cls(
            items=page.items,
            next_cursor=page.next_cursor,
            agentId=agent.agent_id,
            reputation=agent.standing.reputation_ppm / PPM,
            feedbackCount=agent.standing.feedback_count,
            unprovenFeedbackCount=agent.standing.unproven_count,
        )


class ContentView(BaseModel):
    cid: Cid
    size: int = Field(description="Bytes.", examples=[5])


class UniversalTool(BaseModel):
    """A tool and the agent that has it."""

    agentId: Hex32
    agent: str = Field(description="The agent's name for itself.")
    endpoint: str
    name: str
    description: str
    parameters: dict[str, Any]
    price: Units


def tools_of(listing: Listing, capability: str) -> list[UniversalTool]:
    """The tools of an agent that serve `capability`."""
    metadata = listing.document.metadata
    return (
        []
        if metadata is None
        else [
            UniversalTool(
                agentId=listing.agent.agent_id,
                agent=metadata.name,
                endpoint=metadata.endpoint,
                name=tool.name,
                description=tool.description,
                parameters=tool.parameters,
                price=tool.price,
            )
            for tool in metadata.toolDefinitions
            if tool.capability == capability
        ]
    )


def _bytes(hex_text: str) -> bytes:
    return bytes.fromhex(hex_text[2:])
