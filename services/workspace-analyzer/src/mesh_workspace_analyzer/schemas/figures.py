"""Time and money."""

from typing import Any, Self

from mesh_shared.wire import WireModel
from pydantic import Field

from mesh_workspace_analyzer.domain.cost import CostImpact, Interval, Money
from mesh_workspace_analyzer.domain.critical import Basis, CriticalPath, TimedTask, Unit
from mesh_workspace_analyzer.domain.rates import Runner


class TaskView(WireModel):
    id: str = Field(examples=["web:build"])
    project: str
    startMs: int | None = Field(description="When it can begin at the earliest, from the start of the build.")
    durationMs: int | None = Field(description="The median; null when nothing was measured.")
    p90Ms: int | None
    source: Basis = Field(description="`estimate`: the median of the tasks that were measured.")
    samples: int = Field(ge=0)
    slackMs: int | None = Field(description="How much longer it may take without delaying the end of all.")

    @classmethod
    def of(cls, task: TimedTask, unit: Unit) -> Self:
        is_timed = unit is Unit.MS
        return cls(
            id=task.id,
            project=task.project,
            startMs=task.start if is_timed else None,
            durationMs=task.length if is_timed else None,
            p90Ms=task.p90_ms,
            source=task.basis,
            samples=task.samples,
            slackMs=task.slack if is_timed else None,
        )


class CriticalPathView(WireModel):
    """The builds that decide how long all of them take; without measured durations, their number."""

    unit: Unit
    tasks: list[TaskView] = Field(description="In their order.")
    length: int = Field(ge=0, description="How many tasks.")
    near: list[TaskView] = Field(description="Tasks beside the path with the least slack, 10 at most.")
    totalMs: int | None = Field(description="No number of workers is faster; null without durations.")
    makespanMs: dict[str, int] = Field(description="How long so many workers take; empty without durations.")
    lowerBoundMs: dict[str, int] = Field(
        description="The longer of the path and an equal share of all work, by workers."
    )
    coverage: float = Field(ge=0, le=1, description="The share of tasks whose duration was measured.")

    @classmethod
    def of(cls, path: CriticalPath) -> Self:
        spans = path.makespans if path.unit is Unit.MS else ()
        return cls(
            unit=path.unit,
            tasks=[TaskView.of(task, path.unit) for task in path.tasks],
            length=len(path.tasks),
            near=[TaskView.of(task, path.unit) for task in path.near],
            totalMs=path.total if path.unit is Unit.MS else None,
            makespanMs={str(span.workers): span.length for span in spans},
            lowerBoundMs={str(span.workers): span.lower_bound for span in spans},
            coverage=path.coverage,
        )


class IntervalView(WireModel):
    """Dollars when tasks are quick (10th percentile), as usual (median) and slow (90th)."""

    low: str = Field(examples=["0.012"])
    mid: str
    high: str

    @classmethod
    def of(cls, interval: Interval) -> Self:
        return cls(low=f"{interval.low:f}", mid=f"{interval.mid:f}", high=f"{interval.high:f}")


class CostImpactView(WireModel):
    """What need not be built. Money is null until durations are known; it is of one run of the job."""

    projectsSkippedPct: int = Field(ge=0, le=100, description="Percent of the projects; no money.")
    method: str = Field(examples=["project-count", "billed-minutes"])
    assumptions: list[str]
    currency: str | None = None
    runner: Runner | None = None
    ratePerMinute: str | None = None
    rateSource: str | None = None
    rateDate: str | None = None
    full: IntervalView | None = None
    affected: IntervalView | None = None
    avoided: IntervalView | None = None
    avoidedPerMonth: IntervalView | None = None
    fullMinutes: int | None = Field(default=None, description="Billed minutes with all projects.")
    affectedMinutes: int | None = Field(default=None, description="Billed minutes with the affected ones.")
    minutesSkippedPct: int | None = None

    @classmethod
    def of(cls, cost: CostImpact) -> Self:
        counted: dict[str, Any] = {
            "projectsSkippedPct": cost.skipped_pct,
            "method": cost.method,
            "assumptions": list(cost.assumptions),
        }
        return cls(**counted, **({} if cost.money is None else _money(cost.money)))


def _money(money: Money) -> dict[str, Any]:
    monthly = money.avoided_per_month
    return {
        "currency": money.currency,
        "runner": money.runner,
        "ratePerMinute": f"{money.rate_per_minute:f}",
        "rateSource": money.rate_source,
        "rateDate": money.rate_date,
        "full": IntervalView.of(money.full),
        "affected": IntervalView.of(money.affected),
        "avoided": IntervalView.of(money.avoided),
        "avoidedPerMonth": None if monthly is None else IntervalView.of(monthly),
        "fullMinutes": money.full_minutes,
        "affectedMinutes": money.affected_minutes,
        "minutesSkippedPct": money.minutes_skipped_pct,
    }
