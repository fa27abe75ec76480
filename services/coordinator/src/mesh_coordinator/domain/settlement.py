"""What to make of the chain's word: a transaction's outcome is a hint, the contract's state is the truth.

A transaction whose outcome is unknown is never simply repeated: the escrow is read first. Repeating is then
safe, because the contract opens, submits and settles each escrow once and takes the same wish again as done.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mesh_shared.canonical import json_hash

from mesh_coordinator.domain.attempt import ENDED, Happening, Outcome, State
from mesh_coordinator.domain.quality import RELEASE_ABOVE_BPS

NO_RESULT = "0x" + "00" * 32
"""The result hash of an escrow into which nothing was handed in."""


class EscrowState(StrEnum):
    """The states of `MeshEscrow`, in its order."""

    NONE = "none"
    FUNDED = "funded"
    SUBMITTED = "submitted"
    DISPUTED = "disputed"
    RELEASED = "released"
    REFUNDED = "refunded"


class Sent(StrEnum):
    """What became of our transaction."""

    EFFECTIVE = "effective"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Next(StrEnum):
    """What to do when the chain has not moved the attempt on."""

    WAIT = "wait"
    REPEAT = "repeat"
    FORCE = "force"
    """End the escrow in whichever way the contract takes now: by verdict, or by deadline as anyone may."""


class Agreement(StrEnum):
    """How our record of an escrow stands to the contract's."""

    AGREES = "agrees"
    CORRECTED = "corrected"
    """It did not, and does now."""
    PENDING = "pending"
    """A transaction of ours is on its way, or our next step will find what the chain says."""
    UNKNOWN = "unknown"
    """The outcome of our transaction is unknown, and the contract shows no effect of it (yet)."""
    FOREIGN = "foreign"
    """The escrow is not ours."""


class Wish(StrEnum):
    """How we want an escrow to end; the values of the contract's `Outcome`, in its order."""

    RELEASE = "release"
    REFUND = "refund"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What payer and provider agree on; the escrow's id is a hash of it all.

    Amount in base units of `token`; deadlines in Unix seconds; hashes and salt 32 bytes in hex.
    """

    provider: str
    token: str
    amount_units: int
    evaluator: str
    terms_hash: str
    submit_by: int
    review_by: int
    salt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Escrow:
    """An escrow as the contract holds it."""

    state: EscrowState
    payer: str
    provider: str
    token: str
    amount_units: int
    evaluator: str
    terms_hash: str
    result_hash: str
    score_bps: int
    submit_by: int
    review_by: int
    default_outcome: Wish


def after_open(sent: Sent, state: EscrowState) -> Happening | Next:
    """Whether the money is locked. Only what was refused, and left no trace, was not opened."""
    if state is not EscrowState.NONE:
        return Happening.OPENED
    return Happening.NOT_OPENED if sent is Sent.REFUSED else _again(sent)


def after_submit(sent: Sent, held_hash: str, result_hash: str) -> Happening | Next:
    """Whether the contract holds the result that was delivered to us, whoever handed it in; hashes in hex.

    A provider can hand in something else than it delivered: then that is no delivery.
    """
    if held_hash == result_hash:
        return Happening.SUBMITTED
    if held_hash != NO_RESULT or sent is Sent.REFUSED:
        return Happening.NOT_SUBMITTED
    return _again(sent)


def after_settle(sent: Sent, state: EscrowState) -> Happening | Next:
    """How the escrow ended, or how to end it: when the verdict came too late, the deadline rules."""
    if state is EscrowState.RELEASED:
        return Happening.RELEASED
    if state is EscrowState.REFUNDED:
        return Happening.REFUNDED
    return Next.FORCE if sent is Sent.REFUSED else _again(sent)


OUTCOMES = {EscrowState.RELEASED: Outcome.SUCCESS, EscrowState.REFUNDED: Outcome.REFUNDED}


def proven(state: State, escrow: Escrow, result_hash: str) -> Happening | None:
    """What the contract alone proves of an attempt in `state`, whatever became of our transaction."""
    match state:
        case State.OPENING:
            seen = after_open(Sent.EFFECTIVE, escrow.state)
        case State.SUBMITTING:
            seen = after_submit(Sent.EFFECTIVE, escrow.result_hash, result_hash)
        case State.SETTLING:
            seen = after_settle(Sent.EFFECTIVE, escrow.state)
        case _:
            return None
    return seen if isinstance(seen, Happening) else None


def contradicts(outcome: str | None, state: EscrowState) -> bool:
    """True when an attempt was booked with the ending that the escrow does not have."""
    return outcome is not None and state in OUTCOMES and OUTCOMES[state] != outcome


def agrees(state: State, outcome: str | None, escrow: EscrowState) -> bool:
    """True when the escrow is where an attempt in `state` takes it to be."""
    match state:
        case State.RESERVING:
            return escrow is EscrowState.NONE
        case State.FUNDED | State.INVOKING | State.DELIVERED:
            return escrow in (EscrowState.FUNDED, EscrowState.SUBMITTED)
        case State.REVIEWING | State.AWAITING:
            return escrow is EscrowState.SUBMITTED
        case State.OPENING | State.SUBMITTING | State.SETTLING:
            return False
        case _:
            never_opened = state in ENDED and escrow is EscrowState.NONE and outcome == Outcome.REFUNDED
            return never_opened or (escrow in OUTCOMES and OUTCOMES[escrow] == outcome)


def result_hash(delivery: dict[str, Any] | None) -> str:
    """Keccak-256 of the delivered result's canonical JSON, in hex; `NO_RESULT` without one."""
    return NO_RESULT if delivery is None else "0x" + json_hash(delivery["result"]).hex()


def after_rating(sent: Sent, *, is_repeated: bool) -> Happening | Next:
    """Whether the agent is rated. The contract takes one per escrow: it refuses a repeated one as given."""
    if sent is Sent.UNKNOWN:
        return Next.REPEAT
    return Happening.RATED if sent is Sent.EFFECTIVE or is_repeated else Happening.UNRATED


def _again(sent: Sent) -> Next:
    """The node that we ask may lag behind the one that mined it."""
    return Next.WAIT if sent is Sent.EFFECTIVE else Next.REPEAT


def is_affordable(price_units: int, *, limit_units: int, spent_units: int) -> bool:
    """True while the price fits the budget once everything that is only reserved comes back."""
    return spent_units + price_units <= limit_units


def terms_document(quality: Any, action: str, parameters_hash: str) -> dict[str, Any]:
    """What `termsHash` is the hash of; `parameters_hash` is that of the canonical parameters, in hex."""
    return {
        "action": action,
        "parametersHash": parameters_hash,
        "quality": quality,
        "releaseAboveBps": RELEASE_ABOVE_BPS,
    }
