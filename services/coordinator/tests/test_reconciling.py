"""Our record of an escrow and the contract's: what is read off the chain, put right, or named as unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_coordinator.domain import settlement
from mesh_coordinator.domain.attempt import ENDED, Happening, Outcome, State, after
from mesh_coordinator.domain.settlement import NO_RESULT, Escrow, EscrowState, Wish
from mesh_coordinator.repository.attempts import Attempts
from mesh_coordinator.repository.budgets import Budgets
from mesh_shared.chain.journal import Call, Journal
from mesh_shared.chain.journal import State as TransactionState

if TYPE_CHECKING:
    from callers import Caller
    from fastapi import FastAPI, Request, Response
    from towns import Agent, Town

RESULT = "0x" + "11" * 32
OTHER = "0x" + "22" * 32
states, escrow_states = st.sampled_from(State), st.sampled_from(EscrowState)
hashes = st.sampled_from([NO_RESULT, RESULT, OTHER])


def escrow(state: EscrowState, result_hash: str = NO_RESULT) -> Escrow:
    somebody, nothing = "0x" + "00" * 20, "0x" + "00" * 32
    return Escrow(
        state=state,
        payer=somebody,
        provider=somebody,
        token=somebody,
        amount_units=1,
        evaluator=somebody,
        terms_hash=nothing,
        result_hash=result_hash,
        score_bps=0,
        submit_by=0,
        review_by=0,
        default_outcome=Wish.RELEASE,
    )


@given(states, escrow_states, hashes)
def test_what_the_contract_proves_is_something_that_can_happen_then(
    state: State, on_chain: EscrowState, held: str
):
    happening = settlement.proven(state, escrow(on_chain, held), RESULT)

    assert happening is None or after(state, happening) is not state


@given(escrow_states, hashes)
def test_the_contract_never_proves_that_something_will_not_happen(on_chain: EscrowState, held: str):
    proved = settlement.proven(State.OPENING, escrow(on_chain, held), RESULT)

    assert proved is (None if on_chain is EscrowState.NONE else Happening.OPENED)


@given(states, st.sampled_from([*Outcome, None]), escrow_states)
def test_no_record_agrees_with_the_contract_and_contradicts_it(
    state: State, outcome: Outcome | None, on_chain: EscrowState
):
    booked = outcome if state in ENDED | {State.RELEASED, State.REFUNDED} else None

    agreed = settlement.agrees(state, booked, on_chain)

    assert not (agreed and settlement.contradicts(booked, on_chain))
    assert not (agreed and settlement.proven(state, escrow(on_chain, RESULT), RESULT))


@pytest.mark.parametrize(
    ("state", "outcome", "on_chain", "agreed"),
    [
        (State.RESERVING, None, EscrowState.NONE, True),
        (State.RESERVING, None, EscrowState.FUNDED, False),
        (State.OPENING, None, EscrowState.NONE, False),
        (State.INVOKING, None, EscrowState.SUBMITTED, True),
        (State.INVOKING, None, EscrowState.REFUNDED, False),
        (State.RATED, Outcome.SUCCESS, EscrowState.RELEASED, True),
        (State.RATED, Outcome.SUCCESS, EscrowState.SUBMITTED, False),
        (State.CLOSED, Outcome.REFUNDED, EscrowState.NONE, True),
        (State.CLOSED, Outcome.SUCCESS, EscrowState.NONE, False),
        (State.REFUNDED, Outcome.REFUNDED, EscrowState.RELEASED, False),
    ],
)
def test_the_two_agree_when_the_escrow_is_where_the_attempt_takes_it_to_be(
    state: State, outcome: Outcome | None, on_chain: EscrowState, agreed: bool
):
    assert settlement.agrees(state, outcome, on_chain) is agreed


def test_the_hash_of_what_was_not_delivered_is_that_of_no_result():
    assert settlement.result_hash(None) == NO_RESULT
    assert settlement.result_hash({"result": "x", "signature": None}) != NO_RESULT


async def work(town: Town) -> None:
    async def deliver(request: Request, agent: Agent) -> Response:
        return town.delivered(request, agent, "good work")

    await town.move_in("worker", deliver)


async def settled(caller: Caller) -> dict[str, Any]:
    """The attempt of a run that is paid for and over."""
    run = await caller.run({"task": "t", "requirements": [{"id": "a", "capability": "work"}]})
    assert run["status"] == "succeeded"
    (attempt,) = run["steps"][0]["attempts"]
    return attempt


async def reconciled(caller: Caller, escrow_id: str) -> dict[str, Any]:
    answer = await caller.post(f"/v1/escrows/{escrow_id}/reconcile")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_an_ending_that_was_booked_otherwise_is_put_right_once(caller_on_both: Caller, town: Town):
    caller = caller_on_both
    await work(town)
    attempt = await settled(caller)
    agreed = await reconciled(caller, attempt["escrow_id"])
    await mistake(caller, attempt)

    answers = [await reconciled(caller, attempt["escrow_id"]) for _ in range(2)]

    assert (agreed["agreement"], agreed["ours"]["outcome"]) == ("agrees", "success")
    assert [answer["agreement"] for answer in answers] == ["corrected", "agrees"]
    assert answers[0]["ours"]["outcome"] == "success"
    run = await caller.get(agreed["ours"]["run_id"])
    assert run["budget"]["spent"] == "1000"


async def mistake(caller: Caller, attempt: dict[str, Any]) -> None:
    """Books the attempt as refunded, as if the chain had once said so."""
    async with cast("FastAPI", caller.app).state.platform.database.write() as session:
        row = await Attempts(session).get(UUID(attempt["key"]))
        row.outcome = Outcome.REFUNDED
        await Budgets(session).give_back(row.run_id, 0, spent_units=-row.price_units)


async def test_a_transaction_in_doubt_is_named_as_unknown_while_the_contract_shows_no_effect(
    caller: Caller, town: Town
):
    await work(town)
    attempt = await settled(caller)
    await doubt(caller, attempt)

    answer = await reconciled(caller, attempt["escrow_id"])

    assert (answer["agreement"], answer["state"]) == ("unknown", "released")


async def doubt(caller: Caller, attempt: dict[str, Any]) -> None:
    """An attempt whose rating may be lost, at an escrow that a fork took back to where it is not booked."""
    async with cast("FastAPI", caller.app).state.platform.database.write() as session:
        row = await Attempts(session).get(UUID(attempt["key"]))
        id = await Journal(session).prepare("in doubt", "0x" + "11" * 20, Call("0x" + "22" * 20, b""))
        transaction = await Journal(session).get(id)
        assert transaction is not None
        transaction.state = TransactionState.UNKNOWN
        row.transaction_id, row.outcome = id, None


async def test_an_escrow_that_nobody_knows_is_not_found(caller: Caller):
    answer = await caller.post(f"/v1/escrows/{RESULT}/reconcile")

    assert (answer.status_code, answer.json()["code"]) == (404, "escrow-not-found")
