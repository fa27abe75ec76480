"""Circles with their cuts, boundaries and hotspots, each against an oracle that is too slow to be wrong."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_workspace_analyzer.domain import cuts
from mesh_workspace_analyzer.domain.boundaries import MOST_VIOLATIONS, violations
from mesh_workspace_analyzer.domain.constraints import Constraint
from mesh_workspace_analyzer.domain.cuts import circles
from mesh_workspace_analyzer.domain.graph import (
    MOST_HOTSPOTS,
    Dependency,
    Hotspot,
    Project,
    ProjectGraph,
    cycles,
    hotspots,
)

NAMES = "abcdefg"


def graph(*edges: str, **tags: str) -> ProjectGraph:
    """Projects `a` to `g`; an edge `ab` says that `a` needs `b`."""
    projects = tuple(Project(name=n, root=n, tags=tuple(tags.get(n, "").split())) for n in NAMES)
    return ProjectGraph(
        projects=projects, dependencies=tuple(Dependency(a, b) for a, b in sorted(set(edges)))
    )


graphs = st.lists(st.sampled_from([a + b for a in NAMES for b in NAMES if a != b]), max_size=25).map(
    lambda edges: graph(*edges)
)


def without(given_: ProjectGraph, cut: set[Dependency]) -> ProjectGraph:
    left = tuple(d for d in given_.dependencies if d not in cut)
    return ProjectGraph(projects=given_.projects, dependencies=left)


@given(graphs)
def test_the_cuts_break_every_circle_and_none_of_them_can_be_spared(found: ProjectGraph):
    cut = {edge for circle in circles(found) for edge in circle.cut}

    assert cycles(without(found, cut)) == []
    for edge in cut:
        assert cycles(without(found, cut - {edge})) != []


@given(graphs)
def test_a_way_around_follows_dependencies_and_comes_back(found: ProjectGraph):
    for circle in circles(found):
        way = [*circle.way, circle.way[0]]
        assert all(Dependency(a, b) in found.dependencies for a, b in pairwise(way))
        assert set(circle.way) <= set(circle.projects)
        assert len(set(circle.way)) == len(circle.way)


@given(graphs)
def test_every_circle_is_told_once(found: ProjectGraph):
    assert [circle.projects for circle in circles(found)] == cycles(found)


def test_one_dependency_that_closes_many_circles_is_the_whole_cut():
    (found,) = circles(graph("ab", "bc", "cd", "ac", "bd", "da"))

    assert found.cut == (Dependency("d", "a"),)


def test_a_circle_too_large_for_its_least_cut_still_has_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cuts, "MOST_TRIED", 1)
    found = graph("ab", "bc", "ca", "ac")

    cut = {edge for circle in circles(found) for edge in circle.cut}

    assert cycles(without(found, cut)) == []


@pytest.mark.parametrize(
    ("constraint", "forbidden"),
    [
        (Constraint(("lib",), only=("lib",)), ["ba"]),
        (Constraint(("lib",), only=("app", "lib")), []),
        (Constraint(("*",), never=("app",)), ["ab", "ba"]),
        (Constraint(("lib",), only=()), ["ba"]),
        (Constraint(("app",), only=()), ["ab"]),
        (Constraint(("app",), only=("nothing",)), ["ab", "ac"]),
        (Constraint(("app", "web"), never=("l*",)), ["ab"]),
        (Constraint(("app", "missing"), never=("*",)), []),
        (Constraint((), only=("lib",)), ["ac", "ba"]),
        (Constraint(("l?b",), never=("w*",)), []),
        (Constraint(("/^l.b$/",), never=("w*",)), ["ba"]),
        (Constraint(("lib",)), []),
    ],
)
def test_a_dependency_that_tags_forbid_is_told_with_the_constraint(
    constraint: Constraint, forbidden: list[str]
):
    found = violations(graph("ab", "ba", "ac", a="app web", b="lib"), [Constraint(("other",)), constraint])

    assert [v.dependency.source + v.dependency.target for v in found] == forbidden
    assert {v.constraint for v in found} <= {1}


@given(graphs)
def test_what_is_forbidden_is_forbidden_at_any_remove(found: ProjectGraph):
    bad = Project(name="g", root="g", tags=("bad",))
    tagged = replace(found, projects=(*found.projects[:-1], bad))

    told = {v.dependency for v in violations(tagged, [Constraint(("*",), never=("bad",))])}

    assert told == {edge for edge in found.dependencies if "g" in reachable(found, edge.target)}


def reachable(found: ProjectGraph, start: str) -> set[str]:
    """Where dependencies lead, with where they start."""
    seen = {start}
    for _ in NAMES:
        seen |= {edge.target for edge in found.dependencies if edge.source in seen}
    return seen


def test_without_constraints_everything_is_allowed_and_of_many_violations_the_first_are_told():
    names = [f"p{n:03}" for n in range(30)]
    crowd = ProjectGraph(
        projects=tuple(Project(name=name, root=name) for name in names),
        dependencies=tuple(Dependency(a, b) for a in names for b in names if a > b),
    )

    assert violations(crowd, []) == ()
    assert len(violations(crowd, [Constraint((), only=("x",))])) == MOST_VIOLATIONS


def test_a_hotspot_is_what_most_connections_go_through():
    assert hotspots(graph("ac", "bc", "cd", "ce")) == (Hotspot("c", 2, 2),)


@given(graphs)
def test_hotspots_are_few_largest_first_and_really_in_between(found: ProjectGraph):
    spots = hotspots(found)

    products = [spot.dependents * spot.dependencies for spot in spots]
    assert products == sorted(products, reverse=True)
    assert len(spots) <= MOST_HOTSPOTS
    assert all(0 < spot.dependents < len(NAMES) and spot.dependencies > 0 for spot in spots)
