"""What happened on the chain, in the registry's words."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class AgentFact(BaseModel):
    """Something that the registry's log says of an agent: its members are the agent's, as they are now."""

    model_config = ConfigDict(frozen=True)


class Announced(AgentFact):
    """The agent exists, under the id that its owner chose or the registry derived."""

    kind: Literal["announced"] = "announced"
    agent_id: str
    did: str


class Located(AgentFact):
    """The agent's document is at `uri`."""

    kind: Literal["located"] = "located"
    uri: str


class Owned(AgentFact):
    """The agent's token went to `owner`. Only this says who owns an agent."""

    kind: Literal["owned"] = "owned"
    owner: str


class Offering(AgentFact):
    """From `version` on the agent offers exactly these capabilities, given as hashes."""

    kind: Literal["offering"] = "offering"
    version: int
    capability_hashes: tuple[str, ...]


class Updated(AgentFact):
    """The agent changed and is at `version`."""

    kind: Literal["updated"] = "updated"
    version: int


class Switched(AgentFact):
    """The agent was switched on or off."""

    kind: Literal["switched"] = "switched"
    version: int
    is_active: bool


class Staked(AgentFact):
    """The bonded stake is `stake_units` now."""

    kind: Literal["staked"] = "staked"
    stake_units: int


class FeedbackFact(BaseModel):
    """Something that the log says of feedback number `index` of `client` about an agent."""

    model_config = ConfigDict(frozen=True)

    client: str
    index: int


class Rated(FeedbackFact):
    """`client` rated the agent: `value` with `decimals` decimals, about `tag1` and `tag2`."""

    kind: Literal["rated"] = "rated"
    value: int
    decimals: int
    tag1: str
    tag2: str


class Paid(FeedbackFact):
    """The feedback was paid for in the settled escrow `escrow_id`."""

    kind: Literal["paid"] = "paid"
    escrow_id: str


class Revoked(FeedbackFact):
    """`client` took its feedback back."""

    kind: Literal["revoked"] = "revoked"


class Answered(FeedbackFact):
    """`responder`, who may be anyone, answered the feedback with what is at `uri`."""

    kind: Literal["answered"] = "answered"
    responder: str
    uri: str


class ValidationFact(BaseModel):
    """Something that the log says of the validation that `validator` was asked for under `request_hash`."""

    model_config = ConfigDict(frozen=True)

    validator: str
    request_hash: str


class Requested(ValidationFact):
    """The agent's owner asked for the validation of what is at `uri`."""

    kind: Literal["requested"] = "requested"
    uri: str


class Validated(ValidationFact):
    """The validator answered: `response` is 0 to 100, the evidence is at `uri`."""

    kind: Literal["validated"] = "validated"
    response: int
    uri: str
    tag: str


class Settled(BaseModel):
    """An escrow came to its end, which is final. It is about no agent: see `NO_AGENT`."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["settled"] = "settled"
    escrow_id: str
    is_refunded: bool


NO_AGENT = 0
"""In the place of a token: tokens begin at 1."""

AnyFact = Annotated[
    Announced
    | Located
    | Owned
    | Offering
    | Updated
    | Switched
    | Staked
    | Rated
    | Paid
    | Revoked
    | Answered
    | Requested
    | Validated
    | Settled,
    Field(discriminator="kind"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """A fact about the agent `token_id` and the place in the chain where it is written.

    `at` is the time of its block in Unix seconds.
    """

    block_number: int
    block_hash: str
    log_index: int
    transaction_hash: str
    token_id: int
    fact: AnyFact
    at: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """A block by number and hash."""

    number: int
    hash: str
    parent_hash: str


class Status(StrEnum):
    """How sure it is that what the chain says stays."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    FINALIZED = "finalized"


@dataclass(frozen=True, slots=True)
class Depths:
    """Blocks, the own one included, after which something counts as confirmed and as finalized."""

    confirmed: int
    finalized: int

    def status(self, block: int, head: int) -> Status:
        """The status of what is written in `block` when `head` is the newest block."""
        depth = head - block + 1
        if depth >= self.finalized:
            return Status.FINALIZED
        return Status.CONFIRMED if depth >= self.confirmed else Status.PENDING
