"""Agents bid for a step under their owners' signatures, and the best bid is what is paid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import pytest_asyncio
from eth_account import Account
from fastapi import Request, Response
from mesh_cli import parts
from mesh_coordinator.adapters.bids import BID

if TYPE_CHECKING:
    from callers import Caller
    from towns import Agent, Body, Town

pytestmark = pytest.mark.asyncio(loop_scope="module")
LISTED = 900
SAYS_YES = "0x631626ba7e60e01b60005260206000f3"
"""Code of a contract to which every signature is its own: it returns the word of ERC-1271."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bidders(place: tuple[Caller, Town]) -> dict[str, Agent]:
    """Two agents of the same standing that list the same price."""

    async def work(request: Request, agent: Agent) -> Response:
        return place[1].delivered(request, agent, agent.endpoint.rpartition("/")[2])

    return {
        name: await place[1].move_in(name, work, price=LISTED, capability="auctioned")
        for name in ("ann", "bob")
    }


@pytest.fixture
def caller(place: tuple[Caller, Town], bidders: dict[str, Agent]) -> Caller:
    return place[0]


def task(deadline_s: int, **more: Any) -> Body:
    select = {"mode": "auction", "deadline_s": deadline_s}
    return {"task": "t", "requirements": [{"id": "a", "capability": "auctioned", "select": select} | more]}


async def open_auction(caller: Caller, body: Body) -> Body:
    run = await caller.start(body, str(uuid4()))
    return await caller.run_when(run["id"], lambda seen: seen["steps"][0]["status"] == "taking_bids")


def signed(town: Town, run: Body, agent: Agent, price: int, *, signer: Agent | None = None) -> str:
    domain = {
        "name": "MeshCoordinator",
        "version": "1",
        "chainId": parts.CHAIN_ID,
        "verifyingContract": town.chain.deployed.address("MeshEscrow"),
    }
    agent_id = bytes.fromhex(agent.agent_id.removeprefix("0x"))
    message = {"runId": run["id"], "stepId": "a", "agentId": agent_id, "price": price}
    return (signer or agent).wallet.sign_typed_data(domain, BID, message).signature.to_0x_hex()


async def bid(caller: Caller, run: Body, agent: Agent, price: int, signature: str) -> Any:
    body = {"agent_id": agent.agent_id, "price": str(price), "signature": signature}
    return await caller.post(f"/v1/runs/{run['id']}/steps/a/bids", body)


async def test_the_best_bid_is_hired_and_paid_what_it_asked_for(
    caller: Caller, place: tuple[Caller, Town], bidders: dict[str, Agent]
):
    run = await open_auction(caller, task(deadline_s=5))
    ann, bob = bidders["ann"], bidders["bob"]

    first = await bid(caller, run, ann, 500, signed(place[1], run, ann, 500))
    await bid(caller, run, bob, 400, signed(place[1], run, bob, 400))
    await bid(caller, run, ann, 300, signed(place[1], run, ann, 300))
    ended = await caller.ended(run["id"])

    assert (first.status_code, first.json()["price"]) == (201, "500")
    assert (ended["result"], ended["budget"]["spent"]) == ({"a": "ann"}, "300")
    (step,) = ended["steps"]
    assert [(one["name"], one["price"]) for one in step["candidates"]] == [("ann", "300"), ("bob", "400")]
    events = (await caller.http.get(f"/v1/runs/{run['id']}/events")).text
    assert events.count("event: step.bid\n") + events.count("event: step.bid\r\n") == 3


async def test_a_step_for_which_nobody_bids_fails_and_a_fork_asks_again(caller: Caller):
    run = await open_auction(caller, task(deadline_s=1))
    ended = await caller.ended(run["id"])

    answer = await caller.post(f"/v1/runs/{run['id']}/fork", {"from_step": "a"}, **{"Idempotency-Key": "f"})
    again = await caller.run_when(answer.json()["id"], lambda seen: seen["steps"][0]["bids_until"])

    assert (ended["status"], ended["gaps"][0]["reason"]) == ("failed", "no-bid")
    assert again["forked_from"] == run["id"]
    await caller.ended(again["id"])


