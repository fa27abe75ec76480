"""Money on the real chain: paid for good work, returned otherwise, and all of it accounted for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from mesh_shared.canonical import json_hash
from mesh_shared.chain.abi import Function

if TYPE_CHECKING:
    from callers import Caller
    from chains import Chain
    from towns import Agent, Town

    from conftest import Calling

NEWS = "Agents met on a chain this week. They agreed on prices. Money was locked. Good work was paid."
SUBMIT = Function("submit", ["bytes32", "bytes32"])
REFUND = Function("refund", ["bytes32"])
TRANSFER_FROM = Function("transferFrom", ["address", "address", "uint256"])
PURSE_UNITS = 1_000_000


def summary(**more: Any) -> dict[str, Any]:
    return {
        "id": "summary",
        "capability": "text.summarize",
        "parameters": {"text": NEWS, "sentences": 2},
        "quality": {"assertions": [{"at": "/summary", "op": "minLength", "value": 30}]},
    } | more


def work(id: str, **more: Any) -> dict[str, Any]:
    """A step for whoever lists the capability `work-<id>`."""
    return {"id": id, "capability": f"work-{id}"} | more


def task(*requirements: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"task": "Do it.", "requirements": list(requirements)} | more


def attempts(run: dict[str, Any]) -> list[dict[str, Any]]:
    return [attempt for step in run["steps"] for attempt in step["attempts"]]


async def test_good_work_is_paid_to_the_last_unit_and_rated_once_with_its_escrow(
    caller_on_both: Caller, town: Town, chain: Chain, payer: str
):
    await town.hire_sample("careful")
    careful = town.agents["careful"]

    run = await caller_on_both.run(task(summary(), budget="50000"))

    (attempt,) = attempts(run)
    escrow = await caller_on_both.escrow(attempt["escrow_id"])
    assert (run["status"], attempt["state"], attempt["outcome"]) == ("succeeded", "rated", "success")
    assert (escrow["state"], escrow["amount"], escrow["score"]) == ("released", "40000", 1.0)
    assert await chain.units(careful.wallet.address) == 40_000
    assert await chain.units(payer) == PURSE_UNITS - 40_000
    assert run["budget"] == {"limit": "50000", "reserved": "0", "spent": "40000"}
    assert await chain.ratings(careful.token_id) == (1, 100)
    assert await chain.proof_of(careful.token_id, payer, 1) == attempt["escrow_id"]


async def test_poor_work_is_refunded_and_rated_and_the_next_agent_is_tried(
    caller: Caller, town: Town, chain: Chain, payer: str
):
    await town.hire_sample("sloppy", reputation=0.9)
    await town.hire_sample("quick", reputation=0.2)
    sloppy, quick = town.agents["sloppy"], town.agents["quick"]

    run = await caller.run(task(summary()))

    first, second = attempts(run)
    assert (first["agent"], first["outcome"], first["failure"]) == ("sloppy", "refunded", "poor-quality")
    assert (second["agent"], second["outcome"], second["failure"]) == ("quick", "success", None)
    assert (await caller.escrow(first["escrow_id"]))["state"] == "refunded"
    assert await chain.units(sloppy.wallet.address) == 0
    assert await chain.units(quick.wallet.address) == 25_000
    assert await chain.units(payer) == PURSE_UNITS - 25_000
    assert await chain.ratings(sloppy.token_id) == (1, 0)
    assert await chain.ratings(quick.token_id) == (1, 100)
    assert run["result"]["summary"]["sentences"] == 2
    assert run["graph"] == "wave 1   *  summary  text.summarize -> quick  25000\n"


async def test_a_score_of_exactly_four_fifths_is_refunded_with_that_score(
    caller: Caller, town: Town, chain: Chain, payer: str
):
    await town.hire_sample("careful")
    kept = {"at": "/summary", "op": "minLength", "value": 1, "weight": 4}
    broken = {"at": "/sentences", "op": "equals", "value": 99}

    run = await caller.run(task(summary(quality={"assertions": [kept, broken]})))

    (attempt,) = attempts(run)
    assert (attempt["quality"]["score"], attempt["outcome"]) == (0.8, "refunded")
    assert (await caller.escrow(attempt["escrow_id"]))["score"] == 0.8
    assert await chain.units(payer) == PURSE_UNITS
    assert await chain.ratings(town.agents["careful"].token_id) == (1, 80)


async def test_the_terms_were_hashed_before_the_money_was_locked(caller: Caller, town: Town, payer: str):
    await town.hire_sample("careful")

    run = await caller.run(task(summary()))

    (attempt,) = attempts(run)
    escrow = await caller.escrow(attempt["escrow_id"])
    result = run["result"]["summary"]
    expected = {
        "action": "SUMMARIZE",
        "parametersHash": "0x" + json_hash({"text": NEWS, "sentences": 2}).hex(),
        "quality": {
            "schema": None,
            "assertions": [{"at": "/summary", "op": "minLength", "value": 30, "weight": 1}],
            "outcome": None,
            "outcome_weight": 1,
            "review": None,
        },
        "releaseAboveBps": 8000,
    }
    assert escrow["terms_hash"] == "0x" + json_hash(expected).hex()
    assert escrow["result_hash"] == "0x" + json_hash(result).hex()
    assert escrow["payer"] == payer
    assert escrow["provider"] == town.agents["careful"].wallet.address
    assert escrow["evaluator"] not in (payer, escrow["provider"])
    assert escrow["ours"] == {
        "run_id": run["id"],
        "step_id": "summary",
        "attempt": 1,
        "state": "rated",
        "outcome": "success",
    }


async def dead(town: Town, request: Request, agent: Agent) -> Response:
    return Response(status_code=500)


async def silent(town: Town, request: Request, agent: Agent) -> Response:
    while not await request.is_disconnected():
        await asyncio.sleep(0.02)
    return Response()


async def babbling(town: Town, request: Request, agent: Agent) -> Response:
    return Response("<html>")


async def huge(town: Town, request: Request, agent: Agent) -> Response:
    return town.delivered(request, agent, "x" * 300_000)


async def elsewhere(town: Town, request: Request, agent: Agent) -> Response:
    return RedirectResponse(f"{town.url}/agents/none/actions/WORK", 307)


async def unsigned(town: Town, request: Request, agent: Agent) -> Response:
    answer = town.delivered(request, agent, "good work")
    del answer.headers["X-Delivery-Signature"]
    return answer


async def lying(town: Town, request: Request, agent: Agent) -> Response:
    return town.delivered(request, agent, "good work", signed="other work")


async def empty(town: Town, request: Request, agent: Agent) -> Response:
    return town.delivered(request, agent, None)


async def two_faced(town: Town, request: Request, agent: Agent) -> Response:
    """Delivers one thing to us and hands in another on the chain."""
    escrow_id = bytes.fromhex(request.headers["x-escrow-id"][2:])
    await town.chain.send(agent.wallet.address, "MeshEscrow", SUBMIT, escrow_id, json_hash("junk"))
    return town.delivered(request, agent, "good work")


async def regretful(town: Town, request: Request, agent: Agent) -> Response:
    """Gives the money back before anybody has judged it."""
    escrow_id = bytes.fromhex(request.headers["x-escrow-id"][2:])
    await town.chain.send(agent.wallet.address, "MeshEscrow", REFUND, escrow_id)
    return town.delivered(request, agent, "good work")


ROGUES = {
    "dead": (dead, "bad-status"),
    "silent": (silent, "timed-out"),
    "babbling": (babbling, "answer-not-json"),
    "huge": (huge, "answer-too-large"),
    "elsewhere": (elsewhere, "redirected"),
    "unsigned": (unsigned, "delivery-unsigned"),
    "lying": (lying, "delivery-refused"),
    "empty": (empty, "nothing-delivered"),
    "two-faced": (two_faced, "delivery-refused"),
    "regretful": (regretful, "delivery-refused"),
}


async def hire(town: Town, name: str, answer: Any, **listed: Any) -> Agent:
    async def bound(request: Request, agent: Agent) -> Response:
        return await answer(town, request, agent)

    return await town.move_in(name, bound, capability=f"work-{name}", **listed)


async def test_whatever_an_agent_does_wrong_the_money_comes_back_and_it_is_rated_for_it(
    caller: Caller, town: Town, chain: Chain, payer: str
):
    for name, (answer, _) in ROGUES.items():
        await hire(town, name, answer)

    run = await caller.run(task(*[work(name, timeout_s=2) for name in ROGUES]))

    assert run["status"] == "failed"
    assert {step["id"]: step["reason"] for step in run["steps"]} == {
        name: failure for name, (_, failure) in ROGUES.items()
    }
    assert {attempt["outcome"] for attempt in attempts(run)} == {"refunded"}
    escrows = [await caller.escrow(attempt["escrow_id"]) for attempt in attempts(run)]
    assert {escrow["state"] for escrow in escrows} == {"refunded"}
    assert await chain.units(payer) == PURSE_UNITS
    assert {await chain.ratings(agent.token_id) for agent in town.agents.values()} == {(1, 0)}


async def test_an_agent_that_hands_its_result_in_by_itself_is_paid_like_the_others(
    caller: Caller, town: Town, chain: Chain, payer: str
):
    async def independent(town: Town, request: Request, agent: Agent) -> Response:
        escrow_id = bytes.fromhex(request.headers["x-escrow-id"][2:])
        await town.chain.send(agent.wallet.address, "MeshEscrow", SUBMIT, escrow_id, json_hash("good work"))
        return await unsigned(town, request, agent)

    agent = await hire(town, "independent", independent)

    run = await caller.run(task(work("independent")))

    assert run["status"] == "succeeded"
    assert await chain.units(agent.wallet.address) == 1_000
    assert await chain.ratings(agent.token_id) == (1, 100)


async def test_a_check_that_cannot_be_carried_out_refunds_and_blames_nobody(
    caller: Caller, town: Town, chain: Chain, payer: str
):
    async def honest(town: Town, request: Request, agent: Agent) -> Response:
        return town.delivered(request, agent, "a" * 5_000 + "b")

    agent = await hire(town, "honest", honest)
    quality = {"assertions": [{"at": "", "op": "matches", "value": "(a+)+$"}]}

    run = await caller.run(task(work("honest", quality=quality)))

    (attempt,) = attempts(run)
    assert (attempt["failure"], attempt["outcome"], attempt["state"]) == (
        "quality-undecided",
        "refunded",
        "closed",
    )
    assert await chain.units(payer) == PURSE_UNITS
    assert await chain.ratings(agent.token_id) == (0, 0)


async def test_free_work_touches_no_money(caller: Caller, town: Town, chain: Chain, payer: str):
    await town.move_in("charity", lambda request, agent: unsigned(town, request, agent), price=0)

    run = await caller.run(task({"id": "a", "capability": "work"}))

    (attempt,) = attempts(run)
    assert (attempt["state"], attempt["outcome"], attempt["escrow_id"]) == ("closed", "success", None)
    assert await chain.units(payer) == PURSE_UNITS


async def honest(town: Town, request: Request, agent: Agent) -> Response:
    return town.delivered(request, agent, "good work")


async def test_parallel_steps_at_the_edge_of_the_budget_never_go_over_it(
    caller_on_both: Caller, town: Town, chain: Chain, payer: str
):
    names = [f"w{n}" for n in range(8)]
    for name in names:
        await hire(town, name, honest, price=1_000)
    requirements = [work(name, optional=n > 2) for n, name in enumerate(names)]

    run = await caller_on_both.run(task(*requirements, budget="3999"))

    spent = await chain.units(payer) - PURSE_UNITS
    assert run["budget"] == {"limit": "3999", "reserved": "0", "spent": "3000"}
    assert spent == -3_000
    assert [step["reason"] for step in run["steps"]].count("budget-exhausted") == 5
    assert len([attempt for attempt in attempts(run) if attempt["escrow_id"]]) == 3


async def test_a_payer_without_enough_money_hires_nobody_and_owes_nothing(
    caller: Caller, town: Town, chain: Chain, payer: str
):
    dear = await hire(town, "dear", honest, price=PURSE_UNITS + 1)

    run = await caller.run(task(work("dear")))

    (attempt,) = attempts(run)
    assert (run["status"], attempt["failure"], attempt["state"]) == ("failed", "escrow-not-opened", "closed")
    assert "balance" in attempt["detail"]
    assert run["budget"]["reserved"] == "0"
    assert (await caller.escrow(attempt["escrow_id"]))["state"] == "none"
    assert await chain.units(payer) == PURSE_UNITS
    assert await chain.ratings(dear.token_id) == (0, 0)


VALUES = [0, False, "", [], {}, "NUL \x00 inside", 2**64 - 1, 1.5, {"ä": ["ß", None]}]


async def test_any_json_value_but_null_can_be_delivered_and_paid(
    caller_on_both: Caller, town: Town, chain: Chain, payer: str
):
    async def giving(town: Town, request: Request, agent: Agent) -> Response:
        asked = await request.json()
        return town.delivered(request, agent, VALUES[asked["parameters"]["number"]])

    agent = await hire(town, "giving", giving)
    steps = [
        {"id": f"v{n}", "capability": "work-giving", "parameters": {"number": n}} for n in range(len(VALUES))
    ]

    run = await caller_on_both.run(task(*steps))

    assert run["result"] == {f"v{n}": value for n, value in enumerate(VALUES)}
    assert await chain.units(agent.wallet.address) == 1_000 * len(VALUES)


async def test_a_second_run_needs_no_second_allowance(caller: Caller, town: Town, chain: Chain, payer: str):
    agent = await hire(town, "again", honest)

    for key in ("one", "two"):
        await caller.run(task(work("again")), key)

    sent = int(await chain.rpc.request("eth_getTransactionCount", payer, "latest"), 16)
    assert sent == 1 + 2 * len(["open", "submit", "settle", "rate"])
    assert await chain.units(agent.wallet.address) == 2_000


async def test_the_facts_of_a_paid_step_are_published_and_tell_no_content(
    caller: Caller, town: Town, chain: Chain, payer: str
):
    await hire(town, "talked-of", honest)

    await caller.run(task(work("talked-of", parameters={"word": "swordfish"})))

    facts = await caller.facts()
    assert [fact["type"].removeprefix("coordinator.") for fact in facts] == [
        "run-started.v1",
        "escrow-opened.v1",
        "quality-scored.v1",
        "escrow-released.v1",
        "step-completed.v1",
        "run-completed.v1",
    ]
    assert "swordfish" not in str(facts)
    assert "good work" not in str(facts)


async def test_an_agent_that_changed_hands_is_paid_as_agreed_and_cannot_be_rated(
    caller: Caller, town: Town, chain: Chain, payer: str
):
    agent = await hire(town, "sold", honest)
    buyer = (await chain.rpc.request("eth_accounts"))[5]
    seller = agent.wallet.address
    await chain.send(seller, "AgentRegistry", TRANSFER_FROM, seller, buyer, agent.token_id)

    run = await caller.run(task(work("sold")))

    (attempt,) = attempts(run)
    assert (run["status"], attempt["state"], attempt["outcome"]) == ("succeeded", "closed", "success")
    assert await chain.units(seller) == 1_000
    assert await chain.ratings(agent.token_id) == (0, 0)


async def test_an_agent_on_a_private_address_is_not_called_and_gets_nothing(
    calling: Calling, town: Town, chain: Chain, payer: str
):
    called: list[str] = []

    async def inside(town: Town, request: Request, agent: Agent) -> Response:
        called.append(str(request.url))
        return town.delivered(request, agent, "from within")

    await hire(town, "inside", inside)

    async with calling(allow_private_agents=False) as caller:
        run = await caller.run(task(work("inside")))

    (attempt,) = attempts(run)
    assert (attempt["failure"], attempt["outcome"]) == ("address-refused", "refunded")
    assert called == []
    assert await chain.units(payer) == PURSE_UNITS
