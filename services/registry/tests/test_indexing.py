"""The index knows what the chain says and nothing else, whoever said it and by whatever way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh_registry.domain import naming
from mesh_shared.content import cid
from mesh_shared.testing import running
from pydantic import SecretStr

if TYPE_CHECKING:
    from pathlib import Path

    from callers_of_registry import Body, Caller
    from unaided import Chain

    from conftest import MakeApp

ELSEWHERE = str(cid.of(b"not in our store"))


def listed(agent: Body) -> Body:
    """What a list says of an agent that was read by itself."""
    return {name: value for name, value in agent.items() if name not in ("card", "validation")}


async def test_a_stranger_s_agent_is_found_like_any_other(caller: Caller, chain: Chain):
    stranger = chain.accounts[1]
    where = await caller.store_metadata("test-capability")

    token_id = await chain.register(stranger, "their/agent", where, "test-capability", stake=7)
    agent = await caller.agent_when("their/agent", lambda agent: agent["metadataStatus"] == "fetched")

    assert agent["owner"].lower() == stranger
    assert (agent["tokenId"], agent["did"], agent["stakeAmount"]) == (str(token_id), "did:x:y", "7")
    assert agent["metadataCid"] == where
    assert await caller.found("test-capability") == [listed(agent)]


async def test_an_agent_of_plain_erc_8004_has_the_id_that_the_contract_derives(
    caller_lite: Caller, chain: Chain
):
    where = await caller_lite.store_metadata()
    token_id, agent_id = await chain.register_plainly(chain.accounts[1], f"ipfs://{where}")

    agent = await caller_lite.when(
        f"/v1/agents/{agent_id}", lambda agent: agent["metadataStatus"] == "fetched"
    )

    assert agent["tokenId"] == str(token_id)
    assert (agent["name"], agent["did"]) == ("Summarizer", "")
    assert agent["capabilities"] == []


async def test_an_update_moves_the_agent_to_its_new_capabilities(caller: Caller, chain: Chain):
    owner = chain.accounts[1]
    before, after = await caller.store_metadata("old"), await caller.store_metadata("new", name="Renewed")
    await chain.register(owner, "their/agent", before, "old")
    await caller.agent_when("their/agent", lambda agent: agent["metadataStatus"] == "fetched")

    await chain.update(owner, "their/agent", after, "new")
    agent = await caller.agent_when("their/agent", lambda agent: agent["name"] == "Renewed")

    assert agent["version"] == 2
    assert await caller.found("new") == [listed(agent)]
    assert await caller.found("old") == []


async def test_a_new_uri_alone_changes_what_the_agent_says_and_not_what_it_can(
    caller_lite: Caller, chain: Chain
):
    owner = chain.accounts[1]
    before = await caller_lite.store_metadata("a", "b")
    token_id = await chain.register(owner, "their/agent", before, "a", "b")
    await caller_lite.agent_when("their/agent", lambda agent: agent["capabilities"] == ["a", "b"])

    after = await caller_lite.store_metadata("b", "c", name="Renamed")
    await chain.locate(owner, token_id, f"ipfs://{after}")
    agent = await caller_lite.agent_when("their/agent", lambda agent: agent["name"] == "Renamed")

    assert (agent["capabilities"], agent["version"]) == (["b"], 2)


async def test_a_capability_counts_when_document_and_chain_both_say_it(caller_lite: Caller, chain: Chain):
    where = await caller_lite.store_metadata("both", "document-only")
    await chain.register(chain.accounts[1], "their/agent", where, "both", "chain-only")

    agent = await caller_lite.agent_when("their/agent", lambda agent: agent["metadataStatus"] == "fetched")

    assert agent["capabilities"] == ["both"]
    assert [await caller_lite.found(name) for name in ("both", "document-only", "chain-only")] == [
        [listed(agent)],
        [],
        [],
    ]


async def test_an_agent_that_is_off_is_shown_but_not_found_until_it_is_on_again(caller: Caller, chain: Chain):
    owner = chain.accounts[1]
    await chain.register(owner, "their/agent", await caller.store_metadata(), "text.summarize")
    await caller.agent_when("their/agent", lambda agent: agent["metadataStatus"] == "fetched")

    await chain.switch(owner, "their/agent", on=False, version=1)
    off = await caller.agent_when("their/agent", lambda agent: not agent["active"])
    found_off, listed_off = await caller.found(), await caller.listed()
    await chain.switch(owner, "their/agent", on=True, version=2)
    on = await caller.agent_when("their/agent", lambda agent: agent["active"])

    assert (found_off, listed_off) == ([], [])
    assert off["capabilities"] == ["text.summarize"]
    assert await caller.found() == [listed(on)]
    assert on["version"] == 3


async def test_an_agent_belongs_to_whom_it_was_transferred(caller_lite: Caller, chain: Chain):
    owner, buyer = chain.accounts[1], chain.accounts[2]
    token_id = await chain.register(owner, "their/agent", ELSEWHERE)

    await chain.transfer(owner, token_id, buyer)

    await caller_lite.agent_when("their/agent", lambda agent: agent["owner"].lower() == buyer)


async def test_a_stake_may_grow_by_anyone_s_hand(caller_lite: Caller, chain: Chain):
    await chain.register(chain.accounts[1], "their/agent", ELSEWHERE, stake=5)

    await chain.bond(chain.accounts[2], "their/agent", 6)

    await caller_lite.agent_when("their/agent", lambda agent: agent["stakeAmount"] == "11")


async def test_a_stake_on_its_way_out_counts_no_more(caller_lite: Caller, chain: Chain):
    owner = chain.accounts[1]
    await chain.register(owner, "their/agent", ELSEWHERE, stake=5)

    await chain.unbond(owner, "their/agent", 2)

    await caller_lite.agent_when("their/agent", lambda agent: agent["stakeAmount"] == "3")


async def test_a_slash_is_seen(caller_lite: Caller, chain: Chain):
    await chain.register(chain.accounts[1], "their/agent", ELSEWHERE, stake=10)

    await chain.slash("their/agent", 4)

    await caller_lite.agent_when("their/agent", lambda agent: agent["stakeAmount"] == "6")


async def test_an_agent_is_as_sure_as_the_depth_of_what_its_owner_said(
    make_app: MakeApp, operator: str, writer: dict[str, str], chain: Chain, caller_of: type[Caller]
):
    owner = chain.accounts[1]
    async with running(app := make_app(confirmations=3, finality=5), writer) as http:
        caller = caller_of(http, app)
        await chain.register(owner, "their/agent", ELSEWHERE)
        pending = await caller.agent_when("their/agent", lambda _: True)
        await chain.mine(2)
        await caller.agent_when("their/agent", lambda agent: agent["status"] == "confirmed")
        await chain.mine(2)
        await caller.agent_when("their/agent", lambda agent: agent["status"] == "finalized")
        await chain.switch(owner, "their/agent", on=False)
        switched = await caller.agent_when("their/agent", lambda agent: not agent["active"])

    assert (pending["status"], switched["status"]) == ("pending", "pending")


async def test_nobody_keeps_an_agent_unconfirmed_by_staking_for_it_or_rating_it(
    make_app: MakeApp, operator: str, writer: dict[str, str], chain: Chain, caller_of: type[Caller]
):
    owner, patron, client = chain.accounts[1:4]
    async with running(app := make_app(confirmations=2), writer) as http:
        caller = caller_of(http, app)
        token_id = await chain.register(owner, "their/agent", ELSEWHERE)
        await chain.rate(client, token_id, 1)
        rated = await caller.agent_when("their/agent", lambda agent: agent["unprovenFeedbackCount"] == 1)
        await chain.bond(patron, "their/agent", 5)
        staked = await caller.agent_when("their/agent", lambda agent: agent["stakeAmount"] == "5")

    assert (rated["status"], staked["status"]) == ("confirmed", "confirmed")


SPELLINGS = {
    "ipfs://" + "Qm" + "a" * 44: "a CIDv0",
    "ipfs://" + ELSEWHERE[:1] + ELSEWHERE[1:].upper(): "capitals",
    "ipfs://" + ELSEWHERE + "======": "padding",
    "ipfs://" + ELSEWHERE + "/card.json": "a path",
    "ipfs://": "nothing",
    "IPFS://" + ELSEWHERE: "a scheme in capitals",
    "https://agent.example/card.json": "a web address",
    "": "no URI",
    "\0\0": "NUL",
    "ipfs://" + "b" * 5000: "length",
    "ipfs://ÿ\u202e": "what is not ASCII",
}


async def test_a_uri_that_names_no_content_is_shown_as_none_and_stops_nothing(caller: Caller, chain: Chain):
    owner = chain.accounts[1]
    ids = [(await chain.register_plainly(owner, uri))[1] for uri in SPELLINGS]
    await chain.register(owner, "last", ELSEWHERE)

    await caller.agent_when("last", lambda _: True)
    agents = [(await caller.http.get(f"/v1/agents/{id}")).json() for id in ids]

    assert {(agent["metadataCid"], agent["metadataStatus"]) for agent in agents} == {(None, "unavailable")}


async def test_bytes_that_are_no_text_are_read_as_far_as_they_are(caller: Caller, chain: Chain):
    owner = chain.accounts[1]
    await chain.register_raw(owner, "garbage", did=b"did:\xff\xfe:\x00", ipfs_hash=b"\x00\xc3\x28")

    agent = await caller.agent_when("garbage", lambda _: True)

    assert agent["did"] == "did:\ufffd\ufffd:\ufffd"
    assert agent["metadataCid"] is None


async def test_feedback_with_any_words_is_taken_in(caller: Caller, chain: Chain):
    token_id = await chain.register(chain.accounts[1], "their/agent", ELSEWHERE)

    await chain.rate(chain.accounts[2], token_id, -(10**38), decimals=18, tag="\0\u202e" + "é" * 60)
    await caller.agent_when("their/agent", lambda _: True)
    page = await caller.when(
        f"/v1/agents/{naming.agent_id_of('their/agent')}/reputation", lambda page: len(page["items"]) == 1
    )

    (feedback,) = page["items"]
    assert feedback["value"] == str(-(10**38))
    assert feedback["tag1"] == "\ufffd\u202e" + "é" * 60
    assert (feedback["score"], feedback["counts"]) == (None, False)


async def test_after_a_restart_the_index_goes_on_where_it_was(
    make_app: MakeApp, operator: str, writer: dict[str, str], chain: Chain, caller_of: type[Caller]
):
    owner = chain.accounts[1]
    async with running(app := make_app(), writer) as http:
        await chain.register(owner, "first", ELSEWHERE)
        await caller_of(http, app).agent_when("first", lambda _: True)
    await chain.register(owner, "second", ELSEWHERE)
    async with running(app := make_app(), writer) as http:
        caller = caller_of(http, app)
        await caller.agent_when("second", lambda _: True)
        told = await caller.events("agent-registered")

    assert [event["subject"] for event in told] == [
        naming.agent_id_of("first"),
        naming.agent_id_of("second"),
    ]


async def test_an_index_made_anew_is_the_same(
    make_app: MakeApp,
    operator: str,
    writer: dict[str, str],
    chain: Chain,
    caller_of: type[Caller],
    tmp_path: Path,
):
    owner, buyer, client = chain.accounts[1:4]
    async with running(app := make_app(), writer) as http:
        caller = caller_of(http, app)
        before = await caller.store_metadata("a")
        token_id = await chain.register(owner, "their/agent", before, "a", stake=3)
        await chain.rate(client, token_id, 95, paid_to=owner)
        await caller.agent_when("their/agent", lambda agent: agent["feedbackCount"] == 1)
        await chain.update(owner, "their/agent", await caller.store_metadata("b"), "b")
        await chain.transfer(owner, token_id, buyer)
        await chain.rate(client, token_id, 20)
        grown = await caller.agent_when(
            "their/agent",
            lambda agent: agent["unprovenFeedbackCount"] == 1 and agent["metadataStatus"] == "fetched",
        )
    async with running(
        app := make_app(database_url=SecretStr(f"sqlite+aiosqlite:///{tmp_path}/new.db")), writer
    ) as http:
        caller = caller_of(http, app)
        made_anew = await caller.agent_when("their/agent", lambda agent: agent == grown)

    assert made_anew["capabilities"] == ["b"]


async def test_a_long_chain_is_read_to_its_end(
    make_app: MakeApp, operator: str, writer: dict[str, str], chain: Chain, caller_of: type[Caller]
):
    owner = chain.accounts[1]
    for n in range(3):
        await chain.register(owner, f"their/{n}", ELSEWHERE)
        await chain.mine(60)
    async with running(app := make_app(), writer) as http:
        for n in range(3):
            await caller_of(http, app).agent_when(f"their/{n}", lambda agent: agent["status"] == "finalized")
