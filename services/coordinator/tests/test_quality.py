"""The verdict: what a result is worth, exactly, and what is paid for."""

import sys
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_coordinator.domain import quality
from mesh_coordinator.domain.attempt import Failure
from mesh_coordinator.domain.quality import Assertion, Expectation, Op, Report, judge


def never() -> bool:
    return False


def score(result: Any, **expected: Any) -> int:
    return judge(Expectation(**expected), result, never).score_bps


def holds(op: Op, value: Any, result: Any, at: str = "") -> bool:
    return score(result, assertions=(Assertion(at=at, op=op, value=value),)) == quality.FULL_BPS


def parts(matched: int, of: int) -> tuple[Assertion, ...]:
    """`of` assertions of which the first `matched` hold for any result."""
    kept = Assertion(at="", op=Op.EXISTS)
    broken = Assertion(at="/nowhere", op=Op.EXISTS)
    return (*[kept] * matched, *[broken] * (of - matched))


def test_without_an_expectation_whatever_was_delivered_is_good():
    report = judge(Expectation(), {"anything": 1}, never)

    assert (report.score_bps, report.is_good, report.checks) == (10_000, True, ())


@pytest.mark.parametrize(
    ("matched", "of", "is_paid"),
    [
        (4, 5, False),
        (5, 5, True),
        (8, 10, False),
        (9, 10, True),
        (41, 50, True),
        (40, 50, False),
        (0, 3, False),
    ],
)
def test_work_is_paid_strictly_above_four_fifths(matched: int, of: int, is_paid: bool):
    report = judge(Expectation(assertions=parts(matched, of)), {}, never)

    assert report.is_good is is_paid


def test_a_score_of_exactly_four_fifths_is_poor_however_it_comes_about():
    thirds = tuple(Assertion(at=at, op=Op.EXISTS, weight=weight) for at, weight in (("", 4), ("/x", 1)))

    report = judge(Expectation(assertions=thirds), {}, never)

    assert (report.score_bps, report.is_good) == (8_000, False)
    assert quality.failing(report) is Failure.POOR_QUALITY


def test_scores_are_rounded_down():
    assert score({}, assertions=parts(2, 3)) == 6_666


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 100)), min_size=1, max_size=50))
def test_the_score_is_the_exact_weighted_share(criteria: list[tuple[bool, int]]):
    assertions = tuple(
        Assertion(at="" if is_met else "/nowhere", op=Op.EXISTS, weight=weight) for is_met, weight in criteria
    )
    met = sum(weight for is_met, weight in criteria if is_met)

    expected = Fraction(met, sum(weight for _, weight in criteria)) * 10_000

    assert score({}, assertions=assertions) == int(expected)


def test_the_schema_is_a_gate_that_no_criterion_outweighs():
    schema = {"type": "object", "required": ["summary"]}

    report = judge(Expectation(schema=schema, assertions=parts(5, 5)), {"text": "x"}, never)

    assert report.score_bps == 0
    assert (report.checks[0].name, report.checks[0].matched) == ("schema", 0)
    assert "summary" in report.checks[0].detail


def test_the_report_names_every_criterion_and_how_much_of_it_is_met():
    assertions = (Assertion(at="/summary", op=Op.MIN_LENGTH, value=3, weight=2),)

    report = judge(
        Expectation(assertions=assertions, outcome={"a": 1, "b": 2}), {"summary": "ab", "a": 1}, never
    )

    assert [(check.name, check.matched, check.of, check.weight) for check in report.checks] == [
        ("/summary minLength", 0, 1, 2),
        ("expectedOutcome", 1, 2, 1),
    ]


@pytest.mark.parametrize(
    ("outcome", "result", "bps"),
    [
        ({"a": 1}, {"a": 1, "more": True}, 10_000),
        ({"a": 1, "b": 2}, {"a": 1}, 5_000),
        ({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 1}, "d": 3}, 6_666),
        ({"a": {"b": 1}}, {"a": 7}, 0),
        ({"a": None}, {}, 0),
        ({"a": None}, {"a": None}, 10_000),
        ({"a": [1, 2]}, {"a": [1, 2]}, 10_000),
        ({"a": [1, 2]}, {"a": [2, 1]}, 0),
        ({}, {"x": 1}, 10_000),
        ({}, [], 0),
        ("done", "done", 10_000),
        ("done", {"done": True}, 0),
        (1, 1.0, 10_000),
        (1, True, 0),
        (False, 0, 0),
    ],
)
def test_an_expected_outcome_counts_the_members_that_are_there(outcome: Any, result: Any, bps: int):
    assert score(result, outcome=outcome) == bps


