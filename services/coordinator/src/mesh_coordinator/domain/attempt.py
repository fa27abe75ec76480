"""The life of one attempt: one agent, one key, at most one escrow. Every way through it ends.

    (free) ─────────────────────────────▶ invoking ───▶ delivered ──▶ closed
    (paid)                                 ▲    │ failed     │ signed
      ▼                                    │    ▼            ▼
    reserving ──▶ opening ──▶ funded ──────┘ settling ◀── submitting
                                │ withdrawn     ▲ │
                                └───────────────┘ ▼
                               rated ◀── released | refunded ──▶ closed

What is paid by the ledger is held there, and settled in one commit, without the chain:

    reserving ── held ──▶ funded ── … ──▶ settling ──▶ released | refunded ──▶ closed

A result that the checks find neither good nor bad is reviewed, where the plan says so:

    delivered | submitting ── doubted ──▶ reviewing ── unruled ──▶ awaiting ── ruled ──▶ settling | closed

An agent that is free by its listing and wants money all the same (x402) is paid in advance, or left:

    invoking ── charged ──▶ paying ── answered ──▶ clearing ── taken | lapsed ──▶ closed

`NEXT` is the whole machine. It has no circle, so an attempt takes fewer transitions than there are states.
"""

from collections.abc import Mapping
from enum import StrEnum
from uuid import UUID

from mesh_shared.canonical import json_hash


class State(StrEnum):
    """Where an attempt is; each state says what has to be done next, and can be done again."""

    RESERVING = "reserving"
    OPENING = "opening"
    FUNDED = "funded"
    INVOKING = "invoking"
    PAYING = "paying"
    CLEARING = "clearing"
    DELIVERED = "delivered"
    SUBMITTING = "submitting"
    REVIEWING = "reviewing"
    AWAITING = "awaiting"
    SETTLING = "settling"
    RELEASED = "released"
    REFUNDED = "refunded"
    RATED = "rated"
    CLOSED = "closed"


class Happening(StrEnum):
    """What moves an attempt on."""

    RESERVED = "reserved"
    HELD = "held"
    OPENED = "opened"
    NOT_OPENED = "not-opened"
    CALLED = "called"
    CHARGED = "charged"
    ANSWERED = "answered"
    TAKEN = "taken"
    LAPSED = "lapsed"
    DELIVERED = "delivered"
    CALL_FAILED = "call-failed"
    NOTHING_OWED = "nothing-owed"
    SIGNED = "signed"
    UNSIGNED = "unsigned"
    SUBMITTED = "submitted"
    NOT_SUBMITTED = "not-submitted"
    DOUBTED = "doubted"
    UNRULED = "unruled"
    RULED = "ruled"
    RELEASED = "released"
    REFUNDED = "refunded"
    RATED = "rated"
    UNRATED = "unrated"
    WITHDRAWN = "withdrawn"
    UNAFFORDABLE = "unaffordable"


class Outcome(StrEnum):
    """How an attempt ends in money's terms.

    Refunded: the payer has, or kept, its money. Forfeited: what was paid in advance came to nothing.
    """

    SUCCESS = "success"
    REFUNDED = "refunded"
    FORFEITED = "forfeited"


class Failure(StrEnum):
    """Why an attempt was not a success."""

    UNREACHABLE = "unreachable"
    ADDRESS_REFUSED = "address-refused"
    NOT_LET_THROUGH = "not-let-through"
    TIMED_OUT = "timed-out"
    REDIRECTED = "redirected"
    BAD_STATUS = "bad-status"
    ANSWER_TOO_LARGE = "answer-too-large"
    ANSWER_NOT_JSON = "answer-not-json"
    ANSWER_MALFORMED = "answer-malformed"
    ACTION_FAILED = "action-failed"
    NOTHING_DELIVERED = "nothing-delivered"
    DELIVERY_UNSIGNED = "delivery-unsigned"
    DELIVERY_REFUSED = "delivery-refused"
    HANDED_IN_LATE = "handed-in-late"
    PRICE_REFUSED = "price-refused"
    POOR_QUALITY = "poor-quality"
    QUALITY_UNDECIDED = "quality-undecided"
    BUDGET_EXHAUSTED = "budget-exhausted"
    ESCROW_NOT_OPENED = "escrow-not-opened"
    NOT_CALLED_IN_TIME = "not-called-in-time"
    WITHDRAWN = "withdrawn"

    @property
    def is_the_agents(self) -> bool:
        """True when the agent answers for it, so that it is rated for it."""
        return self not in _NOT_THE_AGENTS


