"""What an answer says of circles, hotspots, boundaries, caches and gains, and what differs between two."""

import json
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

import msgspec
import pytest
from mesh_workspace_analyzer.domain.affected import LONGEST_WAY, Change, Reason, find_affected
from mesh_workspace_analyzer.domain.analysis import Analysis, Comparison, Revision, conclude
from mesh_workspace_analyzer.domain.constraints import Constraint
from mesh_workspace_analyzer.domain.difference import Difference, Names, difference
from mesh_workspace_analyzer.domain.graph import Dependency, Project, ProjectGraph
from mesh_workspace_analyzer.domain.history import Run
from mesh_workspace_analyzer.domain.targets import Target
from mesh_workspace_analyzer.schemas.analyses import AnalysisView
from mesh_workspace_analyzer.schemas.questions import DifferenceView, PointView
from mesh_workspace_analyzer.schemas.requests import DepConstraint
from pydantic import ValidationError

BUILD = (Target("build", ("^build",)),)


def workspace(*edges: str, names: str = "abcd", **tags: str) -> ProjectGraph:
    return ProjectGraph(
        projects=tuple(
            Project(name=name, root=name, targets=BUILD, tags=tuple(tags.get(name, "").split()))
            for name in names
        ),
        dependencies=tuple(Dependency(a, b) for a, b in sorted(edges)),
    )


def analysis(graph: ProjectGraph, *changed: str, number: int = 1, **more: Any) -> Analysis:
    comparison = Comparison(
        workspace="shop",
        base=Revision("main", "1" * 40),
        head=Revision("HEAD", "2" * 40),
        tree="3" * 40,
        changes=tuple(Change(path) for path in changed),
    )
    return conclude(
        graph,
        comparison,
        id=UUID(int=number),
        tool_versions={},
        duration_ms=5,
        created_at=datetime(2025, 3, 4, tzinfo=UTC),
        **more,
    )


def told(found: Analysis) -> dict[str, Any]:
    return json.loads(AnalysisView.of(found).model_dump_json())


def test_a_circle_is_told_with_a_way_around_and_what_to_cut():
    answer = told(analysis(workspace("ab", "bc", "ca", "da")))

    assert answer["cycles"] == [
        {
            "projects": ["a", "b", "c"],
            "way": ["a", "b", "c"],
            "cut": [{"source": "c", "target": "a", "kind": "static"}],
        }
    ]
    assert answer["recommendations"][0] == {
        "rule": "cycle",
        "severity": "error",
        "title": "3 projects need each other in a circle",
        "evidence": {"projects": ["a", "b", "c"], "count": 3, "of": 4},
        "action": "Give up c > a, or move what they share into a project that needs none of them: "
        "Nx cannot build a circle.",
        "estimate": None,
    }


def test_what_most_connections_go_through_is_told_with_both_sides():
    answer = told(analysis(workspace("ac", "bc", "cd")))

    assert answer["hotspots"] == [{"project": "c", "dependents": 2, "dependencies": 1}]


def test_a_crossed_boundary_is_told_with_the_constraint_that_forbids_it():
    constraints = [Constraint(("x",), only=("x",)), Constraint(("lib",), only=("lib",))]

    answer = told(analysis(workspace("ab", "bc", b="lib", c="app"), constraints=constraints))

    assert answer["boundaryViolations"] == [
        {"dependency": {"source": "b", "target": "c", "kind": "static"}, "constraint": 1}
    ]


def test_the_cache_is_told_with_its_hits_and_the_tasks_that_cannot_make_up_their_mind():
    runs = (
        Run(task="a:build", duration_ms=3000, hash="x"),
        Run(task="a:build", duration_ms=2000, hash="x", succeeded=False),
        Run(task="b:build", duration_ms=2, hash="y", is_hit=True),
        Run(task="b:build", duration_ms=2, hash="y", is_hit=True),
    )

    answer = told(analysis(workspace(), runs=runs))

    assert answer["cache"] == {
        "runs": 3,
        "hits": 2,
        "hitRate": 0.6667,
        "flaky": [{"task": "a:build", "failures": 1, "runs": 2}],
    }


def test_a_gain_is_told_with_its_bounds_and_how_one_knows():
    runs = [Run(task="a:build", duration_ms=ms) for ms in (8000, 8000, 8000)]

    advice = told(analysis(workspace(names="a"), runs=runs))["recommendations"]

    assert [found["estimate"] for found in advice if found["rule"] == "split-task"] == [
        {
            "savedMs": 4000,
            "lowMs": 4000,
            "highMs": 4000,
            "basis": "simulated with 3 workers on measured durations",
        }
    ]


def test_an_answer_with_all_of_it_survives_being_stored():
    found = analysis(
        workspace("ab", "ba", "cb", "bd", a="x"),
        "d/x.ts",
        constraints=[Constraint(("x",), never=("*",))],
        runs=[Run(task="a:build", duration_ms=9000, hash="x"), Run(task="c:build", duration_ms=5)],
    )

    assert found.circles
    assert found.violations
    assert found.hotspots
    assert msgspec.convert(json.loads(json.dumps(msgspec.to_builtins(found))), Analysis) == found


