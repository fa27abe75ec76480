"""Analyses that are made later, as they are told."""

from typing import Self

import msgspec
from mesh_shared.wire import Timestamp, Uuid, WireModel
from pydantic import Field

from mesh_workspace_analyzer.domain.job import Job, JobStatus


class JobProblemView(WireModel):
    """What the problem document would have said, had somebody waited for it."""

    code: str = Field(examples=["revision-not-found"])
    detail: str


class JobView(WireModel):
    id: Uuid
    status: JobStatus
    analysis_id: Uuid | None = Field(description="Null until it has succeeded.")
    problem: JobProblemView | None = Field(description="Why it has failed.")
    created_at: Timestamp
    finished_at: Timestamp | None

    @classmethod
    def of(cls, job: Job) -> Self:
        problem = None if job.problem is None else JobProblemView(**msgspec.to_builtins(job.problem))
        return cls(
            id=job.id,
            status=job.status,
            analysis_id=job.analysis_id,
            problem=problem,
            created_at=job.created_at,
            finished_at=job.finished_at,
        )
