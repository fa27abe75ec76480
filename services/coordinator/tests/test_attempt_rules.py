"""The life of an attempt and what the chain's word does to it: every way ends, and money has one end."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_coordinator.domain import settlement
from mesh_coordinator.domain.attempt import DECIDED, ENDED, NEXT, Failure, Happening, State, after, first
from mesh_coordinator.domain.quality import RELEASE_ABOVE_BPS
from mesh_coordinator.domain.settlement import NO_RESULT, EscrowState, Next, Sent

MINE, OTHER = "0x" + "11" * 32, "0x" + "22" * 32
LOCKED = frozenset({State.FUNDED, State.INVOKING, State.DELIVERED, State.SUBMITTING, State.SETTLING})
ENDINGS = frozenset({State.RELEASED, State.REFUNDED})


def lives(without: frozenset[Happening], *behind: State) -> Iterator[tuple[State, ...]]:
    """Every life that an attempt can have when these never happen to it."""
    if behind[-1] in ENDED:
        yield behind
    for happening, following in NEXT[behind[-1]].items():
        assert following not in behind, "a circle"
        if happening not in without:
            yield from lives(without, *behind, following)


PAID = list(lives(frozenset({Happening.NOTHING_OWED, Happening.CHARGED}), first(5)))
ADVANCED = list(
    lives(frozenset({Happening.NOTHING_OWED, Happening.CALL_FAILED, Happening.DELIVERED}), first(0))
)
MONEYS = {
    Happening.CHARGED,
    Happening.CALL_FAILED,
    Happening.SIGNED,
    Happening.UNSIGNED,
    Happening.SUBMITTED,
    Happening.RULED,
}
FREE = list(lives(frozenset(MONEYS), first(0)))


def test_every_life_ends():
    assert {life[-1] for life in (*PAID, *FREE)} == ENDED


def test_every_state_is_reached_by_some_life():
    assert {state for life in (*PAID, *FREE, *ADVANCED) for state in life} == set(State)


def test_who_was_paid_in_advance_is_followed_until_the_money_is_taken_or_cannot_be():
    assert set(ADVANCED) == {(State.INVOKING, State.PAYING, State.CLEARING, State.CLOSED)}
    assert set(NEXT[State.CLEARING]) == {Happening.TAKEN, Happening.LAPSED}


def test_money_that_is_locked_is_settled_once_before_the_end():
    for life in PAID:
        assert len(ENDINGS.intersection(life)) == (State.FUNDED in life)
        assert State.FUNDED not in life or life.index(State.FUNDED) < life.index(State.SETTLING)


def test_who_is_paid_is_called_only_when_the_money_is_locked():
    for life in PAID:
        assert State.INVOKING not in life or life.index(State.FUNDED) < life.index(State.INVOKING)


def test_who_is_free_never_comes_near_the_chain():
    assert {state for life in FREE for state in life} == {
        State.INVOKING,
        State.DELIVERED,
        State.REVIEWING,
        State.AWAITING,
        State.CLOSED,
    }


def test_what_is_held_by_the_ledger_is_settled_in_the_same_states():
    held = [life for life in PAID if State.FUNDED in life and State.OPENING not in life]

    assert held
    assert all(len(ENDINGS.intersection(life)) == 1 for life in held)


def test_who_is_paid_has_handed_in_before_the_work_is_reviewed():
    for life in PAID:
        assert State.REVIEWING not in life or life.index(State.DELIVERED) < life.index(State.REVIEWING)
        assert State.AWAITING not in life or life[life.index(State.AWAITING) - 1] is State.REVIEWING


@pytest.mark.parametrize("state", [State.REVIEWING, State.AWAITING])
@pytest.mark.parametrize("escrow", list(EscrowState))
def test_while_work_is_reviewed_the_contract_holds_the_result(state: State, escrow: EscrowState):
    assert settlement.agrees(state, None, escrow) == (escrow is EscrowState.SUBMITTED)


def test_only_what_was_settled_is_rated():
    assert all(ENDINGS.intersection(life) for life in PAID if State.RATED in life)


def test_whether_it_was_a_success_is_known_once_no_money_is_locked():
    assert not DECIDED & LOCKED
    assert DECIDED == ENDED | ENDINGS


def test_what_cannot_happen_in_a_state_is_an_error():
    with pytest.raises(KeyError):
        after(State.CLOSED, Happening.RELEASED)


def test_nobody_is_blamed_for_what_the_mesh_did():
    assert {failure for failure in Failure if not failure.is_the_agents} == {
        Failure.NOT_LET_THROUGH,
        Failure.QUALITY_UNDECIDED,
        Failure.BUDGET_EXHAUSTED,
        Failure.ESCROW_NOT_OPENED,
        Failure.HANDED_IN_LATE,
        Failure.NOT_CALLED_IN_TIME,
        Failure.WITHDRAWN,
    }


@pytest.mark.parametrize("sent", list(Sent))
@pytest.mark.parametrize("state", [state for state in EscrowState if state is not EscrowState.NONE])
def test_an_escrow_that_exists_was_opened_whatever_became_of_the_transaction(sent: Sent, state: EscrowState):
    assert settlement.after_open(sent, state) is Happening.OPENED


@pytest.mark.parametrize(
    ("sent", "expected"),
    [(Sent.REFUSED, Happening.NOT_OPENED), (Sent.UNKNOWN, Next.REPEAT), (Sent.EFFECTIVE, Next.WAIT)],
)
def test_an_escrow_that_is_not_there_is_given_up_only_when_it_was_refused(sent: Sent, expected: object):
    assert settlement.after_open(sent, EscrowState.NONE) is expected


@pytest.mark.parametrize("sent", list(Sent))
def test_a_result_counts_as_handed_in_when_the_contract_holds_it(sent: Sent):
    assert settlement.after_submit(sent, MINE, MINE) is Happening.SUBMITTED


@pytest.mark.parametrize("sent", list(Sent))
def test_another_result_than_the_delivered_one_is_no_delivery(sent: Sent):
    assert settlement.after_submit(sent, OTHER, MINE) is Happening.NOT_SUBMITTED


@pytest.mark.parametrize(
    ("sent", "expected"),
    [(Sent.REFUSED, Happening.NOT_SUBMITTED), (Sent.UNKNOWN, Next.REPEAT), (Sent.EFFECTIVE, Next.WAIT)],
)
def test_a_result_that_is_not_there_is_given_up_only_when_it_was_refused(sent: Sent, expected: object):
    assert settlement.after_submit(sent, NO_RESULT, MINE) is expected


@pytest.mark.parametrize("sent", list(Sent))
@pytest.mark.parametrize(
    ("state", "happening"),
    [(EscrowState.RELEASED, Happening.RELEASED), (EscrowState.REFUNDED, Happening.REFUNDED)],
)
def test_an_escrow_has_ended_as_the_contract_says(sent: Sent, state: EscrowState, happening: Happening):
    assert settlement.after_settle(sent, state) is happening


@pytest.mark.parametrize(
    "state", [EscrowState.NONE, EscrowState.FUNDED, EscrowState.SUBMITTED, EscrowState.DISPUTED]
)
@pytest.mark.parametrize(
    ("sent", "expected"),
    [(Sent.REFUSED, Next.FORCE), (Sent.UNKNOWN, Next.REPEAT), (Sent.EFFECTIVE, Next.WAIT)],
)
def test_a_verdict_without_effect_is_followed_by_the_way_out_that_is_left(
    state: EscrowState, sent: Sent, expected: object
):
    assert settlement.after_settle(sent, state) is expected


@pytest.mark.parametrize(
    ("sent", "is_repeated", "expected"),
    [
        (Sent.EFFECTIVE, False, Happening.RATED),
        (Sent.REFUSED, False, Happening.UNRATED),
        (Sent.REFUSED, True, Happening.RATED),
        (Sent.EFFECTIVE, True, Happening.RATED),
        (Sent.UNKNOWN, False, Next.REPEAT),
        (Sent.UNKNOWN, True, Next.REPEAT),
    ],
)
def test_a_rating_is_given_when_the_contract_took_it_now_or_before(
    sent: Sent, is_repeated: bool, expected: object
):
    assert settlement.after_rating(sent, is_repeated=is_repeated) is expected


@given(st.sampled_from(Sent), st.sampled_from(EscrowState), st.sampled_from([NO_RESULT, MINE, OTHER]))
def test_nothing_is_ever_repeated_that_had_an_effect(sent: Sent, state: EscrowState, held: str):
    answers = (
        settlement.after_open(sent, state),
        settlement.after_submit(sent, held, MINE),
        settlement.after_settle(sent, state),
        settlement.after_rating(sent, is_repeated=False),
    )

    assert Next.REPEAT not in answers or sent is Sent.UNKNOWN


@pytest.mark.parametrize(
    ("price", "limit", "spent", "expected"),
    [(10, 10, 0, True), (10, 19, 10, False), (0, 5, 5, True), (1, 5, 5, False)],
)
def test_what_is_only_reserved_may_come_back(price: int, limit: int, spent: int, expected: bool):
    assert settlement.is_affordable(price, limit_units=limit, spent_units=spent) is expected


def test_the_terms_name_what_is_asked_how_it_is_judged_and_from_where_it_is_paid():
    document = settlement.terms_document({"schema": None}, "SUMMARIZE", MINE)

    assert document == {
        "action": "SUMMARIZE",
        "parametersHash": MINE,
        "quality": {"schema": None},
        "releaseAboveBps": RELEASE_ABOVE_BPS,
    }
