"""The graph rules, each against an oracle that is too slow to be wrong."""

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from mesh_workspace_analyzer.domain.affected import Affected, Change, Reason, all_affected, find_affected
from mesh_workspace_analyzer.domain.graph import (
    Dependency,
    DependencyKind,
    Project,
    ProjectGraph,
    blast_radius,
    cycles,
)
from mesh_workspace_analyzer.domain.targets import Target

NAMES = "abcdef"
kinds = st.sampled_from(list(DependencyKind))


@st.composite
def graphs(draw: st.DrawFn) -> ProjectGraph:
    """Up to six projects in folders of their own, each with any dependencies and perhaps a build."""
    names = NAMES[: draw(st.integers(0, len(NAMES)))]
    pairs = [(a, b) for a in names for b in names if a != b]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return ProjectGraph(
        projects=tuple(
            Project(
                name=name,
                root=f"libs/{name}",
                targets=(Target("build", ("^build",)),) if draw(st.booleans()) else (),
            )
            for name in names
        ),
        dependencies=tuple(Dependency(source, target, draw(kinds)) for source, target in sorted(edges)),
        global_files=("nx.json",),
    )


changes = st.lists(
    st.sampled_from(
        [*(f"libs/{name}/src/{file}.ts" for name in NAMES for file in "xy"), "README.md", "nx.json"]
    ),
    unique=True,
).map(lambda paths: [Change(path) for path in paths])


def names(affected: Iterable[Affected]) -> set[str]:
    return {found.project for found in affected}


def needs(graph: ProjectGraph, source: str, target: str) -> bool:
    return any((d.source, d.target) == (source, target) for d in graph.dependencies)


def reachable(graph: ProjectGraph, start: str) -> set[str]:
    """Everything that depends on `start`, itself included: one more step until nothing is new."""
    found: set[str] = {start}
    while True:
        more = {d.source for d in graph.dependencies if d.target in found}
        if more <= found:
            return found
        found |= more


@given(graphs())
def test_nothing_is_affected_when_nothing_changed(graph: ProjectGraph):
    assert find_affected(graph, []) == ()


@given(graphs(), changes)
def test_the_affected_projects_are_the_closure_of_the_changed_ones(
    graph: ProjectGraph, changed: list[Change]
):
    touched = {p.name for p in graph.projects for c in changed if c.path.startswith(f"{p.root}/")}
    everything = set(graph.names) if Change("nx.json") in changed else set[str]()

    found = find_affected(graph, changed)

    assert names(found) == everything.union(*(reachable(graph, name) for name in touched))
    assert [affected.project for affected in found] == sorted(names(found))


@given(graphs(), changes, changes)
def test_more_changes_never_affect_fewer_projects(
    graph: ProjectGraph, some: list[Change], more: list[Change]
):
    assert names(find_affected(graph, some)) <= names(find_affected(graph, [*some, *more]))


@given(graphs(), changes)
def test_every_reason_holds(graph: ProjectGraph, changed: list[Change]):
    found = {affected.project: affected for affected in find_affected(graph, changed)}

    for affected in found.values():
        assert {Change(path) for path in affected.files} <= set(changed)
        if affected.reason is Reason.DIRECT:
            assert all(path.startswith(f"libs/{affected.project}/") for path in affected.files)
        if affected.reason is Reason.GLOBAL:
            assert affected.files == ("nx.json",)
        if affected.reason is Reason.DEPENDENCY:
            way = [affected.via[0].source, *(dependency.target for dependency in affected.via)]
            assert all(dependency in graph.dependencies for dependency in affected.via)
            assert [d.source for d in affected.via] == way[:-1]
            assert way[0] == affected.project
            assert found[way[-1]].reason is not Reason.DEPENDENCY
            assert found[way[-1]].files == affected.files


@given(graphs())
def test_a_project_s_radius_is_what_its_change_affects(graph: ProjectGraph):
    radius = blast_radius(graph)

    assert radius == {name: len(reachable(graph, name)) for name in graph.names}


@given(graphs())
def test_a_cycle_is_a_largest_group_of_projects_that_need_each_other(graph: ProjectGraph):
    together = {
        frozenset(b for b in graph.names if b in reachable(graph, a) and a in reachable(graph, b))
        for a in graph.names
    }

    assert sorted(map(set, cycles(graph)), key=sorted) == sorted(
        (set(group) for group in together if len(group) > 1), key=sorted
    )


@given(graphs())
def test_equal_graphs_have_equal_fingerprints_and_others_do_not(graph: ProjectGraph):
    more = (*graph.projects, Project(name="z", root="libs/z"))

    assert replace(graph).fingerprint() == graph.fingerprint()
    assert replace(graph, projects=more).fingerprint() != graph.fingerprint()


@given(graphs())
def test_without_knowing_what_changed_every_project_is_affected(graph: ProjectGraph):
    assert [found.project for found in all_affected(graph)] == list(graph.names)
