"""What callers are told of a verdict."""

from typing import Self

from mesh_shared.wire import WireModel
from pydantic import Field

from mesh_coordinator.domain.quality import FULL_BPS, Check, Report
from mesh_coordinator.repository.codec import REPORT
from mesh_coordinator.repository.tables import AttemptRow


class CheckView(WireModel):
    """One criterion and how much of it is met."""

    name: str = Field(examples=["schema", "/summary minLength", "expectedOutcome"])
    matched: int
    of: int
    weight: int
    detail: str

    @classmethod
    def of_check(cls, check: Check) -> Self:
        return cls(
            name=check.name, matched=check.matched, of=check.of, weight=check.weight, detail=check.detail
        )


class QualityView(WireModel):
    """The verdict on a result."""

    score: float = Field(ge=0, le=1, description="Work is paid above 0.8.")
    is_decided: bool = Field(description="False when a check could not be carried out: nobody is blamed.")
    checks: list[CheckView]

    @classmethod
    def of(cls, report: Report) -> Self:
        return cls(
            score=report.score_bps / FULL_BPS,
            is_decided=report.is_decided,
            checks=[CheckView.of_check(check) for check in report.checks],
        )

    @classmethod
    def of_row(cls, row: AttemptRow) -> Self | None:
        return None if row.report is None else cls.of(REPORT.validate_python(row.report))
