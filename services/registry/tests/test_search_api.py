"""Searching over HTTP: one search in two forms, each entry with its reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mesh_registry.domain.search import Mode

if TYPE_CHECKING:
    from callers_of_registry import Body, Caller

SEARCH = "/v1/agents/search"


@pytest.fixture
async def three(caller_lite: Caller) -> Caller:
    """The service with three agents, of which two summarize."""
    for name, about in (
        ("brief", "Summarizes papers."),
        ("gist", "Condenses news."),
        ("chart", "Draws plots."),
    ):
        capability = "image.plot" if name == "chart" else "text.summarize"
        said = caller_lite.metadata(capability, name=name, description=about)
        await caller_lite.registered(f"acme/{name}", metadata=said)
        await caller_lite.agent_when(f"acme/{name}", lambda agent: agent["name"])
    return caller_lite


async def searched(caller: Caller, **wanted: object) -> list[Body]:
    answer = await caller.http.post(SEARCH, json=wanted)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def named(entries: list[Body]) -> list[str]:
    return [entry["name"] for entry in entries]


async def test_the_two_forms_of_a_search_find_the_same(three: Caller):
    listed = await three.listed(capability="text.summarize", text="condense", minReputation=0.4)
    posted = await searched(three, capabilities=["text.summarize"], text="condense", minReputation=0.4)

    assert named(listed) == ["gist", "brief"]
    assert listed == posted


async def test_capabilities_in_an_address_are_all_wanted(three: Caller):
    both = await three.listed(capability=["text.summarize", "image.plot"])
    beginning = await three.listed(prefix="image.")

    assert (named(both), named(beginning)) == ([], ["chart"])


async def test_an_entry_says_why_it_is_there(three: Caller):
    (entry,) = await searched(three, text="draws plots", mode=Mode.WORDS)

    why = entry["why"]
    factors = why["quality"] * why["stakeWeight"] * why["recency"] * why["supporterWeight"]
    assert why["rank"] == pytest.approx(factors, abs=1e-5)
    assert why["match"] == {"score": 0.016393, "wordsRank": 1, "meaningRank": None}
    assert why["summary"] == (
        "Found as number 1 by words. "
        "Quality of 0.42 at least, as no paid work was rated yet; nothing at stake."
    )


async def test_a_search_goes_on_where_its_page_ended(three: Caller):
    first = (await three.http.post(SEARCH, json={"text": "summarize"}, params={"limit": 1})).json()
    second = await three.http.post(
        SEARCH, json={"text": "summarize"}, params={"limit": 5, "cursor": first["next_cursor"]}
    )

    assert sorted(named(first["items"] + second.json()["items"])) == ["brief", "gist"]


async def test_searching_needs_no_session(caller_lite: Caller):
    del caller_lite.http.headers["Authorization"]

    assert (await caller_lite.http.post(SEARCH, json={"text": "anything"})).status_code == 200


@pytest.mark.parametrize(
    "wanted",
    [
        {"prefix": "text"},
        {"prefix": "."},
        {"text": ""},
        {"text": "x" * 501},
        {"capabilities": ["Text"]},
        {"capabilities": ["a"] * 9},
        {"maxPrice": "-1"},
        {"minReputation": 1.5},
        {"mode": "magic"},
        {"status": "certain"},
        {"protocols": ["a:b"]},
        {"unknown": 1},
    ],
    ids=str,
)
async def test_what_is_no_search_is_refused(caller_lite: Caller, wanted: Body):
    assert (await caller_lite.http.post(SEARCH, json=wanted)).status_code == 422
