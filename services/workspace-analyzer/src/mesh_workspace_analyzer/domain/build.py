"""A build of what an analysis found affected."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class BuildStatus(StrEnum):
    """queued → running → succeeded or failed; interrupted when the service died while it ran.

    A caller may cancel it until it has ended: one that runs is `cancelling` until all of it is killed.
    """

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"


AT_WORK = (BuildStatus.RUNNING, BuildStatus.CANCELLING)
OPEN = (BuildStatus.QUEUED, *AT_WORK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Where a build stands. Times are UTC; `log_tail` is the end of what it wrote."""

    id: UUID
    analysis_id: UUID
    status: BuildStatus
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    log_tail: str = ""

    @property
    def is_open(self) -> bool:
        """True while it waits or runs, or is about to be killed."""
        return self.status in OPEN

    @property
    def success(self) -> bool | None:
        """Whether everything was built; None while that is open."""
        return None if self.is_open else self.status is BuildStatus.SUCCEEDED

    @property
    def duration_s(self) -> float | None:
        """Seconds from its start to its end; None while it has not ended, or when nobody saw the end."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class BuildOutcome:
    """How a build ended and the end of what it wrote."""

    succeeded: bool
    log_tail: str
