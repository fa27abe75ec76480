"""What clients said of an agent, and what it adds up to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mesh_registry.domain import naming
from mesh_shared.content import cid

if TYPE_CHECKING:
    from callers_of_registry import Body, Caller
    from unaided import Chain

ELSEWHERE = str(cid.of(b"not in our store"))
ADDRESS = f"/v1/agents/{naming.agent_id_of('their/agent')}/reputation"


@pytest.fixture
async def token_id(chain: Chain) -> int:
    return await chain.register(chain.accounts[1], "their/agent", ELSEWHERE)


async def when_said(caller: Caller, count: int) -> Body:
    """The page once it has `count` pieces of feedback."""
    return await caller.when(ADDRESS, lambda page: len(page["items"]) == count)


async def test_feedback_with_a_settled_escrow_makes_the_reputation(
    caller: Caller, chain: Chain, token_id: int
):
    client = chain.accounts[2]
    sent = await chain.rate(client, token_id, 9250, decimals=2, paid_to=chain.accounts[1])

    page = await when_said(caller, 1)

    (feedback,) = page["items"]
    assert (page["feedbackCount"], page["unprovenFeedbackCount"]) == (1, 0)
    assert page["reputation"] == 0.54141
    assert feedback["client"].lower() == client
    assert (feedback["value"], feedback["valueDecimals"], feedback["score"]) == ("9250", 2, 0.925)
    assert feedback["counts"]
    assert len(feedback["escrowId"]) == 66
    assert feedback["transactionHash"] == sent


async def test_feedback_that_nobody_paid_for_is_shown_and_weighs_nothing(
    caller: Caller, chain: Chain, token_id: int
):
    for client in chain.accounts[2:5]:
        await chain.rate(client, token_id, 100)

    page = await when_said(caller, 3)

    assert (page["feedbackCount"], page["unprovenFeedbackCount"]) == (0, 3)
    assert page["reputation"] == 0.420104
    assert not any(feedback["counts"] or feedback["escrowId"] for feedback in page["items"])


async def test_what_is_no_quality_score_is_shown_and_weighs_nothing(
    caller_lite: Caller, chain: Chain, token_id: int
):
    for tag, value in (("speed", 100), ("quality", 101), ("quality", -1), ("", 50)):
        await chain.rate(chain.accounts[2], token_id, value, tag=tag, paid_to=chain.accounts[1])

    page = await when_said(caller_lite, 4)

    assert (page["feedbackCount"], page["unprovenFeedbackCount"]) == (0, 0)
    assert [feedback["score"] for feedback in page["items"]] == [None] * 4


async def test_feedback_that_was_revoked_counts_no_more(caller: Caller, chain: Chain, token_id: int):
    client = chain.accounts[2]
    await chain.rate(client, token_id, 0, paid_to=chain.accounts[1])
    await caller.agent_when("their/agent", lambda agent: agent["feedbackCount"] == 1)

    await chain.revoke(client, token_id, 1)
    agent = await caller.agent_when("their/agent", lambda agent: agent["feedbackCount"] == 0)
    page = await when_said(caller, 1)

    assert agent["reputation"] == page["reputation"] == 0.420104
    assert (page["items"][0]["revoked"], page["items"][0]["counts"]) == (True, False)


async def test_feedback_comes_newest_first_and_in_pages(caller: Caller, chain: Chain, token_id: int):
    for value in range(5):
        await chain.rate(chain.accounts[2 + value % 2], token_id, value)
    await when_said(caller, 5)

    first = (await caller.http.get(ADDRESS, params={"limit": 3})).json()
    rest = (await caller.http.get(ADDRESS, params={"limit": 3, "cursor": first["next_cursor"]})).json()

    assert [feedback["value"] for feedback in first["items"]] == ["4", "3", "2"]
    assert [feedback["value"] for feedback in rest["items"]] == ["1", "0"]
    assert rest["next_cursor"] is None
    assert [feedback["index"] for feedback in first["items"]] == [3, 2, 2]


async def test_a_reputation_that_has_not_changed_is_not_sent_again(
    caller_lite: Caller, chain: Chain, token_id: int
):
    await caller_lite.agent_when("their/agent", lambda _: True)
    etag = (await caller_lite.http.get(ADDRESS)).headers["etag"]

    same = await caller_lite.http.get(ADDRESS, headers={"If-None-Match": etag})
    await chain.rate(chain.accounts[2], token_id, 50)
    await when_said(caller_lite, 1)
    changed = await caller_lite.http.get(ADDRESS, headers={"If-None-Match": etag})

    assert (same.status_code, changed.status_code) == (304, 200)


async def test_praise_for_work_whose_money_went_back_weighs_nothing(
    caller: Caller, chain: Chain, token_id: int
):
    await chain.rate(chain.accounts[2], token_id, 100, paid_to=chain.accounts[1], is_refunded=True)

    page = await when_said(caller, 1)

    (feedback,) = page["items"]
    assert (feedback["refunded"], feedback["counts"]) == (True, False)
    assert (page["reputation"], page["unprovenFeedbackCount"], page["supporterCount"]) == (0.420104, 1, 0)


async def test_blame_for_work_whose_money_went_back_is_a_penalty(caller: Caller, chain: Chain, token_id: int):
    await chain.rate(chain.accounts[2], token_id, 20, paid_to=chain.accounts[1], is_refunded=True)

    page = await when_said(caller, 1)

    assert page["items"][0]["counts"]
    assert (page["feedbackCount"], page["penaltyCount"]) == (1, 1)
    assert page["reputation"] < 0.420104


async def test_a_client_who_was_content_twice_is_one_supporter(caller: Caller, chain: Chain, token_id: int):
    for client in (2, 2, 3):
        await chain.rate(chain.accounts[client], token_id, 90, paid_to=chain.accounts[1])

    page = await when_said(caller, 3)

    assert (page["feedbackCount"], page["supporterCount"]) == (3, 2)


async def test_answers_to_feedback_are_shown_with_it_the_newest_first(
    caller: Caller, chain: Chain, token_id: int
):
    client, owner, stranger = chain.accounts[2], chain.accounts[1], chain.accounts[3]
    await chain.rate(client, token_id, 10)
    await chain.rate(client, token_id, 20)
    await chain.respond(owner, token_id, client, 1, "ipfs://sorry")
    for n in range(11):
        await chain.respond(stranger, token_id, client, 2, f"ipfs://spam/{n}")

    page = await caller.when(
        ADDRESS, lambda page: any(r["uri"] == "ipfs://spam/10" for i in page["items"] for r in i["responses"])
    )

    spammed, answered = page["items"]
    assert [(r["responder"].lower(), r["uri"]) for r in answered["responses"]] == [(owner, "ipfs://sorry")]
    assert [r["uri"] for r in spammed["responses"]] == [f"ipfs://spam/{n}" for n in range(10, 0, -1)]


async def test_an_agent_that_is_not_there_has_no_reputation(caller_lite: Caller):
    answer = await caller_lite.http.get(ADDRESS)

    assert (answer.status_code, answer.json()["code"]) == (404, "agent-not-found")
