"""Agents are found by what they can do, best first, from the index alone."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mesh_registry.domain import naming
from mesh_registry.domain.agents import Agent, Document, DocumentState
from mesh_registry.domain.metadata import AgentMetadata
from mesh_registry.domain.reputation import PPM, Standing
from mesh_registry.domain.search import labels
from mesh_registry.repository.agents import Agents
from mesh_registry.repository.documents import Documents
from mesh_shared.content import cid

if TYPE_CHECKING:
    from callers_of_registry import Body, Caller
    from unaided import Chain

WHERE = str(cid.of(b"the document of them all"))


def ranked(token_id: int, reputation_ppm: int = 0, stake_units: int = 0) -> Agent:
    return Agent(
        token_id=token_id,
        agent_id=naming.agent_id_of(f"agent/{token_id}"),
        transaction_hash=f"0x{token_id:064x}",
        registered_in=1,
        changed_in=1,
        stated_in=1,
        uri=f"ipfs://{WHERE}",
        owner="0x" + "11" * 20,
        stake_units=stake_units,
        standing=Standing(reputation_ppm, 1, 0),
    )


async def indexed(caller: Caller, *agents: Agent, names: tuple[str, ...] = ("text.summarize",)) -> None:
    """Writes what an indexer would write, only faster."""
    async with caller.app.state.platform.database.write() as session:
        documents = Documents(session)
        await documents.ensure([WHERE], datetime.now(UTC))
        metadata = AgentMetadata.model_validate(caller.metadata(*names))
        await documents.decide({WHERE: Document(DocumentState.FETCHED, metadata)}, datetime.now(UTC))
        for agent in agents:
            await Agents(session).save([(agent, labels(metadata, names))])


async def pages(caller: Caller, **params: str | int) -> list[list[str]]:
    """The ids on all pages."""
    found: list[list[str]] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await caller.http.get("/v1/agents", params=params | cursor)).json()
        found.append([agent["agentId"] for agent in page["items"]])
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


def ids(*agents: Agent) -> list[str]:
    return [agent.agent_id for agent in agents]


async def test_the_best_come_first_by_reputation_then_stake_then_id(caller: Caller):
    dice = random.Random(371)  # noqa: S311 - a fixed shuffle
    agents = [
        ranked(n, dice.choice([0, 420_104, PPM]), dice.choice([0, 9, 10, 2**128 - 1])) for n in range(40)
    ]
    await indexed(caller, *agents)

    found = await caller.found(limit=100)

    best = sorted(agents, key=lambda a: (-a.standing.reputation_ppm, -a.stake_units, a.agent_id))
    assert [agent["agentId"] for agent in found] == ids(*best)


async def test_an_entry_says_who_the_agent_is_and_what_it_says_of_itself(caller: Caller, operator: str):
    tool = {
        "name": "SUMMARIZE",
        "description": "One paragraph.",
        "capability": "text.summarize",
        "parameters": {"type": "object"},
        "price": "250000",
        "protocol": "mcp",
        "readOnly": True,
        "idempotent": True,
    }
    past = {"source": "https://other.example", "score": 0.5, "at": "2026-01-31T12:00:00Z"}
    said = caller.metadata("text.summarize", toolDefinitions=[tool], reputationHistory=[past])
    await caller.registered("acme/one", metadata=said)

    (entry,) = await caller.found()

    assert {name: entry[name] for name in said} == said
    assert entry["agentId"] == naming.agent_id_of("acme/one")
    assert entry["did"].endswith(operator)
    assert (entry["reputation"], entry["stakeAmount"]) == (0.420104, "0")


async def test_only_those_are_found_that_can_do_it(caller: Caller):
    await indexed(caller, ranked(1), ranked(2), names=("text.summarize", "text.translate"))
    await indexed(caller, ranked(3), names=("text.summarize/short",))

    assert [len(await caller.found(name)) for name in ("text.translate", "text.summarize/short")] == [2, 1]
    assert await caller.found("text") == []
    assert len(await caller.listed()) == 3


async def test_all_pages_together_are_the_list(caller: Caller):
    agents = [ranked(n, reputation_ppm=1000 - n) for n in range(7)]
    await indexed(caller, *agents)

    by_three = await pages(caller, capability="text.summarize", limit=3)
    by_seven = await pages(caller, limit=7)

    assert by_three == [ids(*agents[:3]), ids(*agents[3:6]), ids(agents[6])]
    assert by_seven == [ids(*agents), []]


async def test_a_page_links_to_the_next(caller_lite: Caller):
    await indexed(caller_lite, ranked(1), ranked(2))

    first = await caller_lite.http.get("/v1/agents", params={"capability": "text.summarize", "limit": 1})
    address, _, relation = first.headers["link"].partition("; ")
    second = await caller_lite.http.get(address.strip("<>"))

    assert relation == 'rel="next"'
    assert {first.json()["items"][0]["tokenId"], second.json()["items"][0]["tokenId"]} == {"1", "2"}


async def test_who_comes_between_two_pages_shifts_nothing(caller: Caller):
    agents = [ranked(n, reputation_ppm=100 - n) for n in range(1, 5)]
    await indexed(caller, *agents)
    first = (await caller.http.get("/v1/agents", params={"limit": 2})).json()

    better, worse = ranked(8, reputation_ppm=PPM), ranked(9, reputation_ppm=1)
    await indexed(caller, better, worse)
    rest = await pages(caller, limit=50, cursor=first["next_cursor"])

    assert [agent["agentId"] for agent in first["items"]] == ids(*agents[:2])
    assert rest == [ids(*agents[2:], worse)]


async def test_a_page_has_one_to_a_hundred_entries(caller_lite: Caller):
    limits = ["0", "101", "-1", "ten", "1", "100"]

    answers = [await caller_lite.http.get("/v1/agents", params={"limit": limit}) for limit in limits]

    assert [answer.status_code for answer in answers] == [422, 422, 422, 422, 200, 200]


async def test_a_cursor_is_good_for_the_list_that_gave_it(caller_lite: Caller):
    await indexed(caller_lite, ranked(1), ranked(2))
    cursor = (await caller_lite.http.get("/v1/agents", params={"limit": 1})).json()["next_cursor"]
    other = f"/v1/agents/{ranked(1).agent_id}/reputation"

    forged = await caller_lite.http.get("/v1/agents", params={"cursor": cursor.swapcase()})
    foreign = await caller_lite.http.get(other, params={"cursor": cursor})

    assert (forged.status_code, foreign.status_code) == (404, 404)
    assert forged.json()["code"] == "cursor-not-found"


async def test_a_list_that_has_not_changed_is_not_sent_again(caller_lite: Caller):
    await indexed(caller_lite, ranked(1))
    await caller_lite.agent_when("agent/1", lambda agent: agent["status"] == "confirmed")
    etag = (await caller_lite.http.get("/v1/agents")).headers["etag"]

    same = await caller_lite.http.get("/v1/agents", headers={"If-None-Match": etag})
    await indexed(caller_lite, ranked(2))
    changed = await caller_lite.http.get("/v1/agents", headers={"If-None-Match": etag})

    assert (same.status_code, same.content) == (304, b"")
    assert changed.status_code == 200


async def test_an_agent_that_has_not_changed_is_not_sent_again(caller_lite: Caller):
    await indexed(caller_lite, ranked(1))
    await caller_lite.agent_when("agent/1", lambda agent: agent["status"] == "confirmed")
    address = f"/v1/agents/{ranked(1).agent_id}"
    etag = (await caller_lite.http.get(address)).headers["etag"]

    same = await caller_lite.http.get(address, headers={"If-None-Match": f'"other", {etag}'})
    await indexed(caller_lite, ranked(1, stake_units=1))
    changed = await caller_lite.http.get(address, headers={"If-None-Match": etag})

    assert (same.status_code, changed.status_code) == (304, 200)


async def test_what_is_no_capability_is_refused(caller_lite: Caller):
    none = ["", "Text", "text summarize", "text'; DROP TABLE agents; --", "%", "a" * 129]

    answers = [await caller_lite.http.get("/v1/agents", params={"capability": name}) for name in none]

    assert {answer.status_code for answer in answers} == {422}


async def test_an_agent_s_id_is_written_in_one_way(caller_lite: Caller):
    answer = await caller_lite.http.get(f"/v1/agents/{naming.agent_id_of('acme/one').upper()}")

    assert answer.status_code == 422


async def test_poor_work_puts_an_agent_behind_a_newcomer(caller: Caller, chain: Chain):
    poor, fresh, client = chain.accounts[1:4]
    where = await caller.store_metadata()
    token_id = await chain.register(poor, "poor", where, "text.summarize", stake=100)
    await chain.register(fresh, "fresh", where, "text.summarize")
    await caller.agent_when("fresh", lambda agent: agent["metadataStatus"] == "fetched")
    before = await caller.found()

    await chain.rate(client, token_id, 30, paid_to=poor)
    await caller.agent_when("poor", lambda agent: agent["feedbackCount"] == 1)
    after = await caller.found()

    assert tokens(before) == [str(token_id), str(token_id + 1)]
    assert tokens(after) == [str(token_id + 1), str(token_id)]


def tokens(agents: list[Body]) -> list[str]:
    return [agent["tokenId"] for agent in agents]


async def test_finding_needs_no_session(caller_lite: Caller):
    del caller_lite.http.headers["Authorization"]

    assert (await caller_lite.http.get("/v1/agents")).status_code == 200
