"""Which agent does a step: the best mix of reputation, price and speed, with the reasons in the open.

    score = 0.5 · reputation - 0.3 · price / ceiling - 0 · latency / timeout

The weights are the requirement's to choose. Reputation is the registry's, 0 to 1, a lower bound already: who
has little to show has little of it. The ceiling is the requirement's `max_price`, without one the dearest
price on offer. Latency is what calls of the agent took here; nobody is held slow before the first. Equal
scores go to the lower price, then to the lower agent id, so that a plan made twice is the same plan.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from urllib.parse import urlsplit

from mesh_coordinator.domain.requirements import Requirement

ACCEPTED = "accepted"
NO_BID = "made no bid"
NO_PACES: Mapping[str, float] = MappingProxyType({})
# Nobody reads more, and a plan is kept.
MAX_CANDIDATES = 20
_ACTION = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


class Protocol(StrEnum):
    """How an agent is called: the mesh's own actions, A2A 1.0, or the Model Context Protocol."""

    MESH = "mesh"
    A2A = "a2a"
    MCP = "mcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One action of an agent as the registry lists it; the price is in base units per call."""

    name: str
    capability: str
    price_units: int
    protocol: Protocol = Protocol.MESH
    is_safe: bool = False
    """It says of itself that it changes nothing, or that twice is as once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """An agent as the registry lists it."""

    agent_id: str
    token_id: int
    name: str
    owner: str
    endpoint: str
    reputation: float
    is_active: bool
    is_on_chain: bool
    """False while its registration is not mined."""
    tools: tuple[Tool, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An agent that was considered for a step; `reason` says why it was taken in or turned down."""

    agent_id: str
    token_id: int
    name: str
    owner: str
    endpoint: str
    action: str
    price_units: int
    reputation: float
    latency_s: float | None = None
    """None for one that was not called yet."""
    protocol: Protocol = Protocol.MESH
    is_safe: bool = False
    score: float = 0.0
    reason: str = ACCEPTED

    @property
    def is_accepted(self) -> bool:
        """True for one that may be hired."""
        return self.reason == ACCEPTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Who we are, and what a step may cost at most: base units."""

    own_accounts: frozenset[str]
    """Addresses in lower case."""
    own_endpoint: str
    budget_units: int


def rank(
    wanted: Requirement, listings: Iterable[Listing], limits: Limits, paces: Mapping[str, float] = NO_PACES
) -> tuple[Candidate, ...]:
    """Every candidate for `wanted`: those accepted first, best first, then those turned down; at most 20.

    `paces` are the seconds that calls of agents take, by their ids.
    """
    found = [_candidate(wanted, listing, limits, paces) for listing in listings]
    best_first = _best_first(wanted, [candidate for candidate in found if candidate.is_accepted])
    refused = sorted((c for c in found if not c.is_accepted), key=lambda c: c.agent_id)
    return (*best_first, *refused)[:MAX_CANDIDATES]


def awarded(
    wanted: Requirement, candidates: Sequence[Candidate], bids: Mapping[str, int]
) -> tuple[Candidate, ...]:
    """The candidates after an auction: those who bid, at their prices, best first; then the others."""
    bidding = [
        replace(candidate, price_units=bids[candidate.agent_id])
        for candidate in candidates
        if candidate.is_accepted and candidate.agent_id in bids
    ]
    others = [candidate for candidate in candidates if candidate.agent_id not in bids]
    silent = [replace(c, reason=NO_BID, score=0.0) if c.is_accepted else c for c in others]
    return (*_best_first(wanted, bidding), *silent)


def _best_first(wanted: Requirement, accepted: Sequence[Candidate]) -> list[Candidate]:
    ceiling = _ceiling(wanted, accepted)
    scored = [replace(one, score=_score(wanted, one, ceiling)) for one in accepted]
    return sorted(scored, key=lambda c: (-c.score, c.price_units, c.agent_id))


def _score(wanted: Requirement, candidate: Candidate, ceiling: int) -> float:
    """Rounded, so that no difference is one of arithmetic only."""
    by = wanted.select
    dearness = candidate.price_units / ceiling if ceiling else 0.0
    slowness = min(1.0, (candidate.latency_s or 0.0) / wanted.timeout_s)
    worth = by.reputation_weight * candidate.reputation
    return round(worth - by.price_weight * dearness - by.latency_weight * slowness, 6)


def _ceiling(wanted: Requirement, candidates: Sequence[Candidate]) -> int:
    if wanted.max_price_units is not None:
        return wanted.max_price_units
    return max((candidate.price_units for candidate in candidates), default=0)


def _candidate(
    wanted: Requirement, listing: Listing, limits: Limits, paces: Mapping[str, float]
) -> Candidate:
    tool = _tool(wanted, listing)
    candidate = Candidate(
        agent_id=listing.agent_id,
        token_id=listing.token_id,
        name=listing.name,
        owner=listing.owner,
        endpoint=listing.endpoint,
        action=tool.name if tool else "",
        price_units=tool.price_units if tool else 0,
        reputation=listing.reputation,
        latency_s=paces.get(listing.agent_id),
        protocol=tool.protocol if tool else Protocol.MESH,
        is_safe=tool is not None and tool.is_safe,
    )
    doubts = (*_doubts_of_agent(wanted, listing, limits), *_doubts_of_offer(wanted, candidate, limits))
    return replace(candidate, reason=next(iter(doubts), ACCEPTED))


def _tool(wanted: Requirement, listing: Listing) -> Tool | None:
    """The cheapest tool of the agent that does what is wanted."""
    fitting = [
        tool
        for tool in listing.tools
        if tool.capability == wanted.capability and wanted.action in (None, tool.name)
    ]
    return min(fitting, key=lambda tool: (tool.price_units, tool.name), default=None)


def _doubts_of_agent(wanted: Requirement, listing: Listing, limits: Limits) -> Iterator[str]:
    if wanted.agent_id not in (None, listing.agent_id):
        yield "another agent was asked for"
    if listing.reputation < wanted.select.min_reputation:
        yield "its reputation is below min_reputation"
    if not listing.is_active:
        yield "is not active"
    if not listing.is_on_chain:
        yield "its registration is not on the chain yet"
    if not _is_web_address(listing.endpoint):
        yield "its endpoint is no plain http address"
    if listing.endpoint.rstrip("/") == limits.own_endpoint.rstrip("/"):
        yield "is this coordinator itself"


def _doubts_of_offer(wanted: Requirement, candidate: Candidate, limits: Limits) -> Iterator[str]:
    price = candidate.price_units
    if not candidate.action:
        yield "offers no such action"
    elif not _ACTION.fullmatch(candidate.action):
        yield "its action has no usable name"
    if wanted.max_price_units is not None and price > wanted.max_price_units:
        yield "asks for more than max_price"
    if price > limits.budget_units:
        yield "asks for more than the budget"
    if price and candidate.owner.lower() in limits.own_accounts:
        yield "would be paid by itself"


def _is_web_address(endpoint: str) -> bool:
    """True for `http(s)://host[:port][/path]`, without user, query or fragment."""
    try:
        parts = urlsplit(endpoint)
        is_plain = parts.port != 0 and not (parts.query or parts.fragment or "@" in parts.netloc)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and is_plain and endpoint.isascii()