@pytest.mark.parametrize(
    ("op", "value", "result", "expected"),
    [
        (Op.EXISTS, None, None, True),
        (Op.EQUALS, {"a": [1, 2.0]}, {"a": [1.0, 2]}, True),
        (Op.EQUALS, {"a": 1}, {"a": 1, "b": 2}, False),
        (Op.EQUALS, [True], [1], False),
        (Op.EQUALS, None, 0, False),
        (Op.MIN_LENGTH, 3, "äöü", True),
        (Op.MIN_LENGTH, 1, [], False),
        (Op.MIN_LENGTH, 0, 7, False),
        (Op.MIN_LENGTH, 1, {"a": 1}, True),
        (Op.MAX_LENGTH, 2, "abc", False),
        (Op.MAX_LENGTH, 0, [], True),
        (Op.MAX_LENGTH, 5, None, False),
        (Op.MIN, 1, 1, True),
        (Op.MIN, 1, 0.999, False),
        (Op.MIN, 0, True, False),
        (Op.MIN, 0, "7", False),
        (Op.MAX, 2**64, 2**64 - 1, True),
        (Op.MAX, 1.5, 2, False),
        (Op.CONTAINS, "ell", "hello", True),
        (Op.CONTAINS, "", "hello", True),
        (Op.CONTAINS, 1, [2, 1.0], True),
        (Op.CONTAINS, 1, [True], False),
        (Op.CONTAINS, {"a": 1}, [{"a": 1}], True),
        (Op.CONTAINS, "a", {"a": None}, True),
        (Op.CONTAINS, 7, "7", False),
        (Op.CONTAINS, "x", 7, False),
        (Op.MATCHES, "[.!?]$", "Done.", True),
        (Op.MATCHES, "^b", "ab", False),
        (Op.MATCHES, ".", 7, False),
    ],
)
def test_an_assertion_holds_or_not(op: Op, value: Any, result: Any, expected: bool):
    assert holds(op, value, result) is expected


@pytest.mark.parametrize("op", list(Op))
def test_an_assertion_about_what_is_not_there_never_holds(op: Op):
    assert not holds(op, 0 if op is not Op.MATCHES else ".", {"a": 1}, at="/b")


@pytest.mark.parametrize(
    ("op", "value", "is_sound"),
    [
        (Op.MIN_LENGTH, 0, True),
        (Op.MIN_LENGTH, -1, False),
        (Op.MAX_LENGTH, 1.5, False),
        (Op.MAX_LENGTH, True, False),
        (Op.MAX_LENGTH, "3", False),
        (Op.MIN, 1.5, True),
        (Op.MAX, False, False),
        (Op.MAX, None, False),
        (Op.MATCHES, "^a+$", True),
        (Op.MATCHES, "(", False),
        (Op.MATCHES, 7, False),
        (Op.EQUALS, None, True),
        (Op.EXISTS, [1], True),
        (Op.CONTAINS, {}, True),
    ],
)
def test_an_assertion_s_value_makes_sense_or_is_named(op: Op, value: Any, is_sound: bool):
    assert (quality.value_fault(op, value) is None) is is_sound


def test_a_check_that_takes_too_long_leaves_it_undecided_and_blames_nobody():
    report = judge(
        Expectation(assertions=(Assertion(at="", op=Op.MATCHES, value="(a+)+$"),)), "a" * 5_000 + "b", never
    )

    assert (report.is_decided, report.is_good, report.score_bps) == (False, False, 0)
    assert quality.failing(report) is Failure.QUALITY_UNDECIDED
    assert not Failure.QUALITY_UNDECIDED.is_the_agents


def test_good_work_has_no_failing():
    assert quality.failing(Report(score_bps=8_001, checks=())) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_every_value_equals_itself_and_meets_itself_as_outcome(value: Any):
    assert quality.equal(value, value)
    assert value is None or score(value, outcome=value) == quality.FULL_BPS


@given(json_values, json_values)
def test_equality_is_symmetric(one: Any, other: Any):
    assert quality.equal(one, other) is quality.equal(other, one)


@given(json_values, json_values, st.sampled_from(Op), json_values)
def test_no_result_breaks_a_judgement(outcome: Any, result: Any, op: Op, value: Any):
    sound = value if quality.value_fault(op, value) is None else {Op.MATCHES: "x"}.get(op, 1)
    expected = Expectation(assertions=(Assertion(at="/a", op=op, value=sound),), outcome=outcome)

    report = judge(expected, result, never)

    assert 0 <= report.score_bps <= quality.FULL_BPS


def test_a_result_as_deep_as_an_answer_may_be_is_judged():
    deep: Any = 1
    for _ in range(64):
        deep = {"a": [deep]}

    assert score(deep, outcome=deep) == quality.FULL_BPS
    assert sys.getrecursionlimit() >= 1_000
