"""What to make of the chain's word. A transaction's outcome is a hint; what the escrow contract holds is the truth.

A transaction whose outcome is unknown is never simply repeated: the escrow is read first. Repeating is then safe,
because the contract opens, submits and settles each escrow once and takes the same wish again as done.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from mesh_coordinator.domain.attempt import Happening


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
    CLAIM = "claim"
    """End the escrow by its deadline, which anyone may do."""


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


_HANDED_IN = frozenset(
    {EscrowState.SUBMITTED, EscrowState.DISPUTED, EscrowState.RELEASED, EscrowState.REFUNDED}
)


def after_open(sent: Sent, escrow: EscrowState) -> Happening | Next:
    """Whether the money is locked. Only what was never sent, or reverted, and left no trace, was not opened."""
    if escrow is not EscrowState.NONE:
        return Happening.OPENED
    return Happening.NOT_OPENED if sent is Sent.REFUSED else _again(sent)


def after_submit(sent: Sent, escrow: EscrowState) -> Happening | Next:
    """Whether the result counts as handed in; a refused one is settled by a refund."""
    if escrow in _HANDED_IN or sent is Sent.REFUSED:
        return Happening.SUBMITTED
    return _again(sent)


def after_settle(sent: Sent, escrow: Escrow, now: datetime) -> Happening | Next:
    """How the escrow ended, or what ends it: a verdict that came too late is followed by the deadline's rule."""
    if escrow.state is EscrowState.RELEASED:
        return Happening.RELEASED
    if escrow.state is EscrowState.REFUNDED:
        return Happening.REFUNDED
    if sent is not Sent.REFUSED:
        return _again(sent)
    deadline = escrow.submit_by if escrow.state is EscrowState.FUNDED else escrow.review_by
    return Next.CLAIM if now.timestamp() > deadline else Next.WAIT


def after_rating(sent: Sent) -> Happening | Next:
    """The contract takes one rating per escrow, so a refused one is given already, or never will be."""
    return Next.REPEAT if sent is Sent.UNKNOWN else Happening.RATED


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
        "releaseAboveBps": 8000,
    }
