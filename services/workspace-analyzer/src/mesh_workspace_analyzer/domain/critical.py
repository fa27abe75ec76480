"""The critical path: the tasks that decide how long everything takes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from heapq import nsmallest
from statistics import median

from mesh_workspace_analyzer.domain.history import Measured
from mesh_workspace_analyzer.domain.schedule import Schedule, schedule
from mesh_workspace_analyzer.domain.tasks import Task, TaskGraph

WORKERS = (1, 2, 3, 4, 8, 16)
"""So many workers are tried; 3 is Nx's own default."""
MOST_NEAR = 10
"""So many tasks beside the path are named."""


class Unit(StrEnum):
    """Milliseconds where anything was measured, else the number of tasks."""

    MS = "ms"
    HOPS = "hops"


class Basis(StrEnum):
    """Where a duration is from; `estimate`: the median of the measured tasks, as this one never was."""

    HISTORY = "history"
    ESTIMATE = "estimate"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedTask:
    """A task with its times in the unit of its path; 0 samples when it was not measured."""

    id: str
    project: str
    start: int
    """When it can begin at the earliest, with a worker for everybody."""
    length: int
    slack: int
    basis: Basis
    samples: int
    p90_ms: int | None
    is_cached: bool = False


@dataclass(frozen=True, slots=True)
class Makespan:
    """How long so many workers take, and what none of their schedules can go below."""

    workers: int
    length: int
    lower_bound: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticalPath:
    """The path, what comes near it, and how long so many workers take for everything."""

    unit: Unit
    tasks: tuple[TimedTask, ...]
    near: tuple[TimedTask, ...]
    """Beside the path, least slack first, 10 at most."""
    total: int
    makespans: tuple[Makespan, ...]
    coverage: float
    """The share of tasks that were measured, 0 to 1."""
    count: int
    """How many tasks there are."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long each task is taken to be."""

    measured: Mapping[str, Measured]
    unit: Unit
    default: int
    bound: Callable[[Measured], int]

    def __call__(self, task: Task) -> int:
        found = self.measured.get(task.id)
        return self.default if found is None else self.bound(found)

    def basis(self, id: str) -> Basis:
        """Where the length of a task is from."""
        if id in self.measured:
            return Basis.HISTORY
        return Basis.NONE if self.unit is Unit.HOPS else Basis.ESTIMATE


def _median(found: Measured) -> int:
    return found.median_ms


def lengths(
    graph: TaskGraph, measured: Mapping[str, Measured], bound: Callable[[Measured], int] = _median
) -> Lengths:
    """What was measured; for other tasks the median of these; 1 for all when none was measured."""
    known = {task.id: measured[task.id] for task in graph.real if task.id in measured}
    if not known:
        return Lengths({}, Unit.HOPS, 1, bound)
    return Lengths(known, Unit.MS, round(median(map(bound, known.values()))), bound)


def critical_path(graph: TaskGraph, measured: Mapping[str, Measured]) -> CriticalPath:
    """The longest way through the tasks, each of the length that was measured."""
    length = lengths(graph, measured)
    plan = schedule(graph, length)
    on_path = plan.critical()
    beside = set(range(len(plan.steps))) - set(on_path)
    near = nsmallest(
        MOST_NEAR,
        (at for at in beside if not plan.steps[at].tasks[0].is_relay),
        key=lambda at: (plan.slack(at), plan.steps[at].tasks[0].id),
    )
    count = len(graph.real)
    return CriticalPath(
        unit=length.unit,
        tasks=tuple(_timed(plan, on_path, length)),
        near=tuple(_timed(plan, near, length)),
        total=plan.total,
        makespans=tuple(Makespan(n, plan.makespan(n), plan.lower_bound(n)) for n in WORKERS),
        coverage=round(len(length.measured) / count, 4) if count else 0.0,
        count=count,
    )


def _timed(plan: Schedule, steps: Iterable[int], length: Lengths) -> Iterable[TimedTask]:
    for at in steps:
        start = plan.ends[at] - plan.steps[at].length
        for task in plan.steps[at].tasks:
            if task.is_relay:
                continue
            found = length.measured.get(task.id)
            yield TimedTask(
                id=task.id,
                project=task.project,
                start=start,
                length=length(task),
                slack=plan.slack(at),
                basis=length.basis(task.id),
                samples=found.samples if found else 0,
                p90_ms=found.p90_ms if found else None,
                is_cached=task.is_cached,
            )
            start += length(task)
