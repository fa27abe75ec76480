"""The demo notices money that is not where it was promised to be."""

from typing import Any

import pytest
from mesh_cli.demo.chapters import money
from mesh_cli.demo.chapters.money import Ledger
from mesh_cli.demo.stage import BrokenPromise
from theatre import Theatre


def attempt(score: float, outcome: str, price: int = 10) -> dict[str, Any]:
    return {
        "agent": "ada",
        "action": "SUMMARIZE",
        "price": str(price),
        "outcome": outcome,
        "escrow_id": "0x" + "ab" * 32,
        "quality": {"score": score},
    }


@pytest.mark.parametrize(
    ("score", "state", "is_kept"),
    [
        (0.81, "released", True),
        (0.8, "refunded", True),
        (0.8, "released", False),
        (0.81, "refunded", False),
        (1.0, "funded", False),
        (0.0, "funded", False),
    ],
)
async def test_an_escrow_must_have_become_what_its_score_demands(
    theatre: Theatre, score: float, state: str, is_kept: bool
):
    work = attempt(score, "success")
    theatre.answer("GET", f"/v1/escrows/{work['escrow_id']}", {"state": state})

    try:
        await money._settled(theatre.stage, work)
    except BrokenPromise:
        assert not is_kept
    else:
        assert is_kept


def ledger(payer: int, ada: int, escrow: int = 0, supply: int = 100) -> Ledger:
    return Ledger({"coordinator (payer)": payer, "ada": ada, "in escrow": escrow}, supply)


def test_a_ledger_is_whole_when_no_unit_is_elsewhere():
    assert ledger(60, 40).is_whole
    assert not ledger(60, 39).is_whole
    assert not ledger(60, 41).is_whole


@pytest.mark.parametrize(
    ("after", "broken"),
    [
        (ledger(90, 9), "in none of these accounts"),
        (ledger(80, 20), "spent 20 units for work worth 10"),
        (ledger(90, 0, escrow=10), "still in escrow"),
    ],
)
async def test_money_that_does_not_add_up_is_noticed(theatre: Theatre, after: Ledger, broken: str):
    with pytest.raises(BrokenPromise, match=broken):
        money._add_up(theatre.stage, ledger(100, 0), after, [attempt(0.9, "success")])


async def test_money_that_adds_up_is_shown_to_the_last_unit(theatre: Theatre):
    money._add_up(theatre.stage, ledger(100, 0), ledger(90, 10), [attempt(0.9, "success")])

    assert "+10" in theatre.told
    assert "-10" in theatre.told
    assert "100 units before and after, 10 changed hands" in theatre.told


async def test_a_second_call_that_is_not_paid_is_noticed(theatre: Theatre):
    theatre.answer("POST", "/v1/execute", {"quality": {"score": 0.2}, "economicOutcome": "refunded"})

    with pytest.raises(BrokenPromise, match="given to a poor agent again"):
        await money._single_call(theatre.stage)
