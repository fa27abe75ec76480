"""Many agents in one request: each has its own outcome, and repeating is safe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from mesh_registry.domain import naming
from mesh_registry.schemas.registrations import BatchRequest
from pydantic import ValidationError

if TYPE_CHECKING:
    from callers_of_registry import Body, Caller
    from unaided import Chain

ALL = 50


async def sent(caller: Caller, agents: list[Body], key: str = "batch") -> Any:
    return await caller.post("/v1/agents/batch", json={"agents": agents}, headers={"Idempotency-Key": key})


def codes(answer: Any) -> list[str | None]:
    return [item["problem"] and item["problem"]["code"] for item in answer.json()["items"]]


async def test_each_agent_of_a_batch_is_an_operation_of_its_own(caller: Caller, chain: Chain):
    names = ["acme/one", "acme/two", "acme/three"]

    answer = await sent(caller, [caller.wish(name) for name in names])

    operations = [item["operation"] for item in answer.json()["items"]]
    assert answer.status_code == 202
    assert [operation["agentId"] for operation in operations] == [naming.agent_id_of(name) for name in names]
    assert len({operation["transactionHash"] for operation in operations}) == 3
    for operation in operations:
        await caller.when(f"/v1/operations/{operation['operationId']}", lambda o: o["status"] == "confirmed")
    assert await chain.total_agents() == 3


async def test_a_bad_item_spoils_no_other(caller_lite: Caller, chain: Chain):
    await caller_lite.registered("acme/taken")
    bad_signature = {"owner": chain.accounts[1], "deadline": 1, "signature": "0x" + "11" * 64 + "1b"}
    agents = [
        caller_lite.wish("acme/first"),
        caller_lite.wish("acme/taken", "other"),
        caller_lite.wish("acme/hidden", metadata=caller_lite.metadata(name="Ac\u200bme")),
        caller_lite.wish("acme/foreign", authorization=bad_signature),
        caller_lite.wish("acme/rich", stake=2**128),
        caller_lite.wish("acme/last"),
    ]

    answer = await sent(caller_lite, agents)

    assert codes(answer) == [
        None,
        "agent-exists",
        "text-unfit",
        "signature-does-not-match",
        "stake-too-large",
        None,
    ]
    assert [item["operation"] is None for item in answer.json()["items"]] == [
        False,
        True,
        True,
        True,
        True,
        False,
    ]
    await caller_lite.agent_when("acme/last", lambda agent: agent["active"])
    assert await chain.total_agents() == 3


async def test_a_batch_under_its_key_is_answered_once(caller_lite: Caller, chain: Chain):
    agents = [caller_lite.wish("acme/one"), caller_lite.wish("acme/two")]

    first = await sent(caller_lite, agents)
    again = await sent(caller_lite, agents)

    assert again.headers["idempotency-replayed"] == "true"
    assert again.content == first.content
    assert await chain.total_agents() == 2


async def test_items_are_recognised_in_another_batch(caller: Caller, chain: Chain):
    one, two, three = [caller.wish(f"acme/{name}") for name in ("one", "two", "three")]
    first = await sent(caller, [one, two])

    second = await sent(caller, [two, three, one], key="other")

    def ids(answer: Any) -> list[str]:
        return [item["operation"]["operationId"] for item in answer.json()["items"]]

    assert codes(second) == [None, None, None]
    assert (ids(second)[2], ids(second)[0]) == (ids(first)[0], ids(first)[1])


async def test_the_same_agent_twice_in_a_batch_is_one(caller: Caller, chain: Chain):
    one, other = caller.wish("acme/one"), caller.wish("acme/one", "other")

    same = await sent(caller, [one, one])
    different = await sent(caller, [one, other], key="other")

    first, second = [item["operation"]["operationId"] for item in same.json()["items"]]
    assert first == second
    assert codes(different) == [None, "agent-exists"]


async def test_fifty_at_once_are_fifty_agents_with_fifty_nonces(
    caller_lite: Caller, chain: Chain, operator: str
):
    answer = await sent(caller_lite, [caller_lite.wish(f"acme/{n}") for n in range(ALL)])

    await caller_lite.eventually(lambda: all_are_there(chain), 60)
    assert codes(answer) == [None] * ALL
    assert await chain.nonce_of(operator) == ALL


async def all_are_there(chain: Chain) -> bool:
    return await chain.total_agents() == ALL


async def test_an_item_that_waits_for_its_signature_is_accepted(caller_lite: Caller, chain: Chain):
    async with chain.holding():
        await caller_lite.register(caller_lite.wish("acme/first"))
        late = await sent(caller_lite, [caller_lite.wish("acme/late", stake=1)])

    (item,) = late.json()["items"]
    assert (item["operation"]["status"], item["operation"]["transactionHash"]) == ("pending", None)


async def test_nobody_sends_a_batch_without_scope_or_key(caller_lite: Caller, chain: Chain):
    body = {"agents": [caller_lite.wish("acme/one")]}

    keyless = await caller_lite.http.post("/v1/agents/batch", json=body)
    del caller_lite.http.headers["Authorization"]
    unknown = await caller_lite.http.post("/v1/agents/batch", json=body, headers={"Idempotency-Key": "one"})

    assert (keyless.status_code, unknown.status_code) == (400, 401)
    assert await chain.total_agents() == 0


async def test_an_item_that_fits_no_schema_is_named_and_nothing_is_done(caller_lite: Caller, chain: Chain):
    answer = await sent(caller_lite, [caller_lite.wish("acme/one"), caller_lite.wish("Acme")])

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/agents/1/id"]
    assert await chain.total_agents() == 0


@pytest.mark.parametrize("count", [0, 51])
def test_a_batch_has_one_to_fifty_agents(count: int):
    with pytest.raises(ValidationError, match="agents"):
        BatchRequest.model_validate({"agents": [{}] * count})


async def test_a_batch_is_no_agent_that_could_be_looked_at(caller_lite: Caller, chain: Chain):
    answer = await caller_lite.http.get("/v1/agents/batch")

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
