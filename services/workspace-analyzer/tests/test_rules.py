"""Rules over whole analyses: shortest ways, least sets, honest shares, advice that its evidence bears out."""

import random
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from mesh_workspace_analyzer.domain.advice import MOST_HUBS, Severity, recommend
from mesh_workspace_analyzer.domain.affected import Change, Reason, find_affected
from mesh_workspace_analyzer.domain.analysis import AffectedStatus, Analysis, Comparison, Revision, conclude
from mesh_workspace_analyzer.domain.cost import calculate_cost_optimization
from mesh_workspace_analyzer.domain.critical import CriticalPath, critical_path
from mesh_workspace_analyzer.domain.cuts import circles
from mesh_workspace_analyzer.domain.globs import matches
from mesh_workspace_analyzer.domain.graph import (
    Dependency,
    Project,
    ProjectGraph,
    blast_radius,
    cycles,
)
from mesh_workspace_analyzer.domain.targets import Target
from mesh_workspace_analyzer.domain.tasks import derive

NAMES = "abcdefgh"
BUILD, TEST = Target("build", ("^build",)), Target("test")


@st.composite
def graphs(draw: st.DrawFn) -> ProjectGraph:
    """Up to eight projects of any kind, with any dependencies, circles included."""
    names = NAMES[: draw(st.integers(0, len(NAMES)))]
    pairs = [(a, b) for a in names for b in names if a != b]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=16)) if pairs else []
    return ProjectGraph(
        projects=tuple(
            Project(
                name=name,
                root=f"libs/{name}",
                kind=draw(st.sampled_from(["lib", "app", "e2e"])),
                targets=draw(st.sampled_from([(), (BUILD,), (BUILD, TEST), (TEST,)])),
            )
            for name in names
        ),
        dependencies=tuple(Dependency(source, target) for source, target in sorted(edges)),
    )


def path(graph: ProjectGraph) -> CriticalPath:
    return critical_path(derive(graph), {})


changed = st.sets(st.sampled_from(NAMES), max_size=4).map(
    lambda names: [Change(f"libs/{name}/x.ts") for name in sorted(names)]
)


def distances(graph: ProjectGraph, changes: list[Change]) -> dict[str, int]:
    """How many dependencies each project is from a change; every edge is relaxed again and again."""
    far = len(graph.projects) + 1
    found = {p.name: 0 if Change(f"{p.root}/x.ts") in changes else far for p in graph.projects}
    for _ in graph.projects:
        for d in graph.dependencies:
            found[d.source] = min(found[d.source], found[d.target] + 1)
    return {name: distance for name, distance in found.items() if distance < far}


@given(graphs(), changed)
def test_no_way_to_a_change_is_shorter_than_the_one_that_is_told(graph: ProjectGraph, changes: list[Change]):
    found = find_affected(graph, changes)

    assert {affected.project: len(affected.via) for affected in found} == distances(graph, changes)


@given(graphs(), changed)
def test_no_project_could_be_left_out(graph: ProjectGraph, changes: list[Change]):
    """Each is changed itself or needs another that is affected."""
    names = {affected.project for affected in find_affected(graph, changes)}

    for name in names:
        assert Change(f"libs/{name}/x.ts") in changes or any(
            d.source == name and d.target in names for d in graph.dependencies
        )


@given(graphs(), changed)
def test_changes_affect_together_what_each_affects_alone(graph: ProjectGraph, changes: list[Change]):
    together = {affected.project for affected in find_affected(graph, changes)}

    alone = [{affected.project for affected in find_affected(graph, [change])} for change in changes]

    assert together == set[str]().union(*alone)


@given(graphs(), changed, st.randoms(use_true_random=False))
def test_the_order_of_changes_and_their_repetition_do_not_matter(
    graph: ProjectGraph, changes: list[Change], dice: random.Random
):
    shuffled = [*changes, *changes]
    dice.shuffle(shuffled)

    once, twice = find_affected(graph, changes), find_affected(graph, shuffled)

    assert [found.project for found in once] == [found.project for found in twice]
    assert [set(found.files) for found in once] == [set(found.files) for found in twice]


@given(graphs())
def test_a_dependency_that_follows_from_others_changes_neither_path_nor_radius(graph: ProjectGraph):
    radius = blast_radius(graph)
    implied = {
        (a.source, b.target)
        for a in graph.dependencies
        for b in graph.dependencies
        if a.target == b.source and a.source != b.target
    }
    known = {(d.source, d.target) for d in graph.dependencies}
    more = ProjectGraph(
        projects=graph.projects, dependencies=tuple(Dependency(*edge) for edge in sorted(known | implied))
    )

    assert blast_radius(more) == radius
    assert len(path(more).tasks) == len(path(graph).tasks)
    assert path(more).total == path(graph).total


