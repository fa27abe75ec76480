"""One paid call (row J), and escrows as the chain has them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Request, Response
from fastapi.responses import JSONResponse
from mesh_coordinator.api import execution
from mesh_shared.chain.abi import Function

if TYPE_CHECKING:
    from callers import Caller
    from chains import Chain
    from towns import Agent, Town

CALL: dict[str, Any] = {
    "capability": "text.summarize",
    "parameters": {"text": "Agents met. They agreed on a price. Everyone was paid."},
    "quality": {"assertions": [{"at": "/summary", "op": "minLength", "value": 30}]},
}
TERMS = "(address,address,uint256,address,address,bytes32,uint64,uint64,uint64,uint256,uint8,bool,bytes32)"
APPROVE = Function("approve", ["address", "uint256"])
OPEN = Function("open", [TERMS])
ESCROW_ID = Function("escrowId", ["address", TERMS], ["bytes32"])


async def test_good_work_is_a_success_that_is_paid_and_remembered(
    caller: Caller, town: Town, chain: Chain, payer: str
):
    await town.hire_sample("careful")

    answer = await caller.execute(CALL)

    outcome = answer.json()
    assert answer.status_code == 200
    assert outcome["economicOutcome"] == "success"
    assert outcome["quality"]["score"] == 1.0
    assert outcome["result"]["summary"].startswith("Agents met.")
    assert (await caller.escrow(outcome["escrow_id"]))["state"] == "released"
    assert await chain.units(payer) == 960_000
    assert await chain.ratings(town.agents["careful"].token_id) == (1, 100)


async def test_poor_work_is_shown_refunded_and_remembered_and_nobody_else_is_tried(
    caller: Caller, town: Town, chain: Chain, payer: str
):
    await town.hire_sample("sloppy", reputation=0.9)
    await town.hire_sample("quick", reputation=0.1)

    outcome = (await caller.execute(CALL)).json()

    assert (outcome["economicOutcome"], outcome["failure"]) == ("refunded", "poor-quality")
    assert outcome["result"] == {"summary": "Agents met. They", "sentences": 1}
    assert outcome["quality"]["score"] == 0.0
    assert await chain.units(payer) == 1_000_000
    assert await chain.ratings(town.agents["sloppy"].token_id) == (1, 0)
    assert await chain.ratings(town.agents["quick"].token_id) == (0, 0)


async def test_an_expected_outcome_is_what_the_result_is_judged_by(caller: Caller, town: Town):
    await town.hire_sample("quick")
    expected = {"expectedOutcome": {"sentences": 2, "summary": "Agents met. They agreed on a price."}}

    outcome = (await caller.execute(CALL | {"quality": expected})).json()

    assert (outcome["economicOutcome"], outcome["quality"]["checks"][0]["of"]) == ("success", 2)


async def test_the_agent_and_its_action_can_be_named(caller: Caller, town: Town):
    await town.hire_sample("careful", reputation=0.9)
    await town.hire_sample("quick", reputation=0.1)
    quick = town.agents["quick"].agent_id

    outcome = (
        await caller.execute({"agent_id": quick, "action": "SUMMARIZE", "parameters": CALL["parameters"]})
    ).json()

    run = await caller.get(outcome["run_id"])
    assert [attempt["agent"] for attempt in run["steps"][0]["attempts"]] == ["quick"]
    assert run["steps"][0]["capability"] == "text.summarize"


async def test_a_call_that_takes_longer_than_anyone_waits_is_followed_as_a_run(
    caller: Caller, town: Town, monkeypatch: pytest.MonkeyPatch
):
    gate = asyncio.Event()

    async def slow(request: Request, agent: Agent) -> Response:
        await gate.wait()
        return JSONResponse({"content": {"success": True, "data": "at last"}})

    await town.move_in("slow", slow, price=0)
    monkeypatch.setattr(execution, "MAX_WAIT_S", 0.1)

    answer = await caller.execute({"capability": "work"})
    gate.set()
    run = await caller.ended(answer.json()["id"])

    assert (answer.status_code, answer.json()["status"]) == (202, "running")
    assert answer.headers["location"] == f"/v1/runs/{run['id']}"
    assert run["result"] == {"call": "at last"}


async def test_a_failed_call_without_money_says_why(caller: Caller, town: Town):
    async def broken(request: Request, agent: Agent) -> Response:
        return Response(status_code=500)

    await town.move_in("broken", broken, price=0)

    outcome = (await caller.execute({"capability": "work"})).json()

    assert (outcome["economicOutcome"], outcome["failure"], outcome["escrow_id"]) == (
        "refunded",
        "bad-status",
        None,
    )


async def test_an_escrow_of_somebody_else_is_read_from_the_chain(caller: Caller, town: Town, chain: Chain):
    accounts = await chain.rpc.request("eth_accounts")
    payer, provider, evaluator = accounts[1:4]
    await chain.enrich(payer, 500)
    token, escrow = chain.deployed.address("MeshToken"), chain.deployed.address("MeshEscrow")
    nobody, terms_hash = "0x" + "00" * 20, b"\x07" * 32
    block = await chain.rpc.request("eth_getBlockByNumber", "latest", False)
    soon = int(block["timestamp"], 16) + 1_000
    terms = (provider, token, 500, evaluator, nobody, terms_hash, soon, soon + 1, 0, 0, 1, False, terms_hash)
    (id,) = await chain.rpc.call(escrow, ESCROW_ID, payer, terms)
    await chain.send(payer, "MeshToken", APPROVE, escrow, 500)
    await chain.send(payer, "MeshEscrow", OPEN, terms)

    view = await caller.escrow("0x" + id.hex())

    assert (view["state"], view["amount"], view["ours"]) == ("funded", "500", None)
    assert (view["submit_by"], view["review_by"], view["default_outcome"]) == (soon, soon + 1, "refund")
    assert view["provider"].lower() == provider.lower()
    assert view["result_hash"] == "0x" + "00" * 32
