"""Agents of the operator change at the word of whoever may write."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from mesh_registry.domain import naming
from mesh_registry.schemas.changes import ChangeRequest
from mesh_shared.canonical import canonical_json
from mesh_shared.content import cid
from pydantic import ValidationError

if TYPE_CHECKING:
    from callers_of_registry import Body, Caller
    from mesh_shared.testing import Issuer
    from unaided import Chain

COOLDOWN_S = 7 * 86_400


def switch(kind: str, version: int = 1) -> Body:
    return {"kind": kind, "expectedVersion": version}


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.fixture
def update(metadata: Any) -> Any:
    def make(*capabilities: str, version: int = 1, **more: Any) -> Body:
        said = metadata(*capabilities, **more)
        return {"kind": "update", "expectedVersion": version, "metadata": said}

    return make


async def test_an_update_gives_the_agent_other_metadata(caller: Caller, update: Any):
    await caller.registered("acme/one", "old")
    change = update("new", name="Renamed")

    answer = await caller.change("acme/one", change)

    agent = await caller.agent("acme/one")
    assert agent is not None
    assert (answer.status_code, answer.json()["kind"]) == (201, "update")
    assert (
        answer.json()["metadataCid"]
        == str(cid.of(canonical_json(change["metadata"])))
        == agent["metadataCid"]
    )
    assert (agent["name"], agent["capabilities"], agent["version"]) == ("Renamed", ["new"], 2)
    assert await caller.found("old") == []
    assert [a["agentId"] for a in await caller.found("new")] == [agent["agentId"]]


async def test_an_agent_that_is_off_is_not_found_until_it_is_on_again(caller: Caller):
    await caller.registered("acme/one", "able")

    off = await caller.change("acme/one", switch("deactivate"))
    found_off = await caller.found("able")
    on = await caller.change("acme/one", switch("activate", 2), key="on")

    assert (off.status_code, on.status_code) == (201, 201)
    assert (found_off, len(await caller.found("able"))) == ([], 1)


async def test_of_two_changes_of_one_version_one_is_made(caller: Caller, chain: Chain, update: Any):
    await caller.registered("acme/one")

    answers = await asyncio.gather(
        caller.change("acme/one", update("a"), key="a"), caller.change("acme/one", update("b"), key="b")
    )

    refused = [answer for answer in answers if answer.status_code != 201]
    agent = await caller.agent("acme/one")
    assert agent is not None
    assert [code(answer) for answer in refused] == [(409, "version-mismatch")]
    assert agent["version"] == 2


@pytest.mark.parametrize("version", [1, 3])
async def test_a_change_of_another_version_is_refused(caller_lite: Caller, chain: Chain, version: int):
    await caller_lite.registered("acme/one")
    await caller_lite.change("acme/one", switch("deactivate"))

    refused = await caller_lite.change("acme/one", switch("activate", version), key="late")

    assert code(refused) == (409, "version-mismatch")


async def test_the_same_change_is_one_operation_under_whatever_key(
    caller: Caller, chain: Chain, operator: str
):
    await caller.registered("acme/one")

    first = await caller.change("acme/one", switch("deactivate"), key="one")
    again = await caller.change("acme/one", switch("deactivate"), key="two")

    assert again.json()["operationId"] == first.json()["operationId"]
    assert await chain.nonce_of(operator) == 2


async def test_a_change_of_a_version_to_come_waits_its_turn(caller_lite: Caller, chain: Chain):
    await caller_lite.registered("acme/one")
    address = f"/v1/agents/{naming.agent_id_of('acme/one')}/changes"
    changes = [switch("deactivate", 1), switch("activate", 2), switch("deactivate", 3)]

    async with chain.holding():
        answers = [
            await caller_lite.post(address, json={"change": change}, headers={"Idempotency-Key": str(n)})
            for n, change in enumerate(changes)
        ]
        await chain.mine(1)

    agent = await caller_lite.agent_when("acme/one", lambda agent: agent["version"] == 4)
    assert [answer.status_code for answer in answers] == [202] * 3
    assert agent["active"] is False


async def test_stake_goes_in_and_out(caller_lite: Caller, chain: Chain, operator: str):
    await chain.fund(operator, 100)
    await caller_lite.registered("acme/one", stake=10)

    staked = await caller_lite.change("acme/one", {"kind": "stake", "amount": "30"}, key="in")
    with_more = await caller_lite.agent("acme/one")
    released = await caller_lite.change("acme/one", {"kind": "unstake", "amount": "25"}, key="out")
    with_less = await caller_lite.agent("acme/one")
    early = await caller_lite.change("acme/one", {"kind": "withdraw"}, key="early")
    await chain.rpc.request("evm_increaseTime", hex(COOLDOWN_S + 1))
    await chain.mine(1)
    withdrawn = await caller_lite.change("acme/one", {"kind": "withdraw"}, key="late")

    assert [a.status_code for a in (staked, released, withdrawn)] == [201] * 3
    assert (with_more and with_more["stakeAmount"], with_less and with_less["stakeAmount"]) == ("40", "15")
    assert code(early) == (409, "cooling-down")
    assert await chain.tokens_of(operator) == 85


async def test_the_same_stake_under_another_key_is_another_stake(
    caller_lite: Caller, chain: Chain, operator: str
):
    await chain.fund(operator, 100)
    await caller_lite.registered("acme/one")
    stake = {"kind": "stake", "amount": "30"}

    first = await caller_lite.change("acme/one", stake, key="one")
    again = await caller_lite.change("acme/one", stake, key="one")
    other = await caller_lite.change("acme/one", stake, key="two")

    assert first.json()["operationId"] == again.json()["operationId"] != other.json()["operationId"]
    assert await chain.tokens_of(operator) == 40


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"kind": "unstake", "amount": "1"}, "stake-too-low"),
        ({"kind": "stake", "amount": "1"}, "balance-too-low"),
        ({"kind": "stake", "amount": str(2**128)}, "stake-too-large"),
        ({"kind": "unstake", "amount": str(2**128)}, "stake-too-large"),
        ({"kind": "withdraw"}, "nothing-to-withdraw"),
        (switch("activate", 9), "version-mismatch"),
    ],
    ids=lambda value: value if isinstance(value, str) else value["kind"],
)
async def test_a_change_that_the_contract_refuses_is_told_so(caller_lite: Caller, change: Body, refusal: str):
    await caller_lite.registered("acme/one")

    answer = await caller_lite.change("acme/one", change)

    assert code(answer) == (409, refusal)


async def test_an_agent_that_is_not_there_is_not_changed(caller_lite: Caller, update: Any):
    changes = [update("new"), switch("deactivate"), {"kind": "stake", "amount": "1"}, {"kind": "withdraw"}]

    answers = [await caller_lite.change("acme/none", c, key=str(n)) for n, c in enumerate(changes)]

    assert [code(answer) for answer in answers] == [(404, "agent-not-found")] * 4


async def test_an_update_that_hides_something_is_refused_and_not_stored(caller_lite: Caller, update: Any):
    await caller_lite.registered("acme/one")

    refused = await caller_lite.change("acme/one", update("new", name="Ac\u200bme"))

    agent = await caller_lite.agent("acme/one")
    assert code(refused) == (409, "text-unfit")
    assert agent is not None
    assert agent["version"] == 1


async def test_nobody_changes_an_agent_without_the_scope(caller_lite: Caller, issuer: Issuer):
    await caller_lite.registered("acme/one")
    address = f"/v1/agents/{naming.agent_id_of('acme/one')}/changes"
    reader = issuer.headers("registry:discover", audience="registry")
    body = {"change": switch("deactivate")}

    keyless = await caller_lite.post(address, json=body)
    forbidden = await caller_lite.post(address, json=body, headers=reader | {"Idempotency-Key": "one"})

    assert (code(keyless), forbidden.status_code) == ((400, "idempotency-key-required"), 403)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "explode"},
        {"kind": "activate"},
        {"kind": "activate", "expectedVersion": 0},
        {"kind": "activate", "expectedVersion": True},
        {"kind": "activate", "expectedVersion": "1"},
        {"kind": "stake", "amount": "0"},
        {"kind": "stake", "amount": "01"},
        {"kind": "stake", "amount": 5},
        {"kind": "unstake", "amount": "-1"},
        {"kind": "unstake", "amount": "1e9"},
        {"kind": "withdraw", "amount": "1"},
        {"kind": "update", "expectedVersion": 1},
        {"expectedVersion": 1},
        [],
    ],
    ids=str,
)
def test_a_change_has_one_shape(change: object):
    with pytest.raises(ValidationError, match="change"):
        ChangeRequest.model_validate({"change": change})
