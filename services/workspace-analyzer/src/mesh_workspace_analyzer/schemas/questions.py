"""What if, since when, what is different: what is asked and what is told."""

from typing import Annotated, Literal, Self

from mesh_shared.wire import Timestamp, Uuid, WireModel
from pydantic import Field

from mesh_workspace_analyzer.domain.analysis import Analysis
from mesh_workspace_analyzer.domain.critical import Unit
from mesh_workspace_analyzer.domain.difference import Difference, Names
from mesh_workspace_analyzer.domain.whatif import Change, Cut, EnableCache, Hire, Outcome, Split

TaskId = Annotated[str, Field(max_length=300, examples=["web:build"])]
ProjectName = Annotated[str, Field(max_length=300, examples=["web"])]


class CutChange(WireModel):
    """One project no longer needs another."""

    change: Literal["cut"]
    source: ProjectName
    target: ProjectName

    def asked(self) -> Change:
        return Cut(self.source, self.target)


class SplitChange(WireModel):
    """A task becomes so many equal ones that can run at once."""

    change: Literal["split"]
    task: TaskId
    parts: int = Field(default=2, ge=2, le=64)

    def asked(self) -> Change:
        return Split(self.task, self.parts)


class CacheChange(WireModel):
    """A task is cached, and found there as often as others are."""

    change: Literal["enable-cache"]
    task: TaskId

    def asked(self) -> Change:
        return EnableCache(self.task)


class WorkersChange(WireModel):
    """So many tasks run at once, instead of 3."""

    change: Literal["workers"]
    workers: int = Field(ge=1, le=64)

    def asked(self) -> Change:
        return Hire(self.workers)


class WhatIf(WireModel):
    changes: Annotated[
        list[CutChange | SplitChange | CacheChange | WorkersChange], Field(min_length=1, max_length=50)
    ] = Field(
        description="Made all together; the last number of workers counts.",
        examples=[[{"change": "workers", "workers": 8}]],
    )

    def asked(self) -> list[Change]:
        return [change.asked() for change in self.changes]


class OutcomeView(WireModel):
    unit: Unit
    criticalPath: int = Field(ge=0, description="Length, in `unit`.")
    workers: int
    makespan: int = Field(ge=0, description="What so many workers take, in `unit`.")
    cycles: int = Field(ge=0)
    largestRadius: int = Field(ge=0, description="As many projects does the worst change affect.")

    @classmethod
    def of(cls, found: Outcome) -> Self:
        return cls(
            unit=found.unit,
            criticalPath=found.critical,
            workers=found.workers,
            makespan=found.makespan,
            cycles=found.cycles,
            largestRadius=found.largest_radius,
        )


class WhatIfView(WireModel):
    """A build of everything, weighed by the measured share of cache hits."""

    now: OutcomeView
    then: OutcomeView
    saved: int = Field(description="Of the makespan, in `unit`; negative when it takes longer.")

    @classmethod
    def of(cls, now: Outcome, then: Outcome) -> Self:
        return cls(now=OutcomeView.of(now), then=OutcomeView.of(then), saved=now.makespan - then.makespan)


class PointView(WireModel):
    """One analysis in the course of time."""

    id: Uuid
    created_at: Timestamp
    headSha: str | None
    totalProjects: int
    affectedProjects: int
    projectsSkippedPct: int
    unit: Unit
    criticalPath: int = Field(description="Length, in `unit`.")
    coverage: float
    cacheHitRate: float | None = Field(description="Null without runs that say.")
    cycles: int

    @classmethod
    def of(cls, analysis: Analysis) -> Self:
        return cls(
            id=analysis.id,
            created_at=analysis.created_at,
            headSha=analysis.head.sha,
            totalProjects=analysis.projects,
            affectedProjects=len(analysis.affected),
            projectsSkippedPct=analysis.cost.skipped_pct,
            unit=analysis.critical_path.unit,
            criticalPath=analysis.critical_path.total,
            coverage=analysis.critical_path.coverage,
            cacheHitRate=analysis.history.hit_rate if analysis.history.runs else None,
            cycles=len(analysis.circles),
        )


class TrendView(WireModel):
    items: list[PointView] = Field(description="Oldest first.")


class NamesView(WireModel):
    added: list[str]
    removed: list[str]

    @classmethod
    def of(cls, names: Names) -> Self:
        return cls(added=list(names.added), removed=list(names.removed))


class DifferenceView(WireModel):
    before: PointView
    after: PointView
    projects: NamesView
    dependencies: NamesView = Field(description="As `source > target`.")
    affected: NamesView
    recommendations: NamesView = Field(description="As `rule: title`.")
    criticalPath: int | None = Field(description="How much longer, in the unit that both have.")

    @classmethod
    def of(cls, found: Difference) -> Self:
        return cls(
            before=PointView.of(found.before),
            after=PointView.of(found.after),
            projects=NamesView.of(found.projects),
            dependencies=NamesView.of(found.dependencies),
            affected=NamesView.of(found.affected),
            recommendations=NamesView.of(found.recommendations),
            criticalPath=found.critical,
        )
