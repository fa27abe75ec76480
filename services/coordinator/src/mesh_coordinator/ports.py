"""What the use cases ask of foreign systems, in the domain's own words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from mesh_shared.chain.journal import Call

from mesh_coordinator.domain.advance import Advance, Fate
from mesh_coordinator.domain.attempt import Failure
from mesh_coordinator.domain.requirements import Requirement
from mesh_coordinator.domain.selection import Candidate, Listing
from mesh_coordinator.domain.settlement import Escrow, Terms, Wish


class Directory(Protocol):
    """Where agents are found."""

    async def offering(self, capability: str) -> Sequence[Listing]:
        """Agents that list the capability, best first. Raises `Unavailable`."""
        ...

    async def agent(self, agent_id: str) -> Listing:
        """One agent. Raises `AgentNotFound` or `Unavailable`."""
        ...


class Drafter(Protocol):
    """Somebody who reads requirements out of a task in words that no rule knows: a language model."""

    async def draft(self, task: str, inputs: Sequence[str]) -> Sequence[Requirement]:
        """What the task needs, given inputs of these names; nothing when it makes no sense.

        Whatever is drafted is checked like a plan of the caller's own. Raises `Unavailable`.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """A call of an agent's action; `key` is the same whenever it is repeated."""

    candidate: Candidate
    parameters: dict[str, Any]
    key: str
    escrow_id: str | None
    timeout_s: float
    context: dict[str, Any]
    payment: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the agent delivered: any JSON value but null, with its signature when it gave one."""

    result: Any
    signature: str | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the agent delivered nothing; `may_pass` says that the same call may succeed later."""

    failure: Failure
    detail: str
    may_pass: bool = False


@dataclass(frozen=True, slots=True)
class Demand:
    """The agent wants to be paid before it works; `header` says how, in its own words (x402)."""

    header: str


class Purse(Protocol):
    """Money for agents that want it in advance."""

    def sign(self, demand: Demand, *, most_units: int, nonce: str) -> Advance | None:
        """The payment of the cheapest way that we know; None when there is none within `most_units`.

        The token takes one payment of ours for each `nonce` (32 bytes in hex).
        """
        ...

    async def fate(self, advance: Advance) -> Fate:
        """What has become of it. Raises `ChainUnavailable`."""
        ...


class Agents(Protocol):
    """The agents that are hired."""

    async def invoke(self, invocation: Invocation) -> Delivery | Refusal | Demand:
        """One call, with every fault of the agent as a `Refusal`.

        Raises `Unavailable` for a fault of the mesh's own.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """What is said of an agent's work in an escrow: `value` is 0 to 100."""

    escrow_id: str
    token_id: int
    value: int
    capability: str
    endpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bid:
    """What an agent's owner signs: the price in base units for which the agent does a step."""

    run_id: str
    step_id: str
    agent_id: str
    price_units: int


class Signatures(Protocol):
    """Who signed what."""

    async def is_by(self, owner: str, bid: Bid, signature: str) -> bool:
        """True when `owner` signed `bid`: by its key, or by its contract's word (ERC-1271).

        Raises `ChainUnavailable` for an owner who may be a contract.
        """
        ...


class Till(Protocol):
    """Where what the ledger owes is paid out."""

    def payout(self, id: UUID, payee: str, units: int) -> Call:
        """Pays base units to an address; however often it is sent, the chain does it once for each `id`."""
        ...

    async def is_paid(self, id: UUID) -> bool:
        """True when the chain has done it. Raises `ChainUnavailable`."""
        ...


class Escrows(Protocol):
    """The escrow and reputation contracts. Reading asks the chain; calls are to be put into the journal."""

    @property
    def payer(self) -> str:
        """The account that pays, sends and rates."""
        ...

    @property
    def evaluator(self) -> str:
        """The account whose verdict counts; it signs and never sends."""
        ...

    @property
    def token(self) -> str:
        """The money's contract."""
        ...

    def id_of(self, terms: Terms) -> str:
        """The id that the contract will give to these terms when we pay."""
        ...

    async def read(self, escrow_id: str) -> Escrow:
        """The escrow as the contract holds it now. Raises `ChainUnavailable`."""
        ...

    async def takes(self, call: Call) -> bool:
        """True when the contract would take `call` in the next block. Raises `ChainUnavailable`."""
        ...

    def allowance(self) -> Call:
        """Lets the escrow contract draw on our tokens, without limit."""
        ...

    def opening(self, terms: Terms) -> Call:
        """Locks the amount."""
        ...

    def submission(self, escrow_id: str, result_hash: bytes, signature: str) -> Call:
        """Hands in the provider's result under its signature."""
        ...

    def verdict(self, escrow_id: str, wish: Wish, score_bps: int, reason_hash: bytes) -> Call:
        """Settles by the evaluator's signed verdict."""
        ...

    def claim(self, escrow_id: str, *, is_submitted: bool) -> Call:
        """Ends an escrow whose deadline has passed."""
        ...

    def rating(self, rating: Rating) -> Call:
        """Rates the agent, with the settled escrow as proof that money was at stake."""
        ...
