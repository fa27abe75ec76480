"""When tasks can run: earliest ends, slack, and how long a number of workers takes for all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from mesh_workspace_analyzer.domain.digraph import Needs, condense, inverse
from mesh_workspace_analyzer.domain.tasks import Task, TaskGraph


@dataclass(frozen=True, slots=True)
class Step:
    """What runs in one piece: a task, a relay of no length, or the tasks of a circle one after the other."""

    tasks: tuple[Task, ...]
    length: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """The steps, each after all that it needs. Lengths are in the unit that they were given in."""

    steps: tuple[Step, ...]
    needs: Needs
    ends: Sequence[int]
    """When each step ends at the earliest, with a worker for everybody."""
    tails: Sequence[int]
    """From the start of each step to the end of everything that waits for it."""
    total: int
    """The length of the critical path: no number of workers is faster."""

    @property
    def work(self) -> int:
        """What one worker takes."""
        return sum(step.length for step in self.steps)

    def slack(self, at: int) -> int:
        """How much longer the step may take without delaying the end of all."""
        return self.total - (self.ends[at] + self.tails[at] - self.steps[at].length)

    def critical(self) -> list[int]:
        """The steps that decide the total, in their order; among equal ones the first by name."""
        if not self.steps:
            return []
        way = [self._first(range(len(self.steps)), self.total)]
        while (start := self.ends[way[-1]] - self.steps[way[-1]].length) > 0:
            way.append(self._first(self.needs[way[-1]], start))
        return [at for at in reversed(way) if not self.steps[at].tasks[0].is_relay]

    def lower_bound(self, workers: int) -> int:
        """No schedule of so many workers is shorter. Raises `ZeroDivisionError` for no worker."""
        return max(self.total, -(-self.work // workers))

    def makespan(self, workers: int) -> int:
        """How long so many workers, at least 1, take when each takes the step with the longest tail."""
        waiting = [len(needed) for needed in self.needs]
        dependents = inverse(self.needs)
        ready = [(-self.tails[at], at) for at, count in enumerate(waiting) if count == 0]
        heapify(ready)
        running: list[tuple[int, int]] = []
        now = 0
        while ready or running:
            if ready and len(running) < workers:
                _, at = heappop(ready)
                heappush(running, (now + self.steps[at].length, at))
                continue
            now, done = heappop(running)
            for at in dependents[done]:
                waiting[at] -= 1
                if waiting[at] == 0:
                    heappush(ready, (-self.tails[at], at))
        return now

    def _first(self, among: Sequence[int], end: int) -> int:
        return min((at for at in among if self.ends[at] == end), key=lambda at: self.steps[at].tasks[0].id)


def schedule(graph: TaskGraph, length: Callable[[Task], int]) -> Schedule:
    """The schedule of tasks of the given lengths, none below 0; a relay has none, a circle is one step."""
    condensed = condense(graph.needs)
    steps = tuple(_step([graph.tasks[at] for at in group], length) for group in condensed.groups)
    ends: list[int] = []
    for step, needed in zip(steps, condensed.needs, strict=True):
        ends.append(step.length + max((ends[at] for at in needed), default=0))
    tails = [step.length for step in steps]
    for at in reversed(range(len(steps))):
        for needed in condensed.needs[at]:
            tails[needed] = max(tails[needed], steps[needed].length + tails[at])
    return Schedule(steps, condensed.needs, ends, tails, max(ends, default=0))


def _step(tasks: list[Task], length: Callable[[Task], int]) -> Step:
    tasks.sort(key=lambda task: (task.is_relay, task.id))
    return Step(tuple(tasks), sum(length(task) for task in tasks if not task.is_relay))
