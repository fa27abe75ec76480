"""What a change saves: projects that need no work, and minutes of a runner where durations were measured."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from decimal import Decimal

from mesh_workspace_analyzer.domain.critical import Lengths, lengths
from mesh_workspace_analyzer.domain.graph import ProjectGraph
from mesh_workspace_analyzer.domain.history import History, Measured
from mesh_workspace_analyzer.domain.rates import CURRENCY, RATES, RATES_DATE, RATES_SOURCE, Runner
from mesh_workspace_analyzer.domain.schedule import schedule
from mesh_workspace_analyzer.domain.tasks import Task, TaskGraph

COUNTED = "project-count"
BILLED = "billed-minutes"
MINUTE_MS = 60_000
BOUNDS: tuple[Callable[[Measured], int], ...] = (
    lambda found: found.p10_ms,
    lambda found: found.median_ms,
    lambda found: found.p90_ms,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The job that builds: its runner, the tasks at once, milliseconds until the first of them."""

    runner: Runner = Runner.LINUX_2_CORE_ADVANCED
    workers: int = 3
    setup_ms: int = MINUTE_MS
    runs_per_month: int | None = None


@dataclass(frozen=True, slots=True)
class Interval:
    """Between what tasks take when they are quick (10th percentile) and slow (90th); `mid` at the median."""

    low: Decimal
    mid: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """Dollars for one run of the job with every project, with the affected ones, and the difference."""

    rate_per_minute: Decimal
    full: Interval
    affected: Interval
    avoided: Interval
    avoided_per_month: Interval | None
    full_minutes: int
    affected_minutes: int
    """Billed minutes at the median."""
    minutes_skipped_pct: int
    runner: Runner
    currency: str = CURRENCY
    rate_source: str = RATES_SOURCE
    rate_date: str = RATES_DATE


@dataclass(frozen=True, slots=True, kw_only=True)
class CostImpact:
    """The share of projects that need no work, a count; and money, where durations were measured."""

    skipped_pct: int
    assumptions: tuple[str, ...]
    money: Money | None = None

    @property
    def method(self) -> str:
        """What the impact rests on."""
        return COUNTED if self.money is None else BILLED


def calculate_cost_optimization(affected: int, total: int) -> int:
    """`round((1 - affected/total) * 100)`, halves up: percent of the projects that are not affected.

    0 for a workspace without projects. Raises `ValueError` unless 0 ≤ affected ≤ total.
    Source: row E of the first system, which left no projects undefined.
    """
    if not 0 <= affected <= total:
        raise ValueError(f"{affected} of {total} projects cannot be affected")
    if total == 0:
        return 0
    return (200 * (total - affected) + total) // (2 * total)


def billed_minutes(duration_ms: int) -> int:
    """Whole minutes, as each job is rounded up. Source: the page of the rates."""
    return -(-duration_ms // MINUTE_MS)


def cost_impact(
    graph: ProjectGraph,
    tasks: TaskGraph,
    affected: Collection[str],
    *,
    is_exact: bool,
    history: History | None = None,
    pipeline: Pipeline | None = None,
) -> CostImpact:
    """The impact of an analysis, with the tasks of its graph; one that took all projects claims no saving.

    Raises `ValueError` as `calculate_cost_optimization` does.
    """
    pipeline, history = pipeline or Pipeline(), history or History()
    money = None
    if any(task.id in history.measured for task in tasks.real):
        money = _money(tasks, set(affected) if is_exact else set(graph.names), history, pipeline)
    skipped = calculate_cost_optimization(len(affected), len(graph.projects)) if is_exact else 0
    return CostImpact(
        skipped_pct=skipped,
        assumptions=_assumptions(money, history, pipeline, is_exact=is_exact),
        money=money,
    )


def _assumptions(
    money: Money | None, history: History, pipeline: Pipeline, *, is_exact: bool
) -> tuple[str, ...]:
    told = ["Every project counts the same: no durations were measured."]
    if money is not None:
        told = [
            f"One job on {pipeline.runner} with {pipeline.workers} tasks at once and "
            f"{pipeline.setup_ms} ms before the first; each job is billed by the whole minute.",
            f"{round(100 * history.hit_rate)} % of what can be cached is, with and without the change.",
            "What is not affected but waited for comes from the cache when it can be cached.",
        ]
    if not is_exact:
        told.append("What changed is not known, so nothing is skipped.")
    return tuple(told)


def _money(tasks: TaskGraph, affected: set[str], history: History, pipeline: Pipeline) -> Money:
    rate = RATES[pipeline.runner]
    spans = [_spans(tasks, affected, history, pipeline, bound) for bound in BOUNDS]
    full, part = ([billed_minutes(span) for span in column] for column in zip(*spans, strict=True))
    avoided = [all_ - some for all_, some in zip(full, part, strict=True)]
    spared = _interval(avoided, rate)
    return Money(
        rate_per_minute=rate,
        full=_interval(full, rate),
        affected=_interval(part, rate),
        avoided=spared,
        avoided_per_month=_interval(avoided, rate * pipeline.runs_per_month)
        if pipeline.runs_per_month
        else None,
        full_minutes=full[1],
        affected_minutes=part[1],
        minutes_skipped_pct=calculate_cost_optimization(part[1], full[1]),
        runner=pipeline.runner,
    )


def _interval(minutes: list[int], rate: Decimal) -> Interval:
    low, high = min(minutes), max(minutes)
    return Interval(low * rate, minutes[1] * rate, high * rate)


def _spans(
    tasks: TaskGraph,
    affected: set[str],
    history: History,
    pipeline: Pipeline,
    bound: Callable[[Measured], int],
) -> tuple[int, int]:
    """How long the job takes with every project and with the affected ones, in milliseconds."""
    length = lengths(tasks, history.measured, bound)
    expected = _expected(length, history.hit_rate)

    def needed(task: Task) -> int:
        return 0 if task.is_cached and task.project not in affected else expected(task)

    part = _without(tasks, affected)
    full_ms = schedule(tasks, expected).makespan(pipeline.workers)
    part_ms = schedule(part, needed).makespan(pipeline.workers)
    return pipeline.setup_ms + full_ms, pipeline.setup_ms + min(part_ms, full_ms)


def _expected(length: Lengths, hit_rate: float) -> Callable[[Task], int]:
    """The length of a task, weighed by how often the cache has it."""
    return lambda task: round(length(task) * (1 - hit_rate)) if task.is_cached else length(task)


def _without(tasks: TaskGraph, affected: set[str]) -> TaskGraph:
    """Only the tasks of affected projects and all that they wait for."""
    kept: set[int] = set()
    waiting = [at for at, task in enumerate(tasks.tasks) if task.project in affected and not task.is_relay]
    while waiting:
        if (at := waiting.pop()) not in kept:
            kept.add(at)
            waiting.extend(tasks.needs[at])
    order = sorted(kept)
    place = {at: position for position, at in enumerate(order)}
    return TaskGraph(
        tuple(tasks.tasks[at] for at in order),
        tuple(tuple(place[need] for need in tasks.needs[at]) for at in order),
    )
