"""An agent as the chain has it: nothing but its facts, one after the other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, Self

from mesh_shared.content import cid as cids

from mesh_registry.domain import naming, ranking, search
from mesh_registry.domain.chain import AgentFact, Depths, Occurrence, Staked, Status
from mesh_registry.domain.metadata import AgentMetadata
from mesh_registry.domain.ranking import Rank
from mesh_registry.domain.registration_files import says_active
from mesh_registry.domain.reputation import ACCEPTED_PPM, NEWCOMER, Standing
from mesh_registry.domain.search import Prices

IPFS = "ipfs://"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """What the chain says of an agent. `capability_hashes` are ascending; stake in base units of the token.

    `transaction_hash` and `registered_in` are those of its first fact; `changed_in` is the block of its last,
    `stated_in` of the last that only its owner can state. `registered_at` and `stated_at` are the times of
    these blocks in Unix seconds.
    """

    token_id: int
    transaction_hash: str
    registered_in: int
    changed_in: int
    stated_in: int
    registered_at: int = 0
    stated_at: int = 0
    agent_id: str = ""
    did: str = ""
    uri: str = ""
    owner: str = ""
    stake_units: int = 0
    version: int = 1
    is_active: bool = True
    capability_hashes: tuple[str, ...] = ()
    standing: Standing = NEWCOMER

    @property
    def cid(self) -> str | None:
        """Where the metadata is; None when the URI is no CIDv1 of IPFS that a store can check."""
        return _cid_in(self.uri)

    @property
    def place(self) -> str:
        """Where it comes in a list of the best; see `ranking.place`."""
        return ranking.place(self.standing, self.stake_units, self.since_block, self.agent_id)

    @property
    def since_block(self) -> int:
        """From when its rank fades: the last paid praise, or the registration."""
        return max(self.standing.praised_in, self.registered_in)


@lru_cache(1024)
def _cid_in(uri: str) -> str | None:
    text = uri.removeprefix(IPFS)
    try:
        cids.parse(text)
    except ValueError:
        return None
    return text if uri.startswith(IPFS) else None


def begin(first: Occurrence) -> Agent:
    """The agent before its first fact is taken in."""
    return Agent(
        token_id=first.token_id,
        transaction_hash=first.transaction_hash,
        registered_in=first.block_number,
        changed_in=first.block_number,
        stated_in=first.block_number,
        registered_at=first.at,
        stated_at=first.at,
    )


def told(agent: Agent | None, occurrences: Sequence[Occurrence]) -> Agent:
    """The agent after all of `occurrences`, in order; it begins with the first when there was none."""
    said: dict[str, Any] = {}
    for occurrence in occurrences:
        said |= _said(occurrence)
    return replace(agent or begin(occurrences[0]), **said)


def _said(occurrence: Occurrence) -> dict[str, Any]:
    """What becomes of an agent's members. Feedback only moves `changed_in`: it is counted elsewhere."""
    fact, block = occurrence.fact, occurrence.block_number
    if not isinstance(fact, AgentFact):
        return {"changed_in": block}
    # Anyone can stake for an agent or rate it, again and again, and must not keep it unconfirmed for ever.
    stated = {} if isinstance(fact, Staked) else {"stated_in": block, "stated_at": occurrence.at}
    return {"changed_in": block} | stated | {name: value for name, value in fact if name != "kind"}


class DocumentState(StrEnum):
    """What became of the search for a document. WAITING and UNAVAILABLE are looked for again."""

    WAITING = "waiting"
    FETCHED = "fetched"
    INVALID = "invalid"
    UNAVAILABLE = "unavailable"


SOUGHT = (DocumentState.WAITING, DocumentState.UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class Document:
    """What is known of an agent's document; the metadata is there when it was FETCHED."""

    state: DocumentState
    metadata: AgentMetadata | None = None


NOWHERE = Document(DocumentState.UNAVAILABLE)
"""Of an agent whose URI names no content that a store could check."""


@dataclass(frozen=True, slots=True)
class Match:
    """What a text search found in an agent: its score in millionths and its rank in each list, from 1."""

    score_ppm: int
    words_rank: int | None
    meaning_rank: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """An agent as it is shown: what the chain says, how sure that is, and what the agent says of itself."""

    agent: Agent
    document: Document
    status: Status
    rank: Rank
    match: Match | None = None
    """How it matches the text that was searched for; None when there was none."""

    @classmethod
    def at(
        cls, head: int, depths: Depths, agent: Agent, document: Document, match: Match | None = None
    ) -> Self:
        """The agent as it is shown when `head` is the newest block."""
        return cls(
            agent=agent,
            document=document,
            status=depths.status(agent.stated_in, head),
            rank=ranking.rank(agent.standing, agent.stake_units, agent.since_block, head),
            match=match,
        )

    @property
    def capabilities(self) -> list[str]:
        """Names that the metadata claims and the chain confirms, sorted."""
        return offered(self.agent, self.document)


def offered(agent: Agent, document: Document) -> list[str]:
    """The capabilities under which `agent` may be found: claimed by its document, confirmed by the chain."""
    if document.metadata is None:
        return []
    return naming.proven(document.metadata.capabilities, agent.capability_hashes)


def findable(agent: Agent, document: Document) -> Prices:
    """The labels under which `agent` is found, with prices; none while it is switched off or unknown."""
    metadata = document.metadata
    if metadata is None or not agent.is_active or not says_active(metadata):
        return {}
    return search.labels(metadata, offered(agent, document))


@dataclass(frozen=True, slots=True)
class Response:
    """What `responder`, who may be anyone, answered to a piece of feedback."""

    responder: str
    uri: str
    block_number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """One piece of feedback; for `quality_ppm` see `reputation.quality_ppm`."""

    client: str
    index: int
    value: int
    decimals: int
    tag1: str
    tag2: str
    quality_ppm: int | None
    escrow_id: str | None
    is_refunded: bool
    is_revoked: bool
    block_number: int
    log_index: int
    transaction_hash: str
    responses: Sequence[Response] = ()
    """The newest of them."""

    @property
    def counts(self) -> bool:
        """Whether it moves the reputation: a quality score that was paid for and stands.

        Praise for work whose money went back was not paid for.
        """
        if self.quality_ppm is None or self.escrow_id is None or self.is_revoked:
            return False
        return self.quality_ppm < ACCEPTED_PPM or not self.is_refunded


@dataclass(frozen=True, slots=True)
class Validation:
    """What a validator was asked about an agent; `response` is 0 to 100, None before it answered."""

    validator: str
    request_hash: str
    request_uri: str
    response: int | None
    response_uri: str | None
    tag: str | None
    block_number: int
    log_index: int
