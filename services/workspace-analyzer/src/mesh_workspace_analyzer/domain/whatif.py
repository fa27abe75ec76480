"""What would change: the same graph and durations with something done about them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mesh_workspace_analyzer.domain.critical import Unit, lengths
from mesh_workspace_analyzer.domain.graph import ProjectGraph, blast_radius, cycles
from mesh_workspace_analyzer.domain.history import History
from mesh_workspace_analyzer.domain.schedule import schedule
from mesh_workspace_analyzer.domain.tasks import Task, TaskGraph, derive

WORKERS = 3
"""Nx's own default."""


@dataclass(frozen=True, slots=True)
class Cut:
    """`source` no longer needs `target`."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Split:
    """A task becomes so many equal ones that can run at once."""

    task: str
    parts: int


@dataclass(frozen=True, slots=True)
class EnableCache:
    """A task is no longer run again for the same inputs."""

    task: str


@dataclass(frozen=True, slots=True)
class Hire:
    """So many tasks run at once."""

    workers: int


Change = Cut | Split | EnableCache | Hire


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How long a build of everything should take, in `unit`, with the measured share of cache hits."""

    unit: Unit
    critical: int
    workers: int
    makespan: int
    cycles: int
    largest_radius: int


def unknown(graph: ProjectGraph, changes: Iterable[Change]) -> list[str]:
    """The dependencies and tasks that changes name and the graph does not have."""
    edges = {(d.source, d.target) for d in graph.dependencies}
    tasks = {f"{p.name}:{target.name}" for p in graph.projects for target in p.targets}
    missing: list[str] = []
    for change in changes:
        match change:
            case Cut(source, target) if (source, target) not in edges:
                missing.append(f"{source} > {target}")
            case Split(task) | EnableCache(task) if task not in tasks:
                missing.append(task)
            case _:
                pass
    return missing


def outcome(graph: ProjectGraph, history: History, changes: Sequence[Change] = ()) -> Outcome:
    """What comes of the changes, all together; of none, what is now. Unknown names change nothing."""
    then = changed(graph, changes)
    workers = next((c.workers for c in reversed(changes) if isinstance(c, Hire)), WORKERS)
    critical, makespan, unit = times(then, history, changes, workers)
    return Outcome(
        unit=unit,
        critical=critical,
        workers=workers,
        makespan=makespan,
        cycles=len(cycles(then)),
        largest_radius=max(blast_radius(then).values(), default=0),
    )


def times(
    graph: ProjectGraph, history: History, changes: Sequence[Change], workers: int
) -> tuple[int, int, Unit]:
    """Critical path, makespan and their unit, of a graph that `changed` has made, splits taken in."""
    tasks = derive(graph)
    length = lengths(tasks, history.measured)
    parts = {change.task: change.parts for change in changes if isinstance(change, Split)}

    def expected(task: Task) -> int:
        whole = length(task)
        if task.is_cached and length.unit is Unit.MS:
            whole = round(whole * (1 - history.hit_rate))
        return -(-whole // parts.get(task.id, 1))

    plan = schedule(_split(tasks, parts), expected)
    return plan.total, plan.makespan(workers), length.unit


def changed(graph: ProjectGraph, changes: Iterable[Change]) -> ProjectGraph:
    """The graph without what is cut, and with what is cached; splits and workers are no matter of a graph."""
    cut = {(change.source, change.target) for change in changes if isinstance(change, Cut)}
    cached = {change.task for change in changes if isinstance(change, EnableCache)}
    return replace(
        graph,
        dependencies=tuple(d for d in graph.dependencies if (d.source, d.target) not in cut),
        projects=tuple(
            replace(
                project,
                targets=tuple(
                    replace(t, cache=t.cache or f"{project.name}:{t.name}" in cached) for t in project.targets
                ),
            )
            if cached
            else project
            for project in graph.projects
        ),
    )


def _split(graph: TaskGraph, parts: dict[str, int]) -> TaskGraph:
    """The tasks with more of them where one is split; whoever waited for it waits for all."""
    places: list[list[int]] = []
    tasks: list[Task] = []
    for task in graph.tasks:
        count = 1 if task.is_relay else parts.get(task.id, 1)
        places.append(list(range(len(tasks), len(tasks) + count)))
        tasks += [task] * count
    waits: list[tuple[int, ...]] = []
    for at, needs in enumerate(graph.needs):
        own = tuple(place for need in needs for place in places[need])
        waits += [own] * len(places[at])
    return TaskGraph(tuple(tasks), tuple(waits), graph.is_whole)