def test_of_a_long_way_the_beginning_is_told_and_how_long_it_is():
    names = [f"p{number:03}" for number in range(200)]
    chain = ProjectGraph(
        projects=tuple(Project(name=name, root=name) for name in names),
        dependencies=tuple(Dependency(b, a) for a, b in pairwise(names)),
    )

    found = {one.project: one for one in find_affected(chain, [Change("p000/x.ts")])}

    assert len(found) == 200
    assert [(one.distance, len(one.via)) for one in found.values()] == [
        (steps, min(steps, LONGEST_WAY)) for steps in range(200)
    ]
    last = found["p199"]
    assert (last.reason, last.files) == (Reason.DEPENDENCY, ("p000/x.ts",))
    assert last.via[0] == Dependency("p199", "p198")


def compared(before: ProjectGraph, after: ProjectGraph, *changed: str, **more: Any) -> Difference:
    return difference(analysis(before, number=1), analysis(after, *changed, number=2, **more), before, after)


def test_what_came_and_went_between_two_analyses_is_told_by_name():
    found = compared(workspace("ab", "bc"), workspace("ab", "ae", names="abde"), "e/x.ts")

    assert found.projects == Names(added=("e",), removed=("c",))
    assert found.dependencies == Names(added=("a > e",), removed=("b > c",))
    assert found.affected == Names(added=("a", "e"), removed=())
    assert found.critical == -1


def test_advice_that_is_new_and_advice_that_was_followed_are_told():
    found = compared(workspace("ab", "ba"), workspace("ab"))

    assert found.recommendations.removed[0].startswith("cycle: 2 projects")
    assert all(not name.startswith("cycle") for name in found.recommendations.added)


def test_paths_in_different_units_are_not_compared():
    found = compared(workspace("ab"), workspace("ab"), runs=[Run(task="a:build", duration_ms=5)])

    assert found.critical is None


def test_a_difference_is_told_with_both_points_in_time():
    view = DifferenceView.of(compared(workspace("ab"), workspace("ab", "bc"), "c/x.ts"))

    assert json.loads(view.model_dump_json()) == {
        "before": json.loads(PointView.of(analysis(workspace("ab"), number=1)).model_dump_json()),
        "after": {
            "id": "00000000-0000-0000-0000-000000000002",
            "created_at": "2025-03-04T00:00:00Z",
            "headSha": "2" * 40,
            "totalProjects": 4,
            "affectedProjects": 3,
            "projectsSkippedPct": 25,
            "unit": "hops",
            "criticalPath": 3,
            "coverage": 0.0,
            "cacheHitRate": None,
            "cycles": 0,
        },
        "projects": {"added": [], "removed": []},
        "dependencies": {"added": ["b > c"], "removed": []},
        "affected": {"added": ["a", "b", "c"], "removed": []},
        "recommendations": {
            "added": [
                "hub: A change in c affects 3 of 4 projects",
                "longest-chain: 3 of 4 builds wait for each other in a row",
            ],
            "removed": [],
        },
        "criticalPath": 1,
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, Constraint(())),
        ({"sourceTag": "lib", "onlyDependOnLibsWithTags": None}, Constraint(("lib",))),
        ({"onlyDependOnLibsWithTags": []}, Constraint((), only=())),
        ({"allSourceTags": ["a", "b"]}, Constraint(("a", "b"))),
        ({"sourceTag": "lib", "allSourceTags": ["b"]}, Constraint(("lib", "b"))),
        ({"sourceTag": "*", "onlyDependOnLibsWithTags": ["x"]}, Constraint(("*",), only=("x",))),
        ({"sourceTag": "y", "notDependOnLibsWithTags": ["x"]}, Constraint(("y",), never=("x",))),
    ],
)
def test_a_constraint_is_read_as_nx_writes_it(given: dict[str, Any], expected: Constraint):
    assert DepConstraint.model_validate(given).asked() == expected


@pytest.mark.parametrize(
    "given",
    [
        {"sourceTag": 5},
        {"sourceTag": "x" * 201},
        {"allSourceTags": "lib"},
        {"allSourceTags": ["x"] * 51},
        {"onlyDependOnLibsWithTags": "lib"},
        {"onlyDependOnLibsWithTags": [1]},
        {"notDependOnLibsWithTags": {"a": 1}},
        {"notDependOnLibsWithTags": ["x"] * 51},
        {"bannedExternalImports": ["lodash"]},
    ],
)
def test_a_constraint_that_is_none_is_refused(given: dict[str, Any]):
    with pytest.raises(ValidationError):
        DepConstraint.model_validate(given)


@pytest.mark.parametrize(
    ("before", "after", "added", "removed"),
    [
        ("", "", (), ()),
        ("ab", "ab", (), ()),
        ("", "ba", ("a", "b"), ()),
        ("ba", "", (), ("a", "b")),
        ("abc", "bcd", ("d",), ("a",)),
    ],
)
def test_names_are_told_in_order(before: str, after: str, added: tuple[str, ...], removed: tuple[str, ...]):
    assert Names.between(set(before), set(after)) == Names(added, removed)


@pytest.mark.parametrize(
    ("runs", "rate"),
    [
        ([], None),
        ([Run(task="a:build", duration_ms=1, succeeded=False)], None),
        ([Run(task="a:build", duration_ms=1)], 0.0),
        ([Run(task="a:build", duration_ms=1, is_hit=True)], 1.0),
    ],
)
def test_a_hit_rate_is_told_when_there_is_one(runs: list[Run], rate: float | None):
    found = analysis(workspace(), runs=runs)

    assert told(found)["cache"]["hitRate"] == rate
    assert PointView.of(found).cacheHitRate == rate