_NOT_THE_AGENTS = frozenset(
    {
        Failure.NOT_LET_THROUGH,
        Failure.QUALITY_UNDECIDED,
        Failure.BUDGET_EXHAUSTED,
        Failure.ESCROW_NOT_OPENED,
        Failure.HANDED_IN_LATE,
        Failure.NOT_CALLED_IN_TIME,
        Failure.WITHDRAWN,
    }
)

NEXT: Mapping[State, Mapping[Happening, State]] = {
    State.RESERVING: {
        Happening.RESERVED: State.OPENING,
        Happening.HELD: State.FUNDED,
        Happening.UNAFFORDABLE: State.CLOSED,
        Happening.WITHDRAWN: State.CLOSED,
    },
    State.OPENING: {Happening.OPENED: State.FUNDED, Happening.NOT_OPENED: State.CLOSED},
    State.FUNDED: {Happening.CALLED: State.INVOKING, Happening.WITHDRAWN: State.SETTLING},
    State.INVOKING: {
        Happening.DELIVERED: State.DELIVERED,
        Happening.CALL_FAILED: State.SETTLING,
        Happening.CHARGED: State.PAYING,
        Happening.NOTHING_OWED: State.CLOSED,
    },
    State.PAYING: {Happening.ANSWERED: State.CLEARING},
    State.CLEARING: {Happening.TAKEN: State.CLOSED, Happening.LAPSED: State.CLOSED},
    State.DELIVERED: {
        Happening.NOTHING_OWED: State.CLOSED,
        Happening.SIGNED: State.SUBMITTING,
        Happening.UNSIGNED: State.SETTLING,
        Happening.SUBMITTED: State.SETTLING,
        Happening.DOUBTED: State.REVIEWING,
    },
    State.SUBMITTING: {
        Happening.SUBMITTED: State.SETTLING,
        Happening.NOT_SUBMITTED: State.SETTLING,
        Happening.DOUBTED: State.REVIEWING,
    },
    State.REVIEWING: {
        Happening.RULED: State.SETTLING,
        Happening.NOTHING_OWED: State.CLOSED,
        Happening.UNRULED: State.AWAITING,
    },
    State.AWAITING: {Happening.RULED: State.SETTLING, Happening.NOTHING_OWED: State.CLOSED},
    State.SETTLING: {Happening.RELEASED: State.RELEASED, Happening.REFUNDED: State.REFUNDED},
    State.RELEASED: {Happening.RATED: State.RATED, Happening.UNRATED: State.CLOSED},
    State.REFUNDED: {Happening.RATED: State.RATED, Happening.UNRATED: State.CLOSED},
    State.RATED: {},
    State.CLOSED: {},
}

ENDED = frozenset(state for state, ways in NEXT.items() if not ways)
"""Nothing is left to do."""
OPEN = frozenset(State) - ENDED
"""Something is."""
DECIDED = ENDED | {State.RELEASED, State.REFUNDED}
"""Whether it was a success is known, and no money of it is locked."""


def first(price_units: int) -> State:
    """Where an attempt begins: who works for nothing is called, for others money is set aside."""
    return State.RESERVING if price_units else State.INVOKING


def salt(run_id: UUID, step_id: str, number: int) -> str:
    """32 bytes in hex that are this attempt's alone, for every replica and after every crash.

    Its escrow and its advance are known by it, so that the chain takes each of them once.
    """
    return "0x" + json_hash([str(run_id), step_id, number]).hex()


def after(state: State, happening: Happening) -> State:
    """The state that follows. Raises `KeyError` for what cannot happen in `state`."""
    return NEXT[state][happening]