@given(graphs())
def test_whoever_needs_a_project_is_in_its_radius_and_has_no_larger_one(graph: ProjectGraph):
    radius = blast_radius(graph)

    for dependency in graph.dependencies:
        assert radius[dependency.source] <= radius[dependency.target]


@given(graphs())
def test_every_piece_of_advice_is_borne_out_by_its_evidence(graph: ProjectGraph):
    radius, total = blast_radius(graph), len(graph.projects)

    for advice in recommend(graph, path(graph), found=circles(graph)):
        evidence = advice.evidence
        assert 0 < evidence.count <= evidence.of <= total
        assert set(evidence.projects) <= set(graph.names)
        assert str(evidence.count) in advice.title
        if advice.rule == "hub":
            assert evidence.count == radius[evidence.projects[0]] > total / 2
        else:
            assert evidence.count == len(evidence.projects)


@given(graphs())
def test_advice_is_worst_first_and_hubs_are_few_and_largest_first(graph: ProjectGraph):
    advice = recommend(graph, path(graph), found=circles(graph))

    severities = [list(Severity).index(found.severity) for found in advice]
    hubs = [found.evidence.count for found in advice if found.rule == "hub"]
    assert severities == sorted(severities)
    assert hubs == sorted(hubs, reverse=True)
    assert len(hubs) <= MOST_HUBS


@given(graphs())
def test_every_circle_is_an_error_and_nothing_else_is(graph: ProjectGraph):
    errors = [
        found.evidence.projects
        for found in recommend(graph, path(graph), found=circles(graph))
        if found.severity is Severity.ERROR
    ]

    assert errors == cycles(graph)


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_more_affected_projects_never_save_more(affected: int, total: int):
    if affected < total:
        more = calculate_cost_optimization(affected + 1, total)
        assert 0 <= more <= calculate_cost_optimization(affected, total) <= 100


def concluded(graph: ProjectGraph, changes: list[Change] | None) -> Analysis:
    comparison = Comparison(
        workspace="shop",
        base=Revision("main", None),
        head=Revision("HEAD", None),
        tree="t",
        changes=None if changes is None else tuple(changes),
    )
    now = datetime(2025, 3, 4, tzinfo=UTC)
    return conclude(graph, comparison, id=UUID(int=1), tool_versions={}, duration_ms=0, created_at=now)


@given(graphs(), changed)
def test_the_parts_of_an_answer_agree_with_each_other(graph: ProjectGraph, changes: list[Change]):
    analysis = concluded(graph, changes)

    share = calculate_cost_optimization(len(analysis.affected), analysis.projects)
    assert analysis.cost.skipped_pct == share
    assert analysis.affected_names == sorted(set(analysis.affected_names))
    assert f"Found {analysis.projects} projects, {len(analysis.affected)} affected" in analysis.text
    assert analysis.graph_hash == graph.fingerprint()


@given(graphs(), changed)
def test_an_answer_that_does_not_know_is_never_smaller_than_one_that_does(
    graph: ProjectGraph, changes: list[Change]
):
    known, unknown = concluded(graph, changes), concluded(graph, None)

    assert set(known.affected_names) <= set(unknown.affected_names)
    assert unknown.status is AffectedStatus.FALLBACK_ALL
    assert unknown.cost.skipped_pct == 0
    assert {found.reason for found in unknown.affected} <= {Reason.GLOBAL}


segments = st.text("ab.", min_size=1, max_size=4)
paths = st.lists(segments, min_size=1, max_size=5).map("/".join)


@given(paths)
def test_a_path_names_itself_and_what_is_in_it(path: str):
    assert matches(path, path)
    assert matches(path, f"{path}/x")
    assert not matches(path, f"{path}x")


@given(paths)
def test_two_stars_name_everything_below(path: str):
    assert matches("**", path)
    assert matches("**/*", path)
    assert matches(f"x/**/{path}", f"x/{path}")
    assert matches(f"x/**/{path}", f"x/y/z/{path}")


@given(paths, paths)
def test_a_choice_names_what_either_names(one: str, other: str):
    for path in (one, other):
        assert matches(f"x/{{{one},{other}}}", f"x/{path}")
        assert matches(f"x/({one}|{other})", f"x/{path}")
    assert matches(f"x/{{{one},{other}}}", "x/q") is False


@given(st.text("ab*?[]{}()!,|/\\^-+@.", max_size=30), paths)
def test_no_glob_is_an_error(glob: str, path: str):
    assert matches(glob, path) in (True, False)
