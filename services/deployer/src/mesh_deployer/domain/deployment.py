"""A deployment's life: every state it can be in, and what leads from one to the next.

    created -> open -> chosen -> leased -> active
     | ^        | ^------'|       | |        | |       (a lost bid goes back to open)
     | '--------'---------'-------'-|--------' |       (a lost lease goes back to created)
     '----------'----> closing <----'----------'      (an update goes from active back to leased)
                          '-> closed | failed

A state names what is already true, so it is also the intent of the next step: `chosen` means that the
market is about to be asked for the lease. Each step is repeated after a crash, and the market takes it as
done. No state but `active`, `closing` and the ends lasts longer than its deadline.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal
from uuid import UUID

from mesh_deployer.domain.choice import Choice
from mesh_deployer.domain.funds import Funds
from mesh_deployer.domain.market import (
    Bid,
    BidId,
    CloseReason,
    Declined,
    ScoredBid,
    Terms,
    tally,
    uact_per_block,
)
from mesh_deployer.domain.security import SecurityProfile
from mesh_deployer.domain.workload import Shape

Backend = Literal["simulated", "docker", "akash-chain", "akash-console"]


class State(StrEnum):
    """Where a deployment is."""

    CREATED = "created"
    OPEN = "open"
    CHOSEN = "chosen"
    LEASED = "leased"
    ACTIVE = "active"
    CLOSING = "closing"
    CLOSED = "closed"
    FAILED = "failed"


MAX_STEPS = 200
"""How much of its history a deployment keeps."""
MAX_ORDERS = 4
"""How often providers are asked for bids before a deployment whose leases are closed gives up."""
ENDED = frozenset({State.CLOSED, State.FAILED})
SETTLED = ENDED | {State.ACTIVE}
"""States that last."""

_NEXT: Mapping[State, frozenset[State]] = {
    State.CREATED: frozenset({State.OPEN, State.CLOSING}),
    State.OPEN: frozenset({State.CHOSEN, State.CREATED, State.CLOSING}),
    State.CHOSEN: frozenset({State.LEASED, State.OPEN, State.CREATED, State.CLOSING}),
    State.LEASED: frozenset({State.ACTIVE, State.CREATED, State.CLOSING}),
    State.ACTIVE: frozenset({State.LEASED, State.CREATED, State.CLOSING}),
    State.CLOSING: ENDED,
    State.CLOSED: frozenset(),
    State.FAILED: frozenset(),
}


class IllegalTransition(ValueError):
    """A bug: the deployment cannot go there from where it is."""

    def __init__(self, current: State, target: State) -> None:
        super().__init__(f"{current} -> {target}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to run placement `gseq` on a provider; at `provider_uri` the provider is asked about it."""

    lease_id: str
    provider_uri: str
    gseq: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One entry of a deployment's history."""

    at: datetime
    state: State
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Why it ends: `code` is None when its owner closed it, else the stable name of what failed."""

    code: str | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Seconds: how long bids are gathered, when to give up on a bid, and when on a start."""

    bid_window_s: float
    bid_s: float
    start_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What a deployment ran before an update."""

    sdl: str
    version_hash: str
    security: SecurityProfile | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One SDL on its way to a provider and back.

    `chosen` and `leases` have one for each placement, by number; before it is leased, only those of
    placements whose lease goes on while others are bid for anew. `revision` counts its changes, `traceparent`
    is the trace of whoever asked for it (W3C Trace Context). `lost` are the bids and leases whose provider is
    out for their placement. `deposit_uact` is what is locked, `deposit_goal_uact` what is to be when it is
    more, `top_up_to_uact` how far it may be raised by itself, None for not at all. `replaces` is the
    deployment that is closed once this one runs, `replaced_by` the one that is to take its place.
    `unready_since` is when replicas were found missing, None while all are there. `fail_overs` counts how
    often it was begun elsewhere by itself, None for one that stays where it is.
    """

    id: UUID
    owner: str
    request_digest: str
    provider: Backend
    provider_reason: str
    sdl: str
    version_hash: str
    shape: Shape
    terms: Terms
    deposit_uact: int
    deadlines: Deadlines
    created_at: datetime
    traceparent: str | None = None
    state: State = State.CREATED
    revision: int = 1
    bids: tuple[ScoredBid, ...] = ()
    declined: tuple[Declined, ...] = ()
    chosen: tuple[Bid, ...] = ()
    lost: tuple[BidId, ...] = ()
    order_number: int = 1
    leases: tuple[Lease, ...] = ()
    uris: tuple[str, ...] = ()
    ending: Ending | None = None
    refunded_uact: int | None = None
    close_reason: CloseReason | None = None
    history: tuple[Step, ...] = ()
    security: SecurityProfile | None = None
    former: Version | None = None
    leased_at: datetime | None = None
    deposit_goal_uact: int = 0
    top_up_to_uact: int | None = None
    replaces: UUID | None = None
    replaced_by: UUID | None = None
    unready_since: datetime | None = None
    fail_overs: int | None = None

    @property
    def uact_per_block(self) -> Decimal | None:
        """What all of it costs; None while no bid is chosen."""
        return uact_per_block(self.chosen)

    @property
    def kept(self) -> frozenset[int]:
        """The placements whose lease goes on."""
        return frozenset(lease.gseq for lease in self.leases)

    @property
    def explanation(self) -> str:
        """The last thing that happened, in a sentence."""
        return self.history[-1].note if self.history else "Accepted."

    @property
    def since(self) -> datetime:
        """When it came into its present state."""
        return self.history[-1].at if self.history else self.created_at

    def funds(self, block_time_s: Decimal) -> Funds | None:
        """How long its deposit lasts; None without a lease."""
        price = self.uact_per_block
        if self.leased_at is None or price is None:
            return None
        return Funds(
            deposit_uact=self.deposit_uact,
            uact_per_block=price,
            since=self.leased_at,
            block_time_s=block_time_s,
        )

    def has_gathered(self, now: datetime) -> bool:
        """True when bids were gathered for as long as they should be."""
        return now >= self.since + timedelta(seconds=self.deadlines.bid_window_s)

    def opened(self, now: datetime) -> "Deployment":
        """The market has the order. Raises `IllegalTransition`."""
        return self._to(State.OPEN, now, "The order is open; waiting for bids.")

    def saw(self, choice: Choice, declined: tuple[Declined, ...]) -> "Deployment":
        """The same state with the bids as they are now."""
        rows = (*(row for row in self.bids if row.bid.gseq in self.kept), *choice.table)
        table = tuple(sorted(rows, key=lambda row: row.bid.gseq))
        if (self.bids, self.declined) == (table, declined):
            return self
        return replace(self, bids=table, declined=declined, revision=self.revision + 1)

    def chose(self, bids: Collection[Bid], now: datetime) -> "Deployment":
        """`bids` are about to be accepted, all or none. Raises `IllegalTransition`."""
        rows = [row for row in self.bids if row.bid in bids]
        note = " ".join(
            f"{row.bid.provider} bids {row.bid.uact_per_block} uact per block: {row.reason}" for row in rows
        )
        chosen = sorted((*self._keeping(self.kept).chosen, *bids), key=lambda bid: bid.gseq)
        return replace(self._to(State.CHOSEN, now, note), chosen=tuple(chosen))

    def lost_bid(self, bid: BidId, now: datetime) -> "Deployment":
        """An accepted bid was gone, and nothing was leased. Raises `IllegalTransition`."""
        gseq, provider = bid
        changed = self._to(State.OPEN, now, f"The bid of {provider} was gone; choosing again.")
        return replace(changed._keeping(self.kept - {gseq}), lost=(*self.lost, bid))

    def got_leases(self, leases: Collection[Lease], now: datetime) -> "Deployment":
        """A provider is bound to every placement. Raises `IllegalTransition`."""
        new = ", ".join(lease.lease_id for lease in leases if lease not in self.leases)
        changed = self._to(State.LEASED, now, f"Lease {new}; sending the manifest.")
        return replace(changed, leases=tuple(leases), leased_at=self.leased_at or now)

    def lost_leases(
        self, code: str, text: str, lost: Collection[BidId], gseqs: Collection[int], now: datetime
    ) -> "Deployment":
        """Providers have closed leases: bids are asked for anew, or it ends when that was done often.

        The leases of other placements than `gseqs` go on. Raises `IllegalTransition`.
        """
        if self.order_number >= MAX_ORDERS:
            return self.failing(code, text, now)
        changed = self._to(State.CREATED, now, f"{text} Asking for bids once more.")
        return replace(
            changed._keeping(self.kept.difference(gseqs)),
            lost=(*self.lost, *lost),
            order_number=self.order_number + 1,
            uris=(),
        )

    def running(self, uris: tuple[str, ...], note: str, now: datetime) -> "Deployment":
        """The workload runs. Raises `IllegalTransition`."""
        return replace(self._to(State.ACTIVE, now, note), uris=uris, former=None)

    def updated(
        self, sdl: str, version_hash: str, security: SecurityProfile | None, now: datetime
    ) -> "Deployment":
        """Another manifest is about to be sent. Raises `IllegalTransition`."""
        changed = self._to(State.LEASED, now, f"Updating to {version_hash[:12]}; sending the manifest.")
        former = Version(sdl=self.sdl, version_hash=self.version_hash, security=self.security)
        return replace(changed, sdl=sdl, version_hash=version_hash, security=security, former=former)

    def seen(self, is_ready: bool, uris: tuple[str, ...], now: datetime) -> "Deployment":
        """All of its replicas are there, at `uris`, or some are not; unchanged when that is known."""
        if is_ready and uris != self.uris:
            return replace(self, uris=uris, revision=self.revision + 1).seen(is_ready, uris, now)
        if is_ready is (self.unready_since is None):
            return self
        note = "All replicas are there again." if is_ready else "Not all replicas are there."
        return replace(self._noted(self.state, now, note), unready_since=None if is_ready else now)

    def funded(self, goal_uact: int, top_up_to_uact: int | None) -> "Deployment":
        """Its owner wants so much of a deposit, and lets it be raised so far; unchanged when that is so."""
        goal = max(goal_uact, self.deposit_goal_uact)
        wanted = replace(self, deposit_goal_uact=goal, top_up_to_uact=top_up_to_uact)
        return self if wanted == self else replace(wanted, revision=self.revision + 1)

    def raised(self, now: datetime, block_time_s: Decimal) -> "Deployment":
        """A higher goal for its deposit when that runs out soon and may be raised; else unchanged."""
        funds, most = self.funds(block_time_s), self.top_up_to_uact
        if funds is None or most is None or self.deposit_goal_uact > self.deposit_uact:
            return self
        goal = funds.raised_uact(now, most)
        return self if goal is None else replace(self, deposit_goal_uact=goal, revision=self.revision + 1)

    def deposited(self, now: datetime) -> "Deployment":
        """The market has all of the goal."""
        note = f"The deposit was raised to {self.deposit_goal_uact} uact."
        return replace(self._noted(self.state, now, note), deposit_uact=self.deposit_goal_uact)

    def not_started(self, code: str, text: str, now: datetime) -> "Deployment":
        """What was sent does not run: the version before is sent again, or it ends when there is none.

        Raises `IllegalTransition`.
        """
        if (former := self.former) is None:
            return self.failing(code, text, now)
        changed = self._noted(State.LEASED, now, f"{text} Back to {former.version_hash[:12]}.")
        return replace(
            changed,
            sdl=former.sdl,
            version_hash=former.version_hash,
            security=former.security,
            former=None,
        )

    def failing(self, code: str, text: str, now: datetime) -> "Deployment":
        """It cannot go on; the order is about to be closed. Raises `IllegalTransition`."""
        return replace(self._to(State.CLOSING, now, text), ending=Ending(code=code, text=text))

    def without_bid(self, now: datetime) -> "Deployment":
        """No bid can be accepted; the order is about to be closed. Raises `IllegalTransition`."""
        text = "; ".join(self._refusals())
        return self.failing("no-acceptable-bid", f"{text}.", now)

    def _refusals(self) -> Iterator[str]:
        """A sentence for each placement that nobody is to run."""
        for gseq, placement in enumerate(self.terms.placements, 1):
            bids = [row for row in self.bids if row.bid.gseq == gseq]
            if any(row.accepted for row in bids):
                continue
            declined = [one for one in self.declined if one.gseq == gseq]
            causes = ", ".join(f"{n} {cause}" for cause, n in tally(bids, declined).items())
            text = f"None of {len(bids)} bid(s) met the terms; {len(declined)} did not bid"
            text = f"{text}: {causes}" if causes else text
            yield text if len(self.terms.placements) == 1 else f"{placement.name}: {text}"

    def in_time(self, now: datetime) -> "Deployment":
        """Unchanged until the deadline of its state, then about to be closed as failed."""
        limit_s = self.deadlines.start_s if self.state is State.LEASED else self.deadlines.bid_s
        if self.state in SETTLED | {State.CLOSING} or now < self.since + timedelta(seconds=limit_s):
            return self
        if self.state is State.OPEN:
            return self.without_bid(now)
        if self.state is State.LEASED:
            return self.not_started("manifest-timeout", "The workload did not start in time.", now)
        return self.failing("market-timeout", "The market did not answer in time.", now)

    def closing(self, now: datetime) -> "Deployment":
        """Its owner wants it closed; unchanged when it is closing or ended already."""
        if self.state is State.CLOSING or self.state in ENDED:
            return self
        text = "Closed by its owner."
        return replace(self._to(State.CLOSING, now, text), ending=Ending(code=None, text=text))

    def replaced(self, by: UUID, now: datetime) -> "Deployment":
        """Another one runs in its place; unchanged when it is closing or ended already."""
        if self.state is State.CLOSING or self.state in ENDED:
            return self
        text = f"Replaced by {by}."
        return replace(self._to(State.CLOSING, now, text), ending=Ending(code=None, text=text))

    def ended(self, spent_uact: int, now: datetime, reason: CloseReason | None = None) -> "Deployment":
        """The order is closed, and what was not spent is back; `reason` is why in the market's words.

        The market may have closed it before its owner did, and says so then. Raises `IllegalTransition`.
        """
        failed = self.ending is not None and self.ending.code is not None
        text = self.ending.text if self.ending else "Closed."
        if not failed and reason not in (None, CloseReason.OWNER):
            text = f"{text} The market had closed it before: {reason}."
        changed = self._to(State.FAILED if failed else State.CLOSED, now, text)
        # a raise that was not heard of has come through when more was spent than was known of
        paid_in = self.deposit_goal_uact if spent_uact > self.deposit_uact else self.deposit_uact
        return replace(changed, refunded_uact=max(0, paid_in - spent_uact), uris=(), close_reason=reason)

    def _keeping(self, gseqs: Collection[int]) -> "Deployment":
        """Without what is chosen and leased for other placements."""
        return replace(
            self,
            chosen=tuple(bid for bid in self.chosen if bid.gseq in gseqs),
            leases=tuple(lease for lease in self.leases if lease.gseq in gseqs),
        )

    def _to(self, target: State, now: datetime, note: str) -> "Deployment":
        if target not in _NEXT[self.state]:
            raise IllegalTransition(self.state, target)
        return self._noted(target, now, note)

    def _noted(self, target: State, now: datetime, note: str) -> "Deployment":
        history = (*self.history, Step(at=now, state=target, note=note))[-MAX_STEPS:]
        return replace(self, state=target, revision=self.revision + 1, history=history)
