"""Whether a result is what was asked for: a gate, then a weighted score, in exact arithmetic.

    score = gate · Σ weightᵢ · (matchedᵢ / ofᵢ) / Σ weightᵢ

The gate is the JSON Schema; the criteria are the assertions and the expected outcome. Without criteria the
gate alone decides. Work is paid when the score is strictly above 0.8, a rule that the contract enforces too.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any, cast

from mesh_coordinator.domain import json_schema, patterns
from mesh_coordinator.domain.attempt import Failure
from mesh_coordinator.domain.json_schema import IsLate
from mesh_coordinator.domain.patterns import Undecidable
from mesh_coordinator.domain.references import PointerMissing, at
from mesh_coordinator.domain.review import Review

FULL_BPS = 10_000
RELEASE_ABOVE_BPS = 8_000
"""`MeshEscrow.RELEASE_ABOVE_BPS`: a verdict to release needs more."""


class Op(StrEnum):
    """What an assertion demands of the value at its pointer."""

    EXISTS = "exists"
    EQUALS = "equals"
    MIN_LENGTH = "minLength"
    MAX_LENGTH = "maxLength"
    MIN = "min"
    MAX = "max"
    CONTAINS = "contains"
    MATCHES = "matches"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """A demand on one place of the result. Lengths count characters, items or members."""

    at: str
    op: Op
    value: Any = None
    weight: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a result is judged by, fixed in the escrow's terms before any money is locked.

    `outcome` lists members that the result must have, nested ones included; None expects nothing. `review`
    says who is asked about a score between 0.6 and 0.8; None is nobody: it is too little.
    """

    schema: dict[str, Any] | None = None
    assertions: tuple[Assertion, ...] = ()
    outcome: Any = None
    outcome_weight: int = 1
    review: Review | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One criterion and how much of it is met: `matched` of `of`; of weight 0 is what a review said."""

    name: str
    matched: int
    of: int = 1
    weight: int = 1
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The verdict on one result. `score_bps` is 0 to 10,000, rounded down.

    Undecided means that a check could not be carried out: nobody is paid, and nobody is blamed.
    """

    score_bps: int
    checks: tuple[Check, ...]
    is_decided: bool = True

    @property
    def is_good(self) -> bool:
        """True for work that is paid."""
        return self.is_decided and self.score_bps > RELEASE_ABOVE_BPS


def failing(report: Report) -> Failure | None:
    """The failure that a verdict amounts to; None for good work."""
    if not report.is_decided:
        return Failure.QUALITY_UNDECIDED
    return None if report.is_good else Failure.POOR_QUALITY


def judge(expected: Expectation, result: Any, is_late: IsLate) -> Report:
    """How well `result` meets `expected`. `is_late` bounds the work; a late check leaves it undecided."""
    try:
        gate = list(_gate(expected, result, is_late))
        criteria = list(_criteria(expected, result))
    except Undecidable as error:
        return Report(
            score_bps=0, checks=(Check(name="decidable", matched=0, detail=str(error)),), is_decided=False
        )
    is_open = all(check.matched for check in gate)
    return Report(score_bps=_score(criteria) if is_open else 0, checks=(*gate, *criteria))


def equal(one: Any, other: Any) -> bool:
    """Equality of JSON values: 1 and 1.0 are equal, 1 and true are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    match one, other:
        case dict(), dict():
            a, b = cast("dict[str, Any]", one), cast("dict[str, Any]", other)
            return a.keys() == b.keys() and all(equal(a[name], b[name]) for name in a)
        case list(), list():
            c, d = cast("list[Any]", one), cast("list[Any]", other)
            return len(c) == len(d) and all(map(equal, c, d))
        case _:
            return bool(one == other)


def value_fault(op: Op, value: Any) -> str | None:
    """What is wrong with the `value` of an assertion; None when it makes sense."""
    match op:
        case Op.MIN_LENGTH | Op.MAX_LENGTH:
            fits = isinstance(value, int) and not isinstance(value, bool) and value >= 0
            return None if fits else "a length is a whole number from 0"
        case Op.MIN | Op.MAX:
            return None if _is_number(value) else "a bound is a number"
        case Op.MATCHES:
            return patterns.fault(value)
        case Op.EXISTS | Op.EQUALS | Op.CONTAINS:
            return None


def _gate(expected: Expectation, result: Any, is_late: IsLate) -> Iterator[Check]:
    if expected.schema is not None:
        error = json_schema.first_error(expected.schema, result, is_late)
        yield Check(name="schema", matched=int(error is None), detail=error or "")


def _criteria(expected: Expectation, result: Any) -> Iterator[Check]:
    for assertion in expected.assertions:
        yield Check(
            name=f"{assertion.at or '/'} {assertion.op}",
            matched=int(_holds(assertion, result)),
            weight=assertion.weight,
        )
    if expected.outcome is not None:
        matched, of = _overlap(expected.outcome, result)
        yield Check(name="expectedOutcome", matched=matched, of=of, weight=expected.outcome_weight)


def _score(criteria: list[Check]) -> int:
    if not criteria:
        return FULL_BPS
    met = sum(Fraction(check.weight * check.matched, check.of) for check in criteria)
    return int(met / sum(check.weight for check in criteria) * FULL_BPS)


def _holds(assertion: Assertion, result: Any) -> bool:
    try:
        value = at(result, assertion.at)
    except PointerMissing:
        return False
    return _TESTS[assertion.op](value, assertion.value)


def _overlap(expected: Any, found: Any) -> tuple[int, int]:
    """How many leaves of `expected` are at their place in `found`, of how many."""
    if not isinstance(expected, dict) or not expected:
        return int(isinstance(found, dict) if expected == {} else equal(expected, found)), 1
    members = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    parts = [
        _overlap(value, members.get(name, _ABSENT))
        for name, value in cast("dict[str, Any]", expected).items()
    ]
    return sum(matched for matched, _ in parts), sum(of for _, of in parts)


_ABSENT = object()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _length(value: Any) -> int:
    """Characters, items or members; -1 for what has no length."""
    return len(cast("Mapping[str, Any]", value)) if isinstance(value, str | list | dict) else -1


def _contains(value: Any, wanted: Any) -> bool:
    match value:
        case str():
            return isinstance(wanted, str) and wanted in value
        case list():
            return any(equal(item, wanted) for item in cast("list[Any]", value))
        case dict():
            return isinstance(wanted, str) and wanted in value
        case _:
            return False


_TESTS: Mapping[Op, Callable[[Any, Any], bool]] = {
    Op.EXISTS: lambda value, _: True,
    Op.EQUALS: equal,
    Op.MIN_LENGTH: lambda value, bound: _length(value) >= bound,
    Op.MAX_LENGTH: lambda value, bound: 0 <= _length(value) <= bound,
    Op.MIN: lambda value, bound: _is_number(value) and value >= bound,
    Op.MAX: lambda value, bound: _is_number(value) and value <= bound,
    Op.CONTAINS: _contains,
    Op.MATCHES: lambda value, pattern: isinstance(value, str) and patterns.found(pattern, value),
}
