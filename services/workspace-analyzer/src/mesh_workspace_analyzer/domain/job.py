"""An analysis that nobody waits for: accepted now, made later, and where it stands until then."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

MOST_STARTS = 3
"""What has outlived its service so often is what the service dies of."""


class JobStatus(StrEnum):
    """queued → running → succeeded or failed; queued again when the service died while it ran.

    A caller may cancel it until it has ended: one that runs is `cancelling` until all of it is killed.
    """

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no analysis, as a problem document would say it (RFC 9457)."""

    code: str
    detail: str


INTERRUPTED = Problem("interrupted", f"This analysis was begun {MOST_STARTS} times and never came to an end.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Where it stands. Its analysis has the same id. Times are UTC."""

    id: UUID
    status: JobStatus
    created_at: datetime
    finished_at: datetime | None = None
    problem: Problem | None = None

    @property
    def analysis_id(self) -> UUID | None:
        """The analysis, once it is there."""
        return self.id if self.status is JobStatus.SUCCEEDED else None
