"""The catalog at its edges: without agents, without those that are off, with bad tokens and sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from mesh_registry.domain import catalog, naming
from mesh_registry.schemas.catalog import CatalogExploration, CatalogSearch
from mesh_registry.service import browsing
from pydantic import ValidationError

if TYPE_CHECKING:
    from callers_of_registry import Body, Caller

FACETS = {"facets": [{"field": "capabilities"}]}


@pytest.fixture
async def three(caller_lite: Caller) -> Caller:
    """A caller of a registry with three agents, of which two summarize."""
    for name, capability in (("a", "text.summarize"), ("b", "text.summarize"), ("c", "image.plot")):
        said = caller_lite.metadata(capability, name=name, description="Handles papers.")
        await caller_lite.registered(f"acme/{name}", metadata=said)
        await caller_lite.agent_when(f"acme/{name}", lambda agent: agent["name"])
    return caller_lite


def named(entries: list[Body]) -> list[str]:
    return sorted(entry["displayName"] for entry in entries)


async def searched(caller: Caller, text: str = "papers", **more: Any) -> list[Body]:
    answer = await caller.post("/search", json={"query": {"text": text}} | more)
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


async def test_a_registry_without_agents_lists_itself_alone(caller_lite: Caller):
    whole = (await caller_lite.http.get("/.well-known/ai-catalog.json")).json()
    browsed = (await caller_lite.http.get("/agents")).json()
    explored = (await caller_lite.post("/explore", json={"resultType": FACETS})).json()

    assert [entry["type"] for entry in whole["entries"]] == [catalog.REGISTRY]
    assert browsed == {"items": []}
    assert await searched(caller_lite) == []
    assert explored["facets"] == {"capabilities": {"buckets": [], "otherCount": 0}}


async def test_an_agent_that_is_off_is_in_no_list_and_shown_as_off(three: Caller):
    await three.change("acme/a", {"kind": "deactivate", "expectedVersion": 1})

    browsed = (await three.http.get("/agents")).json()["items"]
    file = await three.http.get(f"/v1/agents/{naming.agent_id_of('acme/a')}/erc8004.json")

    assert named(browsed) == named(await searched(three)) == ["b", "c"]
    assert (file.status_code, file.json()["active"]) == (200, False)


async def test_pages_of_one_show_each_agent_once(three: Caller):
    seen: list[str] = []
    token: dict[str, str] = {}
    while items := (page := (await three.http.get("/agents", params={"pageSize": 1} | token)).json())[
        "items"
    ]:
        seen += named(items)
        token = {"pageToken": page["pageToken"]}

    assert sorted(seen) == ["a", "b", "c"]
    assert "pageToken" not in page


async def test_pages_of_a_search_show_each_result_once_in_the_order_of_the_whole(three: Caller):
    whole = await searched(three, "summarize papers")
    asked: Body = {"query": {"text": "summarize papers"}, "pageSize": 1}
    seen: list[Body] = []
    while True:
        answer = await three.post("/search", json=asked)
        seen += answer.json()["results"]
        if "pageToken" not in answer.json():
            break
        asked["pageToken"] = answer.json()["pageToken"]

    assert seen == whole
    assert "Link" not in answer.headers


async def test_a_filter_is_looked_through_beyond_the_first_page(three: Caller):
    only = {"query": {"text": "summarize papers", "filter": {"displayName": "c"}}, "pageSize": 1}

    answer = (await three.post("/search", json=only)).json()

    assert named(answer["results"]) == ["c"]
    assert "pageToken" not in answer


async def test_a_token_of_another_list_continues_no_search(three: Caller):
    own = (await three.http.get("/agents", params={"pageSize": 1})).json()["pageToken"]

    answer = await three.post("/search", json={"query": {"text": "papers"}, "pageToken": own})

    assert (answer.status_code, answer.json()["code"]) == (404, "cursor-not-found")


async def test_without_a_text_all_are_explored(three: Caller):
    explored = (await three.post("/explore", json={"resultType": FACETS})).json()["facets"]

    assert sum(bucket["count"] for bucket in explored["capabilities"]["buckets"]) == 3


async def test_the_best_are_the_same_in_whatever_portions_they_are_read(three: Caller):
    discovery = three.app.state.service.discovery
    whole = [listing.agent.agent_id for listing in await browsing.best(discovery, 10)]

    async def found(most: int, portion: int) -> list[str]:
        return [listing.agent.agent_id for listing in await browsing.best(discovery, most, portion)]

    assert len(whole) == 3
    assert [await found(10, portion) for portion in (1, 2, 3, 4)] == [whole] * 4
    assert await found(2, 1) == await found(2, 5) == whole[:2]


async def test_a_token_is_good_for_the_list_that_gave_it_and_unchanged(three: Caller):
    own = (await three.http.get("/agents", params={"pageSize": 1})).json()["pageToken"]
    other = (await three.http.get("/v1/agents", params={"limit": 1})).json()["next_cursor"]

    codes = {
        name: (await three.http.get("/agents", params={"pageToken": token})).status_code
        for name, token in {
            "own": own,
            "another list's": other,
            "cut": own[:-1],
            "empty": "",
            "unsigned": own.partition(".")[0],
            "no token at all": "a b",
            "long": "a" * 1025,
        }.items()
    }

    assert codes == {
        "own": 200,
        "another list's": 404,
        "cut": 404,
        "empty": 404,
        "unsigned": 404,
        "no token at all": 422,
        "long": 422,
    }


async def test_a_page_has_one_to_a_hundred_entries(caller_lite: Caller):
    sizes = ["1", "100", "0", "101", "-1", "1.5", "all"]

    answers = [await caller_lite.http.get("/agents", params={"pageSize": size}) for size in sizes]

    assert [answer.status_code for answer in answers] == [200, 200, 422, 422, 422, 422, 422]


async def test_a_search_shows_as_many_as_are_asked_for_the_nearest_first(three: Caller):
    whole = await searched(three, "summarize papers")

    assert await searched(three, "summarize papers", pageSize=1) == whole[:1]
    assert named(whole[:2]) == ["a", "b"]
    assert [result["score"] for result in whole] == sorted((r["score"] for r in whole), reverse=True)


async def test_what_is_not_shown_of_a_facet_is_counted(three: Caller):
    facets = [{"field": "capabilities", "minCount": 2}, {"field": "displayName", "limit": 1}]

    explored = (await three.post("/explore", json={"resultType": {"facets": facets}})).json()["facets"]

    assert explored == {
        "capabilities": {"buckets": [{"value": "text.summarize", "count": 2}], "otherCount": 1},
        "displayName": {"buckets": [{"value": "a", "count": 1}], "otherCount": 2},
    }


async def test_exploring_counts_what_a_text_finds_and_a_filter_leaves(three: Caller):
    query = {"text": "papers", "filter": {"capabilities": "image.plot"}}

    explored = (await three.post("/explore", json={"query": query, "resultType": FACETS})).json()["facets"]

    assert explored["capabilities"]["buckets"] == [{"value": "image.plot", "count": 1}]


@pytest.mark.parametrize(
    "change",
    [
        {"query": {"text": ""}},
        {"query": {"text": "x" * 501}},
        {"query": {"text": "x", "filter": {f"a{'b' * n}": "v" for n in range(11)}}},
        {"query": {"text": "x", "filter": {"a b": "v"}}},
        {"query": {"text": "x", "filter": {"type": "v" * 201}}},
        {"query": {"text": "x", "filter": {"type": 1}}},
        {"pageSize": 0},
        {"pageSize": 101},
        {"federation": "always"},
        {"more": 1},
    ],
    ids=lambda change: str(change)[:60],
)
def test_what_is_no_search_of_a_catalog_is_refused(change: Body):
    good: Body = {"query": {"text": "x"}}

    assert CatalogSearch.model_validate(good).pageSize == 10
    with pytest.raises(ValidationError):
        CatalogSearch.model_validate(good | change)


@pytest.mark.parametrize(
    "facets",
    [
        [],
        [{"field": "type"}] * 11,
        [{"field": ""}],
        [{"field": ".type"}],
        [{"field": "type", "limit": 0}],
        [{"field": "type", "limit": 101}],
        [{"field": "type", "minCount": 0}],
    ],
    ids=lambda facets: str(facets)[:60],
)
def test_what_cannot_be_counted_is_refused(facets: list[Body]):
    with pytest.raises(ValidationError):
        CatalogExploration.model_validate({"resultType": {"facets": facets}})
