"""What would change, tried out on the same tasks; and advice that says what it would gain."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_workspace_analyzer.domain.advice import Recommendation, recommend
from mesh_workspace_analyzer.domain.critical import Unit, critical_path
from mesh_workspace_analyzer.domain.cuts import circles
from mesh_workspace_analyzer.domain.gains import LEAST_MS
from mesh_workspace_analyzer.domain.graph import Dependency, Project, ProjectGraph
from mesh_workspace_analyzer.domain.history import Flaky, History, Measured
from mesh_workspace_analyzer.domain.targets import Target
from mesh_workspace_analyzer.domain.tasks import derive
from mesh_workspace_analyzer.domain.whatif import Change, Cut, EnableCache, Hire, Split, outcome, unknown

BUILD = (Target("build", ("^build",)),)
CACHED = (Target("build", ("^build",), cache=True),)


def row(*names: str, beside: str = "", targets: tuple[Target, ...] = BUILD) -> ProjectGraph:
    """Each of `names` needs the one before it; those `beside` need nobody."""
    return ProjectGraph(
        projects=tuple(Project(name=n, root=n, targets=targets) for n in sorted([*names, *beside])),
        dependencies=tuple(Dependency(b, a) for a, b in pairwise(names)),
    )


def took(hits: int = 0, runs: int = 0, **ms: int) -> History:
    return History({f"{name}:build": Measured(t, t, t, 3) for name, t in ms.items()}, hits, runs)


TIMES = took(a=1000, b=4000, c=1000)


@pytest.mark.parametrize(
    ("changes", "critical", "makespan"),
    [
        ([], 6000, 6000),
        ([Cut("c", "b")], 5000, 5000),
        ([Cut("b", "a"), Cut("c", "b")], 4000, 4000),
        ([Split("b:build", 4)], 3000, 4000),
        ([Split("b:build", 4), Hire(4)], 3000, 3000),
        ([Hire(1)], 6000, 6000),
        ([EnableCache("b:build")], 6000, 6000),
        ([Cut("a", "c")], 6000, 6000),
    ],
)
def test_a_change_has_its_effect_on_path_and_workers(changes: list[Change], critical: int, makespan: int):
    found = outcome(row("a", "b", "c"), TIMES, changes)

    assert (found.critical, found.makespan, found.unit) == (critical, makespan, Unit.MS)


def test_a_task_that_becomes_cached_is_found_there_as_often_as_others_are():
    history = took(hits=1, runs=4, a=4000)

    assert outcome(row("a"), history).makespan == 4000
    assert outcome(row("a"), history, [EnableCache("a:build")]).makespan == 3000
    assert outcome(row("a", targets=CACHED), history).makespan == 3000


def test_without_durations_tasks_are_counted():
    found = outcome(row("a", "b", "c"), History(), [Cut("c", "b")])

    assert (found.unit, found.critical) == (Unit.HOPS, 2)


def test_a_cut_is_seen_in_circles_and_in_what_a_change_affects():
    circle = ProjectGraph(
        projects=row("a", "b").projects, dependencies=(Dependency("a", "b"), Dependency("b", "a"))
    )

    now, then = outcome(circle, History()), outcome(circle, History(), [Cut("a", "b")])

    assert (now.cycles, then.cycles) == (1, 0)
    assert (now.largest_radius, then.largest_radius) == (2, 2)


def test_names_that_are_not_there_are_told():
    changes: list[Change] = [
        Cut("a", "b"),
        Cut("b", "a"),
        Split("x:build", 2),
        EnableCache("a:build"),
        Hire(2),
    ]

    assert unknown(row("a", "b"), changes) == ["a > b", "x:build"]


@given(
    st.lists(st.integers(0, 9000), min_size=3, max_size=3),
    st.lists(
        st.sampled_from(
            [Cut("b", "a"), Cut("c", "b"), Split("a:build", 3), Split("b:build", 2), EnableCache("c:build")]
        )
    ),
)
def test_no_change_makes_the_critical_path_longer(ms: list[int], changes: list[Change]):
    history = took(1, 3, **dict(zip("abc", ms, strict=True)))
    now, then = outcome(row("a", "b", "c"), history), outcome(row("a", "b", "c"), history, changes)

    # A part of a task is rounded up to a whole millisecond.
    assert then.critical <= now.critical + 3


def advice(graph: ProjectGraph, history: History) -> dict[str, Recommendation]:
    found = recommend(graph, critical_path(derive(graph), history.measured), history, circles(graph))
    return {one.rule: one for one in found}


def test_the_longest_task_of_the_path_is_to_be_split_when_that_gains_something():
    found = advice(row("a", "b", "c"), TIMES)["split-task"]

    assert found.estimate is not None
    assert (found.estimate.saved_ms, found.evidence.projects, found.evidence.of) == (2000, ("b",), 6000)
    assert found.action == "Split b:build into 2 that can run at once."
    assert found.title == "2.0 of 6.0 s of a build would go"


def test_a_task_that_is_not_cached_is_to_be_when_others_are():
    found = advice(row("a", "b", "c"), took(hits=1, runs=2, a=1000, b=4000, c=1000))["enable-cache"]

    assert found.estimate is not None
    assert (found.estimate.saved_ms, found.evidence.projects) == (2000, ("b",))


def test_more_workers_are_to_run_until_the_path_is_all_that_counts():
    crowd = row("a", beside="bcdefgh")

    found = advice(crowd, took(**dict.fromkeys("abcdefgh", 2000)))["more-workers"]

    assert found.estimate is not None
    assert (found.action, found.estimate.saved_ms) == ("Run 8 tasks at once.", 4000)


@given(st.lists(st.integers(0, 60_000), min_size=5, max_size=5), st.integers(0, 4))
def test_no_gain_is_recommended_below_a_second_or_a_hundredth(ms: list[int], hits: int):
    graph = row("a", "b", "c", beside="de")

    for found in advice(graph, took(hits, 4, **dict(zip("abcde", ms, strict=True)))).values():
        if found.estimate is not None:
            saved = found.estimate.saved_ms
            assert saved >= max(LEAST_MS, found.evidence.of / 100)
            assert found.estimate.low_ms <= saved <= found.estimate.high_ms


def test_without_durations_no_gain_is_claimed():
    assert all(found.estimate is None for found in advice(row("a", "b", "c"), History()).values())


def test_quick_and_slow_runs_are_the_bounds_of_a_gain():
    history = History({"a:build": Measured(2000, 4000, 10_000, 9)})

    found = advice(row("a"), history)["split-task"].estimate

    assert found is not None
    assert (found.low_ms, found.saved_ms, found.high_ms) == (1000, 2000, 5000)


def test_a_flaky_task_is_a_warning_with_its_runs():
    found = advice(row("a"), History(flaky=(Flaky("a:build", 2, 7),)))["flaky-task"]

    assert (found.evidence.projects, found.evidence.count, found.evidence.of) == (("a",), 2, 7)


def test_a_circle_is_advised_with_what_to_cut():
    circle = ProjectGraph(
        projects=row("a", "b").projects, dependencies=(Dependency("a", "b"), Dependency("b", "a"))
    )

    assert advice(circle, History())["cycle"].action.startswith("Give up ")
