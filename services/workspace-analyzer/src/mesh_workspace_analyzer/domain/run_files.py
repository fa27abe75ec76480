"""What tools write about their runs: Nx's `run.json`, Turborepo's summaries."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated

from mesh_shared.wire import WireModel
from pydantic import Field, StringConstraints
from pydantic.alias_generators import to_camel

from mesh_workspace_analyzer.domain.history import Run

HITS = frozenset({"local-cache-hit", "remote-cache-hit"})
MOST_TASKS = 3_000
"""As many as fit into a request with all that Nx says of each."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NX_EXAMPLE = {
    "tasks": [
        {
            "taskId": "web:build",
            "target": "build",
            "projectName": "web",
            "hash": "7927924791261189421",
            "startTime": "2026-01-02T03:04:05.000Z",
            "endTime": "2026-01-02T03:04:13.400Z",
            "cacheStatus": "cache-miss",
            "status": 0,
        }
    ]
}

Millisecond = Annotated[int, Field(ge=0, le=1 << 53, description="Since 1970.")]
ExitCode = Annotated[int, Field(ge=-(1 << 31), le=(1 << 31) - 1, description="0 where it succeeded.")]
Moment = Annotated[
    str,
    StringConstraints(
        pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
        r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z$"
    ),
    Field(description="As JavaScript writes it.", examples=["2026-01-02T03:04:05.000Z"]),
]
Name = Annotated[str, Field(max_length=300)]


class _Written(WireModel, alias_generator=to_camel, extra="ignore"):
    pass


class NxTask(_Written):
    """A task of a run, hits and failures included."""

    project_name: Name
    target: Name
    start_time: Moment
    end_time: Moment
    status: ExitCode
    hash: Name = ""
    cache_status: Name = "cache-miss"


class NxRunFile(_Written):
    """Nx's `run.json`, as it stands. Source: nx 24, `store-run-information-life-cycle`."""

    tasks: Annotated[list[NxTask], Field(max_length=MOST_TASKS)]

    def runs(self) -> Iterator[Run]:
        """One run for each task that Nx did not skip; none on a day that no calendar has."""
        for task in self.tasks:
            with suppress(ValueError):
                yield self._run(task)

    def _run(self, task: NxTask) -> Run:
        start, end = _milliseconds(task.start_time), _milliseconds(task.end_time)
        return Run(
            task=f"{task.project_name}:{task.target}",
            duration_ms=max(0, end - start),
            ended_ms=end,
            hash=task.hash,
            succeeded=task.status == 0,
            is_hit=task.cache_status in HITS,
        )


class TurboExecution(_Written):
    """When something ran, and the code that it exited with."""

    start_time: Millisecond
    end_time: Millisecond
    exit_code: ExitCode | None = None


class TurboCache(_Written):
    """`HIT` or `MISS`."""

    status: Name = "MISS"


class TurboTask(_Written):
    """A task of a package, `//` for the workspace's own; without execution it did not run."""

    task: Name
    package: Name = "//"
    hash: Name = ""
    cache: TurboCache = TurboCache()
    execution: TurboExecution | None = None


class TurboRunFile(_Written):
    """A summary of Turborepo's (`turbo run … --summarize`), as it stands. Source: turbo 2."""

    execution: TurboExecution
    tasks: Annotated[list[TurboTask], Field(max_length=MOST_TASKS)]

    def runs(self) -> Iterator[Run]:
        """One run for each task that ran."""
        for task in self.tasks:
            if (took := task.execution) is not None:
                yield Run(
                    task=f"{task.package}:{task.task}",
                    duration_ms=max(0, took.end_time - took.start_time),
                    ended_ms=took.end_time,
                    hash=task.hash,
                    succeeded=not took.exit_code,
                    is_hit=task.cache.status == "HIT",
                )


RunFile = TurboRunFile | NxRunFile


def _milliseconds(moment: str) -> int:
    return (datetime.fromisoformat(moment) - EPOCH) // timedelta(milliseconds=1)
