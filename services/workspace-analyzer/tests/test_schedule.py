"""When tasks can run, against oracles that are too slow to be wrong."""

from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_workspace_analyzer.domain.critical import MOST_NEAR, WORKERS, Basis, Unit, critical_path
from mesh_workspace_analyzer.domain.digraph import condense, reach
from mesh_workspace_analyzer.domain.history import Measured
from mesh_workspace_analyzer.domain.schedule import Schedule, schedule
from mesh_workspace_analyzer.domain.tasks import Task, TaskGraph


@st.composite
def task_graphs(draw: st.DrawFn, *, acyclic: bool = True) -> TaskGraph:
    """Up to seven tasks named by letters, some of them relays, each needing some before it."""
    count = draw(st.integers(0, 7))
    relays = [draw(st.integers(0, 4)) == 0 for _ in range(count)]
    needs = [
        draw(
            st.sets(st.sampled_from(others))
            if (others := before(at, count, acyclic))
            else st.just(set[int]())
        )
        for at in range(count)
    ]
    return TaskGraph(
        tuple(Task("abcdefg"[at], "p", is_relay=relay) for at, relay in enumerate(relays)),
        tuple(tuple(sorted(needed)) for needed in needs),
    )


def before(at: int, count: int, acyclic: bool) -> list[int]:
    return [other for other in range(at if acyclic else count) if other != at]


lengths = st.lists(st.integers(0, 20), min_size=7, max_size=7)
workers = st.integers(1, 5)


def planned(graph: TaskGraph, took: list[int]) -> Schedule:
    return schedule(graph, lambda task: took["abcdefg".index(task.id)])


def longest_way(graph: TaskGraph, took: list[int]) -> int:
    @cache
    def end(at: int) -> int:
        own = 0 if graph.tasks[at].is_relay else took[at]
        return own + max((end(need) for need in graph.needs[at]), default=0)

    return max(map(end, range(len(graph.tasks))), default=0)


@given(task_graphs(), lengths)
def test_the_critical_path_is_the_longest_way(graph: TaskGraph, took: list[int]):
    plan = planned(graph, took)

    way = plan.critical()

    assert plan.total == longest_way(graph, took) == sum(plan.steps[at].length for at in way)
    assert all(plan.ends[a] == plan.ends[b] - plan.steps[b].length for a, b in pairwise(way))
    assert all(plan.slack(at) == 0 for at in way)


@given(task_graphs(), lengths, st.data())
def test_a_task_may_use_up_its_slack_but_no_more(graph: TaskGraph, took: list[int], data: st.DataObject):
    plan = planned(graph, took)
    real = [at for at, step in enumerate(plan.steps) if not step.tasks[0].is_relay]
    if not real:
        return
    at = data.draw(st.sampled_from(real))
    place = "abcdefg".index(plan.steps[at].tasks[0].id)

    def slower(by: int) -> int:
        return planned(graph, [*took[:place], took[place] + by, *took[place + 1 :]]).total

    assert slower(plan.slack(at)) == plan.total
    assert slower(plan.slack(at) + 1) == plan.total + 1


@given(task_graphs(), lengths, workers)
def test_no_number_of_workers_beats_the_lower_bound_and_none_is_slower_than_one(
    graph: TaskGraph, took: list[int], count: int
):
    plan = planned(graph, took)

    assert plan.total <= plan.lower_bound(count) <= plan.makespan(count) <= plan.work
    assert plan.makespan(1) == plan.work
    assert plan.makespan(len(plan.steps) + 1) == plan.total


@given(task_graphs(), lengths, workers)
def test_list_scheduling_is_at_most_graham_s_bound_above_the_best(
    graph: TaskGraph, took: list[int], count: int
):
    plan = planned(graph, took)

    assert plan.makespan(count) * count <= plan.work + (count - 1) * plan.total


@given(task_graphs(), lengths)
def test_a_wait_that_follows_from_others_changes_nothing(graph: TaskGraph, took: list[int]):
    implied = tuple(
        tuple(sorted({*needs, *(far for need in needs for far in graph.needs[need])}))
        for needs in graph.needs
    )
    more = TaskGraph(graph.tasks, implied)

    assert planned(more, took).total == planned(graph, took).total


@given(task_graphs(acyclic=False), lengths)
def test_a_circle_is_one_step_as_long_as_all_its_tasks(graph: TaskGraph, took: list[int]):
    plan = planned(graph, took)

    assert sorted(task.id for step in plan.steps for task in step.tasks) == [task.id for task in graph.tasks]
    for at, step in enumerate(plan.steps):
        assert step.length == sum(took["abcdefg".index(t.id)] for t in step.tasks if not t.is_relay)
        assert all(need < at for need in plan.needs[at])


@given(task_graphs(acyclic=False))
def test_positions_that_reach_each_other_are_one_group_and_reach_the_same(graph: TaskGraph):
    counts = reach(graph.needs)

    for group in condense(graph.needs).groups:
        assert len({counts[at] for at in group}) == 1
        assert counts[group[0]] >= len(group)


def path() -> TaskGraph:
    """`c` waits for `b`, that for `a`; `x` for nobody."""
    return TaskGraph(tuple(Task(f"{name}:build", name) for name in "abcx"), ((), (0,), (1,), ()))


def test_without_durations_the_path_is_the_most_tasks_in_a_row():
    found = critical_path(path(), {"other:build": Measured(5, 5, 5, 1)})

    assert [task.project for task in found.tasks] == ["a", "b", "c"]
    assert (found.unit, found.total, found.coverage, found.count) == (Unit.HOPS, 3, 0, 4)
    assert {task.basis for task in found.tasks} == {Basis.NONE}


def test_with_durations_the_path_is_the_longest_time_and_what_was_not_measured_is_estimated():
    measured = {
        "a:build": Measured(100, 100, 120, 3),
        "b:build": Measured(300, 300, 300, 1),
        "x:build": Measured(650, 650, 700, 9),
    }

    found = critical_path(path(), measured)

    assert [(task.id, task.length, task.basis) for task in found.tasks] == [
        ("a:build", 100, Basis.HISTORY),
        ("b:build", 300, Basis.HISTORY),
        ("c:build", 300, Basis.ESTIMATE),
    ]
    assert (found.unit, found.total, found.coverage) == (Unit.MS, 700, 0.75)
    (near,) = found.near
    assert (near.id, near.slack, near.samples, near.p90_ms) == ("x:build", 50, 9, 700)
    assert [(span.workers, span.length) for span in found.makespans][:2] == [(1, 1350), (2, 700)]


def test_an_empty_workspace_has_an_empty_path():
    found = critical_path(TaskGraph((), ()), {})

    assert (found.tasks, found.near, found.total, found.coverage) == ((), (), 0, 0)
    assert [span.length for span in found.makespans] == [0] * len(WORKERS)


@given(task_graphs(acyclic=False), lengths)
def test_every_task_is_on_the_path_or_may_be_near_it(graph: TaskGraph, took: list[int]):
    found = critical_path(graph, {t.id: Measured(0, took["abcdefg".index(t.id)], 20, 1) for t in graph.real})

    on = [task.id for task in found.tasks]
    near = [task.id for task in found.near]
    assert len(set(on)) == len(on)
    assert not set(on) & set(near)
    assert [task.slack for task in found.near] == sorted(task.slack for task in found.near)
    assert len(near) == min(MOST_NEAR, len(near))


def test_no_worker_is_nonsense():
    with pytest.raises(ZeroDivisionError):
        schedule(path(), lambda _: 1).lower_bound(0)