async def test_only_the_agent_s_owner_bids_and_only_what_they_signed(
    caller: Caller, place: tuple[Caller, Town], bidders: dict[str, Agent]
):
    run, other = await open_auction(caller, task(60)), await open_auction(caller, task(60))
    ann, bob = bidders["ann"], bidders["bob"]
    town = place[1]

    forged = [
        await bid(caller, run, ann, 5, signed(town, run, ann, 5, signer=bob)),
        await bid(caller, run, ann, 5, signed(town, run, ann, 6)),
        await bid(caller, run, ann, 5, signed(town, other, ann, 5)),
        await bid(caller, run, ann, 5, "0x" + "00" * 65),
        await bid(caller, run, ann, 5, "0x" + "ff" * 65),
    ]

    assert [(one.status_code, one.json()["code"]) for one in forged] == [(409, "bid-not-signed")] * 5
    for one in (run, other):
        await caller.post(f"/v1/runs/{one['id']}/cancel")


async def test_an_owner_that_is_a_contract_bids_by_its_own_word(
    caller: Caller, place: tuple[Caller, Town], bidders: dict[str, Agent], monkeypatch: pytest.MonkeyPatch
):
    town, ann = place[1], bidders["ann"]
    contract = Account.create().address
    await town.chain.rpc.request("anvil_setCode", contract, SAYS_YES)
    monkeypatch.setitem(town.listings[ann.agent_id], "owner", contract)
    run = await open_auction(caller, task(60))

    answer = await bid(caller, run, ann, 500, "0x" + "5e" * 200)

    assert (answer.status_code, answer.json()["price"]) == (201, "500")
    await caller.post(f"/v1/runs/{run['id']}/cancel")


async def test_a_bid_that_cannot_be_taken_is_refused_by_name(
    caller: Caller, place: tuple[Caller, Town], bidders: dict[str, Agent]
):
    run = await open_auction(caller, task(60, max_price="1000"))
    closed = await caller.run({"task": "t", "requirements": [{"id": "a", "capability": "auctioned"}]}, "no")
    ann = bidders["ann"]
    body = {"agent_id": "0x" + "ab" * 32, "price": "1", "signature": "0x" + "00" * 65}
    url = f"/v1/runs/{run['id']}/steps"

    too_high = await bid(caller, run, ann, 1_001, signed(place[1], run, ann, 1_001))
    late = await bid(caller, closed, ann, 1, signed(place[1], closed, ann, 1))
    stranger = await caller.post(f"{url}/a/bids", body)
    nowhere = await caller.post(f"{url}/zz/bids", body)
    unknown = await caller.post(f"/v1/runs/{uuid4()}/steps/a/bids", body)
    forbidden = await caller.http.post(f"{url}/a/bids", json=body, headers=caller.others)

    refused = [too_high, late, stranger, nowhere, unknown, forbidden]
    assert [(one.status_code, one.json()["code"]) for one in refused] == [
        (409, "bid-too-high"),
        (409, "auction-closed"),
        (409, "not-invited"),
        (404, "step-not-found"),
        (404, "run-not-found"),
        (403, "forbidden"),
    ]
    await caller.post(f"/v1/runs/{run['id']}/cancel")


@pytest.mark.parametrize(
    "wrong",
    [
        {"price": "-1"},
        {"price": "9" * 19},
        {"signature": "0x"},
        {"signature": "0x" + "ab" * 4097},
        {"agent_id": "x"},
    ],
)
async def test_a_bid_out_of_bounds_is_refused(caller: Caller, wrong: dict[str, str]):
    body = {"agent_id": "0x" + "ab" * 32, "price": "1", "signature": "0x" + "00" * 65} | wrong

    answer = await caller.post(f"/v1/runs/{uuid4()}/steps/a/bids", body)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
