"""Questions about stored analyses, over HTTP and on both databases."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from httpx import AsyncClient, Response
from mesh_shared.testing import Issuer
from mesh_workspace_analyzer.domain.whatif import Change, Cut, EnableCache, Hire, Split
from mesh_workspace_analyzer.schemas.questions import WhatIf
from pydantic import ValidationError
from sqlalchemy import text

Run = Callable[..., str]
BUILT = ("money", "catalog", "pricing", "cart", "checkout", "api", "ui", "web")
DURATIONS = [{"task": f"{name}:build", "durationMs": 2000} for name in BUILT]


async def analyzed(http: AsyncClient, **body: Any) -> dict[str, Any]:
    response = await http.post("/v1/analyses", json={"workspace": "storefront", **body})
    assert response.status_code == 201, response.text
    return response.json()


async def asked(http: AsyncClient, id: str, *changes: dict[str, Any]) -> Response:
    return await http.post(f"/v1/analyses/{id}/what-if", json={"changes": list(changes)})


async def test_cutting_a_dependency_shortens_the_path_that_went_over_it(
    stored: AsyncClient, storefront: Path
):
    found = await analyzed(stored, durations=DURATIONS)

    cut = {"change": "cut", "source": "catalog", "target": "money"}
    told = (await asked(stored, found["id"], cut)).json()

    assert told["now"] == {
        "unit": "ms",
        "criticalPath": 12_000,
        "workers": 3,
        "makespan": 12_000,
        "cycles": 0,
        "largestRadius": 9,
    }
    assert (told["then"]["criticalPath"], told["saved"]) == (10_000, 2000)


@pytest.mark.parametrize(
    ("change", "critical"),
    [
        ({"change": "split", "task": "cart:build", "parts": 2}, 11_000),
        ({"change": "split", "task": "cart:build"}, 11_000),
        ({"change": "workers", "workers": 1}, 12_000),
        ({"change": "enable-cache", "task": "cart:build"}, 12_000),
    ],
)
async def test_every_kind_of_change_can_be_asked_about(
    http: AsyncClient, storefront: Path, change: dict[str, Any], critical: int
):
    found = await analyzed(http, durations=DURATIONS)

    told = (await asked(http, found["id"], change)).json()

    assert told["then"]["criticalPath"] == critical


async def test_changes_are_made_together(http: AsyncClient, storefront: Path):
    found = await analyzed(http, durations=DURATIONS)

    told = await asked(
        http,
        found["id"],
        {"change": "split", "task": "cart:build", "parts": 2},
        {"change": "split", "task": "money:build", "parts": 4},
        {"change": "workers", "workers": 2},
        {"change": "workers", "workers": 8},
    )

    assert told.json()["then"] == told.json()["now"] | {
        "criticalPath": 9500,
        "makespan": 9500,
        "workers": 8,
    }


async def test_what_is_asked_is_not_stored(http: AsyncClient, storefront: Path):
    found = await analyzed(http, durations=DURATIONS)
    await asked(http, found["id"], {"change": "cut", "source": "catalog", "target": "money"})

    assert (await http.get(f"/v1/analyses/{found['id']}")).json() == found
    assert len((await http.get("/v1/analyses")).json()["items"]) == 1


async def test_a_change_of_what_is_not_there_names_it(http: AsyncClient, storefront: Path):
    found = await analyzed(http)

    response = await asked(
        http,
        found["id"],
        {"change": "cut", "source": "money", "target": "api"},
        {"change": "split", "task": "nobody:build"},
    )

    assert (response.status_code, response.json()["code"]) == (409, "nothing-to-change")
    assert response.json()["missing"] == ["money > api", "nobody:build"]


@pytest.mark.parametrize(
    "path",
    ["/v1/analyses/{id}/what-if", "/v1/analyses/{id}/comparison?since={id}"],
)
async def test_of_an_analysis_that_is_not_there_nothing_can_be_asked(http: AsyncClient, path: str):
    path = path.format(id=uuid4())
    body = {"changes": [{"change": "workers", "workers": 2}]}

    response = await (http.get(path) if "since" in path else http.post(path, json=body))

    assert (response.status_code, response.json()["code"]) == (404, "analysis-not-found")


async def test_when_the_graph_is_no_longer_kept_the_answer_says_what_to_do(
    http: AsyncClient, app: Any, storefront: Path
):
    found = await analyzed(http)
    async with app.state.platform.database.write() as session:
        await session.execute(text("DELETE FROM graphs"))

    response = await asked(http, found["id"], {"change": "workers", "workers": 2})
    compared = await http.get(f"/v1/analyses/{found['id']}/comparison", params={"since": found["id"]})

    assert (response.status_code, response.json()["code"]) == (409, "graph-forgotten")
    assert "analyse the workspace again" in response.json()["detail"]
    assert compared.json()["code"] == "graph-forgotten"


async def test_two_analyses_are_compared(stored: AsyncClient, storefront: Path, git: Run):
    git(storefront, "checkout", "-q", "main")
    before = await analyzed(stored, base="main")
    git(storefront, "checkout", "-q", "change")
    (storefront / "libs/extra").mkdir()
    (storefront / "libs/extra/project.json").write_text(
        '{"name": "extra", "implicitDependencies": ["money"]}'
    )
    git(storefront, "add", "-A")
    git(storefront, "commit", "-qm", "Extra")
    after = await analyzed(stored, base="main")

    told = (await stored.get(f"/v1/analyses/{after['id']}/comparison", params={"since": before["id"]})).json()

    assert (told["before"]["id"], told["after"]["id"]) == (before["id"], after["id"])
    assert told["projects"] == {"added": ["extra"], "removed": []}
    assert told["dependencies"] == {"added": ["extra > money"], "removed": []}
    assert told["affected"]["removed"] == []
    assert "extra" in told["affected"]["added"]
    assert told["criticalPath"] == 0


async def test_an_analysis_does_not_differ_from_itself(http: AsyncClient, storefront: Path):
    found = await analyzed(http)

    told = (await http.get(f"/v1/analyses/{found['id']}/comparison", params={"since": found["id"]})).json()

    for what in ("projects", "dependencies", "affected", "recommendations"):
        assert told[what] == {"added": [], "removed": []}


async def test_lengths_of_different_units_are_not_compared(http: AsyncClient, storefront: Path):
    counted, timed = await analyzed(http), await analyzed(http, durations=DURATIONS)

    told = await http.get(f"/v1/analyses/{timed['id']}/comparison", params={"since": counted["id"]})

    assert told.json()["criticalPath"] is None


async def test_a_trend_is_the_newest_analyses_of_one_workspace_oldest_first(
    stored: AsyncClient, storefront: Path, tiny: Callable[..., Path]
):
    tiny(a="true")
    first = await analyzed(stored)
    await analyzed(stored, workspace="tiny")
    second = await analyzed(stored, durations=DURATIONS)

    told = (await stored.get("/v1/trends", params={"workspace": "storefront"})).json()["items"]
    last = (await stored.get("/v1/trends", params={"workspace": "storefront", "limit": 1})).json()["items"]

    assert [point["id"] for point in told] == [first["id"], second["id"]]
    assert last == told[1:]
    assert told[1] == {
        "id": second["id"],
        "created_at": second["created_at"],
        "headSha": second["head"]["sha"],
        "totalProjects": 10,
        "affectedProjects": 6,
        "projectsSkippedPct": 40,
        "unit": "ms",
        "criticalPath": 12_000,
        "coverage": 1.0,
        "cacheHitRate": 0.0,
        "cycles": 0,
    }
    assert (told[0]["unit"], told[0]["criticalPath"], told[0]["cacheHitRate"]) == ("hops", 6, None)


@pytest.mark.parametrize(
    "query",
    [{}, {"workspace": "../x"}, {"workspace": "a", "limit": "0"}, {"workspace": "a", "limit": "101"}],
)
async def test_a_trend_of_nothing_sensible_is_refused(http: AsyncClient, query: dict[str, str]):
    assert (await http.get("/v1/trends", params=query)).status_code == 422


async def test_a_workspace_that_nobody_analysed_has_no_trend(http: AsyncClient):
    assert (await http.get("/v1/trends", params={"workspace": "nobody"})).json() == {"items": []}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/analyses/00000000-0000-0000-0000-000000000001/what-if"),
        ("GET", "/v1/analyses/00000000-0000-0000-0000-000000000001/comparison"),
        ("GET", "/v1/trends?workspace=a"),
    ],
)
async def test_who_may_not_analyse_may_not_ask_either(
    http: AsyncClient, issuer: Issuer, method: str, path: str
):
    others = issuer.headers("actions:invoke", audience="workspace-analyzer")

    assert (await http.request(method, path, headers=others)).status_code == 403


@pytest.mark.parametrize(
    ("given", "change"),
    [
        ({"change": "cut", "source": "a", "target": "b"}, Cut("a", "b")),
        ({"change": "split", "task": "a:b", "parts": 64}, Split("a:b", 64)),
        ({"change": "split", "task": "a:b"}, Split("a:b", 2)),
        ({"change": "enable-cache", "task": "a:b"}, EnableCache("a:b")),
        ({"change": "workers", "workers": 64}, Hire(64)),
    ],
)
def test_a_change_is_asked_for_by_its_name(given: dict[str, Any], change: Change):
    assert WhatIf.model_validate({"changes": [given]}).asked() == [change]


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [{}],
        [{"change": "magic"}],
        [{"change": "cut", "source": "a"}],
        [{"change": "cut", "source": "a", "target": "b", "task": "c"}],
        [{"change": "cut", "source": 1, "target": "b"}],
        [{"change": "split", "task": "a", "parts": 1}],
        [{"change": "split", "task": "a", "parts": 65}],
        [{"change": "split", "task": "a" * 301}],
        [{"change": "enable-cache"}],
        [{"change": "workers", "workers": 0}],
        [{"change": "workers", "workers": 65}],
        [{"change": "workers", "workers": 2}] * 51,
    ],
)
def test_a_change_that_is_none_is_refused(changes: list[Any]):
    with pytest.raises(ValidationError):
        WhatIf.model_validate({"changes": changes})


async def test_a_boundary_that_is_crossed_is_told_with_the_dependency(http: AsyncClient, storefront: Path):
    constraints = [
        {"sourceTag": "type:app", "onlyDependOnLibsWithTags": ["type:lib"]},
        {"sourceTag": "type:lib", "notDependOnLibsWithTags": ["platform:browser"]},
        {"allSourceTags": ["type:app", "platform:browser"], "notDependOnLibsWithTags": ["platform:browser"]},
    ]

    found = await analyzed(http, depConstraints=constraints)

    assert found["boundaryViolations"] == [
        {"dependency": {"source": "web", "target": "ui", "kind": "static"}, "constraint": 2}
    ]


async def test_many_questions_at_once_have_the_same_answer(http: AsyncClient, storefront: Path):
    found = await analyzed(http, durations=DURATIONS)
    change = {"change": "split", "task": "cart:build", "parts": 2}

    answers = await asyncio.gather(*(asked(http, found["id"], change) for _ in range(8)))

    assert len({answer.text for answer in answers}) == 1
