"""What is made of a graph: advice with evidence, and a share of projects that is never called money."""

from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_workspace_analyzer.domain.advice import (
    FEWEST_PROJECTS,
    Evidence,
    Recommendation,
    Severity,
    recommend,
)
from mesh_workspace_analyzer.domain.affected import Change
from mesh_workspace_analyzer.domain.analysis import (
    AffectedStatus,
    Analysis,
    Comparison,
    Fidelity,
    Revision,
    conclude,
)
from mesh_workspace_analyzer.domain.cost import calculate_cost_optimization, cost_impact
from mesh_workspace_analyzer.domain.critical import critical_path
from mesh_workspace_analyzer.domain.cuts import circles
from mesh_workspace_analyzer.domain.graph import Dependency, Project, ProjectGraph
from mesh_workspace_analyzer.domain.targets import Target
from mesh_workspace_analyzer.domain.tasks import derive


def chain(*names: str, target: str = "build") -> ProjectGraph:
    """Each project needs the one before it."""
    return ProjectGraph(
        projects=tuple(
            Project(name=name, root=f"libs/{name}", targets=(Target(target, ("^build",)),))
            for name in sorted(names)
        ),
        dependencies=tuple(Dependency(b, a) for a, b in pairwise(names)),
    )


def advice(graph: ProjectGraph) -> tuple[Recommendation, ...]:
    return recommend(graph, critical_path(derive(graph), {}), found=circles(graph))


def rules(graph: ProjectGraph) -> list[str]:
    return [found.rule for found in advice(graph)]


def test_a_circle_is_an_error_that_names_its_projects():
    graph = ProjectGraph(
        projects=chain("a", "b", "c").projects, dependencies=(Dependency("a", "b"), Dependency("b", "a"))
    )

    found = advice(graph)[0]

    assert (found.rule, found.severity) == ("cycle", Severity.ERROR)
    assert found.evidence == Evidence(("a", "b"), 2, 3)


def test_a_project_that_most_others_need_is_a_hub():
    graph = chain("a", "b", "c", "d")

    hubs = [found for found in advice(graph) if found.rule == "hub"]

    assert [(hub.evidence.projects, hub.evidence.count) for hub in hubs] == [(("a",), 4), (("b",), 3)]
    assert "3 of 4" in hubs[1].title


def test_half_of_very_few_projects_is_no_hub():
    assert "hub" not in rules(chain(*"abcdef"[: FEWEST_PROJECTS - 1]))


def test_builds_that_wait_in_a_row_are_told_when_they_are_most_of_them():
    row = chain("a", "b", "c")
    crowd = tuple(Project(name=f"x{n}", root=f"x{n}", targets=(Target("build"),)) for n in range(3))

    assert "longest-chain" in rules(row)
    assert "longest-chain" not in rules(
        ProjectGraph(projects=row.projects + crowd, dependencies=row.dependencies)
    )


def test_projects_without_a_build_are_told_where_others_have_one():
    graph = ProjectGraph(
        projects=(
            Project(name="a", root="a", targets=(Target("build"),)),
            Project(name="b", root="b"),
            Project(name="tests", root="tests", kind="e2e"),
        )
    )

    (found,) = advice(graph)

    assert (found.rule, found.evidence) == ("missing-build-target", Evidence(("b",), 1, 2))


def test_a_workspace_that_builds_nothing_is_not_told_to():
    assert advice(ProjectGraph(projects=(Project(name="a", root="a"),))) == ()


def test_an_empty_workspace_has_no_advice_and_no_chain():
    assert advice(ProjectGraph(projects=())) == ()


@given(st.integers(0, 500), st.integers(0, 500))
def test_the_share_is_the_rounded_formula_of_the_first_system(affected: int, total: int):
    if affected > total:
        with pytest.raises(ValueError, match="cannot be affected"):
            calculate_cost_optimization(affected, total)
    elif total:
        exact = (total - affected) * 100 / total
        assert abs(calculate_cost_optimization(affected, total) - exact) <= 0.5


@pytest.mark.parametrize(
    ("affected", "total", "percent"), [(0, 0, 0), (0, 7, 100), (7, 7, 0), (7, 8, 13), (6, 10, 40), (1, 3, 67)]
)
def test_halves_are_rounded_up_and_no_projects_are_defined(affected: int, total: int, percent: int):
    assert calculate_cost_optimization(affected, total) == percent


@pytest.mark.parametrize(("affected", "total"), [(-1, 3), (4, 3)])
def test_more_than_all_projects_cannot_be_affected(affected: int, total: int):
    with pytest.raises(ValueError, match="cannot be affected"):
        calculate_cost_optimization(affected, total)


def test_no_saving_is_claimed_for_what_is_not_known():
    graph = chain("a", "b")
    unknown = cost_impact(graph, derive(graph), ["a", "b"], is_exact=False)

    assert (unknown.skipped_pct, unknown.money) == (0, None)
    assert "not known" in unknown.assumptions[-1]


def concluded(changes: tuple[Change, ...] | None) -> Analysis:
    comparison = Comparison(
        workspace="shop",
        base=Revision("main", "1" * 40 if changes is not None else None),
        head=Revision("HEAD", "2" * 40),
        tree="3" * 40,
        changes=changes,
        warnings=("one",),
    )
    graph = ProjectGraph(
        projects=chain("a", "b", "c").projects, dependencies=chain("a", "b").dependencies, gaps=("two",)
    )
    return conclude(
        graph,
        comparison,
        id=UUID(int=1),
        tool_versions={"nx": "24"},
        duration_ms=5,
        created_at=datetime(2025, 3, 4, tzinfo=UTC),
    )


def test_an_analysis_says_what_users_of_the_first_system_read():
    analysis = concluded((Change("libs/a/x.ts"),))

    assert analysis.text == "Workspace analysis complete. Found 3 projects, 2 affected by recent changes."
    assert (analysis.status, analysis.cost.skipped_pct) == (AffectedStatus.EXACT, 33)
    assert analysis.warnings == ("one", "two")


def test_an_analysis_without_a_base_takes_all_projects():
    analysis = concluded(None)

    assert analysis.affected_names == ["a", "b", "c"]
    assert (analysis.status, analysis.cost.skipped_pct) == (AffectedStatus.FALLBACK_ALL, 0)


@pytest.mark.parametrize("changes", [None, (), (Change("libs/a/x.ts"), Change("libs/b/y.ts"))])
def test_an_analysis_survives_being_stored(changes: tuple[Change, ...] | None):
    analysis = concluded(changes)

    assert msgspec.convert(msgspec.to_builtins(analysis), Analysis) == analysis


def test_what_a_reader_could_not_know_makes_an_analysis_a_partial_one():
    known = conclude(
        chain("a"),
        Comparison(workspace="shop", base=Revision("a", None), head=Revision("b", None), tree="", changes=()),
        id=UUID(int=1),
        tool_versions={},
        duration_ms=0,
        created_at=datetime(2025, 3, 4, tzinfo=UTC),
    )

    assert (known.fidelity, concluded(()).fidelity) == (Fidelity.COMPLETE, Fidelity.PARTIAL)
