"""What a change affects, as a graph and in words."""

from typing import Any

from mesh_console.domain.workspace import graph
from visiting import Browser, Town


def via(source: str, target: str) -> dict[str, str]:
    return {"source": source, "target": target, "kind": "static"}


def affected(project: str, reason: str, *ways: dict[str, str]) -> dict[str, Any]:
    return {"project": project, "reason": reason, "files": [], "via": list(ways)}


def analysis(path: list[str], *detail: dict[str, Any]) -> dict[str, Any]:
    return {"criticalPath": {"tasks": [{"project": name} for name in path]}, "affectedDetail": list(detail)}


def test_a_change_travels_from_what_is_used_to_what_uses_it():
    drawn = graph(
        analysis([], affected("cart", "dependency", via("cart", "pricing")), affected("pricing", "direct"))
    )

    assert drawn["edges"] == [["pricing", "cart"]]
    assert {node["id"]: node["tone"] for node in drawn["nodes"]} == {"cart": "wait", "pricing": "bad"}


def test_the_critical_path_is_drawn_whether_affected_or_not():
    drawn = graph(analysis(["money", "catalog", "pricing"], affected("pricing", "direct")))

    assert drawn["edges"] == [["catalog", "pricing"], ["money", "catalog"]]
    assert [node["note"] for node in drawn["nodes"]] == [
        "not affected, critical",
        "not affected, critical",
        "direct, critical",
    ]


def test_an_edge_that_is_told_twice_is_drawn_once():
    way = via("cart", "pricing")
    drawn = graph(
        analysis(["pricing", "cart"], affected("cart", "dependency", way), affected("web", "dependency", way))
    )

    assert drawn["edges"] == [["pricing", "cart"]]


def test_two_tasks_of_one_project_in_a_row_are_one_place():
    drawn = graph(analysis(["money", "money", "cart"]))

    assert drawn["edges"] == [["money", "cart"]]
    assert [node["id"] for node in drawn["nodes"]] == ["cart", "money"]


def test_every_end_of_an_edge_is_a_node():
    drawn = graph(analysis([], affected("web", "dependency", via("web", "cart"), via("cart", "pricing"))))

    assert {end for edge in drawn["edges"] for end in edge} <= {node["id"] for node in drawn["nodes"]}


async def test_a_workspace_that_is_not_there_is_told_and_what_was_typed_stays(admin: Browser, city: Town):
    await admin.open("/workspace")

    page = await admin.send("/workspace", 404, workspace='no"where', base="v1.2", key="one")

    assert 'value="no&#34;where"' in page
    assert 'value="v1.2"' in page
    assert 'role="alert"' in page
    assert "Nothing was analysed yet" in page


async def test_an_analysis_of_nobody_is_not_found(admin: Browser, city: Town):
    await admin.open("/workspace/5f80baf4-0504-50d4-9992-17cb14d75fe6", 404)


async def test_who_may_not_analyse_is_told_what_is_missing(stranger: Browser, city: Town):
    await stranger.sign_in(await city.key("reader", "events:read"))

    assert "workspace:analyze" in await stranger.open("/workspace")
