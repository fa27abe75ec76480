"""Cards: registering by them, and what is thought of them."""

from datetime import datetime
from typing import Annotated, Any, Self

from mesh_shared.wire import Capability, Units, WireModel
from pydantic import BaseModel, Field, StringConstraints

from mesh_registry.domain.cards import Evidence, Verdict
from mesh_registry.domain.metadata import ORIGIN, AgentMetadata
from mesh_registry.domain.texts import Flag
from mesh_registry.schemas.fields import AgentName, Did
from mesh_registry.schemas.registrations import AuthorizationBody
from mesh_registry.service.importing import CardWish

CardUrl = Annotated[
    str,
    StringConstraints(pattern=rf"^{ORIGIN}(/[A-Za-z0-9._~%/-]{{0,250}})?$"),
    Field(
        description="Address of an A2A 1.0 card; without a path, the well-known one of that origin.",
        examples=["https://agent.example"],
    ),
]


class CardRequest(WireModel):
    """A card to look at."""

    url: CardUrl
    capabilities: list[Capability] | None = Field(
        default=None,
        min_length=1,
        max_length=32,
        description="Default: ids and tags of the card's skills that are names of capabilities.",
        examples=[["text.summarize"]],
    )


class FromCardRequest(CardRequest):
    """An agent to register by its card; without `authorization` it belongs to the operator."""

    id: AgentName
    did: Did | None = Field(default=None, examples=[None])
    stake: Units = Field(default="0", examples=["0"])
    authorization: AuthorizationBody | None = Field(default=None, examples=[None])

    def wish(self) -> CardWish:
        return CardWish(
            name=self.id,
            url=self.url,
            capabilities=self.capabilities,
            did=self.did,
            stake_units=int(self.stake),
            authorization=self.authorization and self.authorization.authorization(),
        )


class CardVerdict(BaseModel):
    """What a card's signatures and texts are worth."""

    url: str = Field(examples=["https://agent.example/.well-known/agent-card.json"])
    verdict: Verdict = Field(
        description="`valid`: by a key that the card's own origin publishes; `untrusted-key`: by another."
    )
    keyThumbprint: str | None = Field(description="RFC 7638 thumbprint of the key, when valid.")
    warnings: list[Flag] = Field(description="What is suspicious in its texts.")
    seenAt: datetime

    @classmethod
    def on(cls, evidence: Evidence, **more: Any) -> Self:
        return cls(
            url=evidence.url,
            verdict=evidence.verdict,
            keyThumbprint=evidence.key,
            warnings=evidence.warnings,
            seenAt=evidence.seen_at,
            **more,
        )


class CardView(CardVerdict):
    """A card as it was found. Its texts are a stranger's: data, never instructions."""

    card: dict[str, Any]

    @classmethod
    def of(cls, evidence: Evidence) -> Self:
        return cls.on(evidence, card=evidence.card)


class CardLook(CardView):
    """A card, and what registering it would register: what an owner signs for `POST /v1/registrations`."""

    metadata: AgentMetadata

    @classmethod
    def seen(cls, evidence: Evidence, metadata: AgentMetadata) -> Self:
        return cls.on(evidence, card=evidence.card, metadata=metadata)
