"""How long tasks took, how often the cache had them, and which of them cannot make up their mind."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median

SAMPLES = 20
"""The newest successes count; how a task ran a year ago says little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a task, `project:target`. Times are milliseconds, `ended_ms` since 1970.

    A hit took its result from a cache, so its duration says nothing. `hash` is of all inputs, empty when
    nobody told it.
    """

    task: str
    duration_ms: int
    ended_ms: int = 0
    hash: str = ""
    succeeded: bool = True
    is_hit: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """How long a task takes when it really runs: percentiles of so many successes."""

    p10_ms: int
    median_ms: int
    p90_ms: int
    samples: int


@dataclass(frozen=True, slots=True)
class Flaky:
    """A task that failed and succeeded on the very same inputs: `failures` of `runs`."""

    task: str
    failures: int
    runs: int


@dataclass(frozen=True, slots=True)
class History:
    """What the runs say together."""

    measured: Mapping[str, Measured] = field(default_factory=dict[str, Measured])
    hits: int = 0
    runs: int = 0
    """Those that could have been hits: all that did not fail."""
    flaky: tuple[Flaky, ...] = ()

    @property
    def hit_rate(self) -> float:
        """The share of runs that a cache answered, 0 when there were none."""
        return self.hits / self.runs if self.runs else 0.0


def summarize(runs: Iterable[Run]) -> History:
    """The history of the runs, in whatever order. Hits and failures are never durations."""
    known = list(runs)
    done = [run for run in known if run.succeeded]
    took: dict[str, list[Run]] = defaultdict(list)
    for run in done:
        if not run.is_hit:
            took[run.task].append(run)
    return History(
        measured={task: _measured(took[task]) for task in sorted(took)},
        hits=sum(run.is_hit for run in done),
        runs=len(done),
        flaky=tuple(_flaky(known)),
    )


def _measured(runs: list[Run]) -> Measured:
    newest = sorted(runs, key=lambda run: run.ended_ms)[-SAMPLES:]
    durations = sorted(run.duration_ms for run in newest)
    return Measured(
        _percentile(durations, 10), round(median(durations)), _percentile(durations, 90), len(durations)
    )


def _percentile(ordered: list[int], percent: int) -> int:
    """The nearest rank: the smallest that at least so many of a hundred do not exceed."""
    return ordered[-(-len(ordered) * percent // 100) - 1]


def _flaky(runs: list[Run]) -> Iterable[Flaky]:
    """Source: Nx Cloud, which calls a task flaky when it fails and succeeds for the same hash."""
    same: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for run in runs:
        if run.hash and not run.is_hit:
            same[run.task, run.hash].append(run.succeeded)
    found: dict[str, list[bool]] = defaultdict(list)
    for (task, _), outcomes in same.items():
        if len(set(outcomes)) > 1:
            found[task] += outcomes
    for task in sorted(found):
        yield Flaky(task, found[task].count(False), len(found[task]))
