"""Results that the checks find neither good nor bad: others may lift them above 0.8, and do nothing else.

The gates and checks come first, so that whoever is asked (a model may be behind it) pays for nothing that
they found bad, and takes nothing from what they found good. What is not lifted keeps the checks' score.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median_low
from typing import Any, cast

from mesh_coordinator.domain.quality import FULL_BPS, RELEASE_ABOVE_BPS, Check, Expectation, Report
from mesh_coordinator.domain.review import Review, Validators
from mesh_coordinator.domain.run import Approval
from mesh_coordinator.domain.selection import Candidate

BAND_FROM_BPS = 6_000
"""The band ends where paid work begins."""
_SAID = {Approval.APPROVED: FULL_BPS, Approval.DENIED: 0}


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a validator made of a result; `score_bps` is None when it said nothing of use, for `reason`."""

    agent_id: str
    score_bps: int | None
    reason: str = ""


def is_in_question(expected: Expectation, report: Report) -> bool:
    """True for a score from 0.6 to 0.8, both included, where somebody is to be asked about it."""
    is_between = BAND_FROM_BPS <= report.score_bps <= RELEASE_ABOVE_BPS
    return expected.review is not None and report.is_decided and is_between


def panel(
    validators: Validators, candidates: Iterable[Candidate], worker: Candidate
) -> tuple[Candidate, ...]:
    """Who is asked, best first: each has another owner, and none the worker's."""
    owners, asked = {worker.owner.lower()}, list[Candidate]()
    for one in candidates:
        if one.is_accepted and one.owner.lower() not in owners and len(asked) < validators.count:
            owners.add(one.owner.lower())
            asked.append(one)
    return tuple(asked)


def score_bps(answer: Any) -> int | None:
    """The score of `{"score": 0 to 1}` in hundredths of a percent; None for what is no such answer."""
    score: Any = cast("dict[str, Any]", answer).get("score") if isinstance(answer, dict) else None
    if not isinstance(score, int | float) or isinstance(score, bool) or not 0 <= score <= 1:
        return None
    return round(score * FULL_BPS)


def heard(report: Report, opinions: Iterable[Opinion]) -> Report:
    """The report with every opinion beside the checks, where it weighs nothing."""
    told = (
        Check(
            name=f"validator {one.agent_id}",
            matched=one.score_bps or 0,
            of=FULL_BPS,
            weight=0,
            detail=one.reason,
        )
        for one in opinions
    )
    return replace(report, checks=(*report.checks, *told))


def by_validators(report: Report, review: Review, opinions: Sequence[Opinion]) -> Report | None:
    """The report by their median, of two in the middle the lower; None when they are no quorum."""
    scores = [one.score_bps for one in opinions if one.score_bps is not None]
    if review.validators is None or len(scores) < review.validators.quorum:
        return None
    return _ruled(report, "validators", median_low(scores))


def by_person(report: Report, said: Approval, review: Review) -> Report:
    """The report by what a person said: approved is worth 1. By the default when they said nothing."""
    return _ruled(report, "person", _SAID[said]) if said in _SAID else by_default(report, review)


def by_default(report: Report, review: Review) -> Report:
    """The report when nobody has said anything: at the least that is paid, or as the checks have it."""
    return _ruled(report, "default", RELEASE_ABOVE_BPS + 1 if review.pays_by_default else 0)


def _ruled(report: Report, by: str, said_bps: int) -> Report:
    lifted = said_bps if said_bps > RELEASE_ABOVE_BPS else report.score_bps
    check = Check(name=by, matched=said_bps, of=FULL_BPS, weight=0)
    return replace(report, score_bps=lifted, checks=(*report.checks, check))
