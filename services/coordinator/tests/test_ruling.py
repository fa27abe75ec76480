"""Results between good and bad: who is asked, and that what they say lifts a score or leaves it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_coordinator.domain import ruling
from mesh_coordinator.domain.quality import RELEASE_ABOVE_BPS, Check, Expectation, Report, failing
from mesh_coordinator.domain.review import Review, Validators
from mesh_coordinator.domain.ruling import Opinion
from mesh_coordinator.domain.run import Approval
from mesh_coordinator.domain.selection import Candidate

GREY = Report(score_bps=7_000, checks=(Check(name="/a exists", matched=1),))
THREE = Review(validators=Validators(capability="review", count=3, quorum=2))
scores = st.integers(0, 10_000)


def candidate(name: str, owner: str, *, accepted: bool = True) -> Candidate:
    return Candidate(
        agent_id=name,
        token_id=1,
        name=name,
        owner=owner,
        endpoint="http://a",
        action="REVIEW",
        price_units=0,
        reputation=0.5,
        reason="accepted" if accepted else "is not active",
    )


def opinions(*said: int | None) -> list[Opinion]:
    return [Opinion(f"v{number}", one) for number, one in enumerate(said)]


@given(scores, st.booleans())
def test_only_a_score_in_the_band_is_in_question_and_only_when_it_is_decided(score: int, decided: bool):
    report = Report(score_bps=score, checks=(), is_decided=decided)

    in_question = ruling.is_in_question(Expectation(review=THREE), report)

    assert in_question == (decided and 6_000 <= score <= RELEASE_ABOVE_BPS)


def test_nothing_is_in_question_when_nobody_is_to_be_asked():
    assert not ruling.is_in_question(Expectation(), GREY)


@given(st.integers(6_000, RELEASE_ABOVE_BPS), st.lists(scores, min_size=2, max_size=9))
def test_validators_lift_a_score_above_the_band_or_leave_it(score: int, said: list[int]):
    ruled = ruling.by_validators(Report(score_bps=score, checks=()), THREE, opinions(*said))

    assert ruled is not None
    assert ruled.score_bps == score or ruled.score_bps in said
    assert ruled.is_good == (sorted(said)[(len(said) - 1) // 2] > RELEASE_ABOVE_BPS)


@given(scores, st.lists(st.integers(8_001, 10_000), min_size=2, max_size=2))
def test_one_of_three_moves_nothing_against_the_other_two(outlier: int, agreed: list[int]):
    for said in ([outlier, *agreed], [*agreed, outlier]):
        ruled = ruling.by_validators(GREY, THREE, opinions(*said))
        assert ruled is not None
        assert ruled.is_good


def test_of_two_in_the_middle_the_lower_counts():
    ruled = ruling.by_validators(GREY, THREE, opinions(7_500, 10_000))

    assert ruled is not None
    assert (ruled.score_bps, ruled.checks[-1]) == (
        7_000,
        Check(name="validators", matched=7_500, of=10_000, weight=0),
    )


@pytest.mark.parametrize("said", [(), (9_000,), (None, 9_000, None)])
def test_fewer_than_the_quorum_say_nothing(said: tuple[int | None, ...]):
    assert ruling.by_validators(GREY, THREE, opinions(*said)) is None


def test_without_validators_there_is_no_quorum():
    assert ruling.by_validators(GREY, Review(asks_person=True), []) is None


@pytest.mark.parametrize(
    ("said", "pays", "score"),
    [
        (Approval.APPROVED, False, 10_000),
        (Approval.DENIED, True, 7_000),
        (Approval.REQUESTED, True, 8_001),
        (Approval.REQUESTED, False, 7_000),
    ],
)
def test_a_person_s_word_counts_and_the_default_without_one(said: Approval, pays: bool, score: int):
    ruled = ruling.by_person(GREY, said, Review(asks_person=True, pays_by_default=pays))

    assert ruled.score_bps == score
    assert (failing(ruled) is None) == (score > RELEASE_ABOVE_BPS)


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ({"score": 0.85}, 8_500),
        ({"score": 1}, 10_000),
        ({"score": 0, "why": "x"}, 0),
        ({"score": 1.01}, None),
        ({"score": -0.1}, None),
        ({"score": True}, None),
        ({"score": "0.9"}, None),
        ({"score": float("nan")}, None),
        ({}, None),
        ([0.9], None),
        ("0.9", None),
    ],
)
def test_an_opinion_is_a_number_from_0_to_1_and_everything_else_is_none(answer: Any, score: int | None):
    assert ruling.score_bps(answer) == score


def test_opinions_stand_beside_the_checks_and_weigh_nothing():
    heard = ruling.heard(GREY, [Opinion("v", 9_000), Opinion("w", None, "timed-out")])

    assert heard.score_bps == GREY.score_bps
    assert [(one.name, one.matched, one.weight, one.detail) for one in heard.checks[1:]] == [
        ("validator v", 9_000, 0, ""),
        ("validator w", 0, 0, "timed-out"),
    ]


def test_nobody_is_asked_about_their_own_work_or_twice():
    candidates = [
        candidate("worker's other agent", "0xAB"),
        candidate("first", "0xCD"),
        candidate("first's other agent", "0xcd"),
        candidate("turned down", "0xEE", accepted=False),
        candidate("second", "0xEF"),
        candidate("third", "0x11"),
        candidate("fourth", "0x12"),
    ]

    asked = ruling.panel(Validators(capability="c"), candidates, candidate("worker", "0xab"))

    assert [one.agent_id for one in asked] == ["first", "second", "third"]


def test_a_review_lasts_as_long_as_all_who_are_asked_may_take():
    both = Review(validators=Validators(capability="c", timeout_s=20), asks_person=True, deadline_s=100)

    assert (both.lasts_s, THREE.lasts_s, Review(deadline_s=100).lasts_s) == (120, 30, 0)
