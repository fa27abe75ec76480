"""What would make builds faster, each tried out on the same tasks before it is recommended."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from mesh_workspace_analyzer.domain.critical import WORKERS as TRIED
from mesh_workspace_analyzer.domain.critical import CriticalPath, TimedTask, Unit
from mesh_workspace_analyzer.domain.graph import ProjectGraph
from mesh_workspace_analyzer.domain.history import History, Measured
from mesh_workspace_analyzer.domain.whatif import WORKERS, Change, EnableCache, Hire, Split, changed, times

LEAST_MS = 1000
LEAST_SHARE = 0.01
"""A smaller gain is not worth a word, nor is one below a second."""
MOST_BOUNDED = 2_000
"""Of more tasks only the median is tried."""
PARTS = 2


@dataclass(frozen=True, slots=True)
class Gain:
    """A change, the task that it is about if any, and the milliseconds that it saves of a whole build.

    `low` and `high` are for tasks at their 10th and 90th percentile.
    """

    change: Change
    task: TimedTask | None
    saved_ms: int
    low_ms: int
    high_ms: int
    of_ms: int


def gains(graph: ProjectGraph, path: CriticalPath, history: History) -> list[Gain]:
    """What saves at least a second and a hundredth of a build with three workers, most first."""
    if path.unit is Unit.HOPS:
        return []
    bounds = [history, history, history]
    if path.count <= MOST_BOUNDED:
        bounds = [_at(history, bound) for bound in ("p10_ms", "median_ms", "p90_ms")]
    before = [_span(graph, bound, ()) for bound in bounds]
    found: list[Gain] = []
    for change, task in _candidates(path):
        after = [_span(graph, bound, (change,)) for bound in bounds]
        saved = [was - now for was, now in zip(before, after, strict=True)]
        if saved[1] >= max(LEAST_MS, LEAST_SHARE * before[1]):
            found.append(Gain(change, task, saved[1], min(saved), max(saved), before[1]))
    return sorted(found, key=lambda gain: -gain.saved_ms)


def _candidates(path: CriticalPath) -> Iterator[tuple[Change, TimedTask | None]]:
    if path.tasks:
        longest = max(path.tasks, key=lambda task: task.length)
        yield Split(longest.id, PARTS), longest
    if uncached := [task for task in path.tasks if not task.is_cached]:
        longest = max(uncached, key=lambda task: task.length)
        yield EnableCache(longest.id), longest
    enough = [span.workers for span in path.makespans if span.length <= 1.05 * path.total]
    if enough and enough[0] > WORKERS:
        yield Hire(min(enough[0], max(TRIED))), None


def _span(graph: ProjectGraph, history: History, changes: tuple[Change, ...]) -> int:
    workers = next((change.workers for change in changes if isinstance(change, Hire)), WORKERS)
    return times(changed(graph, changes), history, changes, workers)[1]


def _at(history: History, bound: str) -> History:
    def flat(found: Measured) -> Measured:
        value: int = getattr(found, bound)
        return Measured(value, value, value, found.samples)

    return replace(history, measured={task: flat(found) for task, found in history.measured.items()})
