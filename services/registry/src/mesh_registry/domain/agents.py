"""An agent as the chain has it: nothing but its facts, one after the other."""

from dataclasses import dataclass, replace
from enum import StrEnum

from mesh_shared.content import cid as cids

from mesh_registry.domain import naming, reputation
from mesh_registry.domain.chain import AgentFact, Occurrence, Staked, Status
from mesh_registry.domain.metadata import AgentMetadata
from mesh_registry.domain.reputation import NEWCOMER, Standing

IPFS = "ipfs://"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """What the chain says of an agent. `capability_hashes` are ascending; stake in base units of the token.

    `transaction_hash` and `registered_in` are those of its first fact; `changed_in` is the block of its last,
    `stated_in` of the last that only its owner can state.
    """

    token_id: int
    transaction_hash: str
    registered_in: int
    changed_in: int
    stated_in: int
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
        text = self.uri.removeprefix(IPFS)
        try:
            cids.parse(text)
        except ValueError:
            return None
        return text if self.uri.startswith(IPFS) else None

    @property
    def place(self) -> str:
        """Where it comes in a list of the best; see `reputation.place`."""
        return reputation.place(self.standing.reputation_ppm, self.stake_units, self.agent_id)


def begin(first: Occurrence) -> Agent:
    """The agent before its first fact is taken in."""
    return Agent(
        token_id=first.token_id,
        transaction_hash=first.transaction_hash,
        registered_in=first.block_number,
        changed_in=first.block_number,
        stated_in=first.block_number,
    )


def after(agent: Agent, occurrence: Occurrence) -> Agent:
    """`agent` with one more fact taken in. Feedback only moves `changed_in`: it is counted elsewhere."""
    fact, block = occurrence.fact, occurrence.block_number
    if not isinstance(fact, AgentFact):
        return replace(agent, changed_in=block)
    # Anyone can stake for an agent or rate it, again and again, and must not keep it unconfirmed for ever.
    stated_in = agent.stated_in if isinstance(fact, Staked) else block
    return replace(agent, changed_in=block, stated_in=stated_in, **fact.model_dump(exclude={"kind"}))


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """An agent as it is shown: what the chain says, how sure that is, and what the agent says of itself."""

    agent: Agent
    document: Document
    status: Status

    @property
    def capabilities(self) -> list[str]:
        """Names that the metadata claims and the chain confirms, sorted."""
        return offered(self.agent, self.document)


def offered(agent: Agent, document: Document) -> list[str]:
    """The capabilities under which `agent` may be found: claimed by its document, confirmed by the chain."""
    if document.metadata is None:
        return []
    return naming.proven(document.metadata.capabilities, agent.capability_hashes)


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
    is_revoked: bool
    block_number: int
    log_index: int
    transaction_hash: str

    @property
    def counts(self) -> bool:
        """Whether it moves the reputation: a quality score that was paid for and stands."""
        return self.quality_ppm is not None and self.escrow_id is not None and not self.is_revoked
