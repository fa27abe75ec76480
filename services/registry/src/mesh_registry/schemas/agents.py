"""Agents and their reputation."""

from typing import Self

from mesh_shared.web.pages import Page
from mesh_shared.wire import Address, Cid, Hex32, Units
from pydantic import BaseModel, Field

from mesh_registry.domain.agents import Agent, DocumentState, Feedback, Listing, Response, Validation
from mesh_registry.domain.chain import Status
from mesh_registry.domain.metadata import PastReputation, Tool
from mesh_registry.domain.reputation import PPM
from mesh_registry.domain.texts import Flag
from mesh_registry.schemas.fields import EXAMPLE_OWNER
from mesh_registry.schemas.search import WhyView


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
    warnings: list[Flag] = Field(
        description="What is suspicious in its texts: a model may be led by them, or an eye. "
        "`private-address`: an address leads into the network of whoever calls it, or nowhere.",
        examples=[[]],
    )
    protocols: list[str] = Field(description="What it speaks; `mesh` when known at all.", examples=[["mesh"]])
    why: WhyView

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
            warnings=metadata.warnings if metadata else [],
            protocols=metadata.spoken if metadata else [],
            why=WhyView.of(listing),
        )


class ResponseView(BaseModel):
    """What somebody answered to a piece of feedback: a refund, a defence, a spam mark."""

    responder: Address
    uri: str = Field(examples=["ipfs://bafkreiaqsz2qmnbpt4ehhkzcsr6qna7xay7zfjq3j2xhilczormybkx23i"])
    blockNumber: int

    @classmethod
    def of(cls, response: Response) -> Self:
        return cls(responder=response.responder, uri=response.uri, blockNumber=response.block_number)


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
    refunded: bool = Field(description="The escrow's money went back: praise does not count, blame does.")
    revoked: bool
    counts: bool = Field(description="Whether it moves the reputation: a quality score, paid, not revoked.")
    responses: list[ResponseView] = Field(description="The newest ten; anyone may answer.")
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
            refunded=feedback.is_refunded,
            revoked=feedback.is_revoked,
            counts=feedback.counts,
            responses=[ResponseView.of(response) for response in feedback.responses],
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
    penaltyCount: int = Field(description="Counted scores for work whose money went back.", examples=[0])
    supporterCount: int = Field(description="Distinct clients who paid and gave 0.8 or more.", examples=[1])

    @classmethod
    def about(cls, agent: Agent, page: Page[FeedbackView]) -> Self:
        return cls(
            items=page.items,
            next_cursor=page.next_cursor,
            agentId=agent.agent_id,
            reputation=agent.standing.reputation_ppm / PPM,
            feedbackCount=agent.standing.feedback_count,
            unprovenFeedbackCount=agent.standing.unproven_count,
            penaltyCount=agent.standing.penalty_count,
            supporterCount=agent.standing.supporter_count,
        )


class ValidationView(BaseModel):
    """What a validator was asked about the agent; what it answered is null before it did."""

    validator: Address
    requestHash: Hex32
    requestUri: str
    response: int | None = Field(description="0 to 100, the last answer.", examples=[100])
    responseUri: str | None
    tag: str | None
    blockNumber: int = Field(description="Of the request.")

    @classmethod
    def of(cls, validation: Validation) -> Self:
        return cls(
            validator=validation.validator,
            requestHash=validation.request_hash,
            requestUri=validation.request_uri,
            response=validation.response,
            responseUri=validation.response_uri,
            tag=validation.tag,
            blockNumber=validation.block_number,
        )


class ValidationsView(Page[ValidationView]):
    """How validators answered, and one page of the requests, newest first. They do not move the rank."""

    answeredCount: int = Field(examples=[1])
    averageResponse: float | None = Field(description="0 to 100; null before the first answer.")
