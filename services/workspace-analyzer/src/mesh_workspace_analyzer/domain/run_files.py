"""What tools write about their runs: Nx's `run.json`, Turborepo's summaries."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from mesh_shared.wire import ReadModel
from pydantic import AwareDatetime, Field
from pydantic.alias_generators import to_camel

from mesh_workspace_analyzer.domain.history import Run

HITS = frozenset({"local-cache-hit", "remote-cache-hit"})
MOST_TASKS = 10_000

Millisecond = Annotated[int, Field(ge=0, le=1 << 53, description="Since 1970.")]
Name = Annotated[str, Field(max_length=300)]


class _Written(ReadModel, alias_generator=to_camel, populate_by_name=True):
    pass


class NxTask(_Written):
    project_name: Name
    target: Name
    start_time: AwareDatetime
    end_time: AwareDatetime
    status: int
    hash: Name = ""
    cache_status: Name = "cache-miss"


class NxRunFile(_Written):
    """Nx's `run.json`, as it stands. Source: nx 24, `store-run-information-life-cycle`."""

    tasks: Annotated[list[NxTask], Field(max_length=MOST_TASKS)]

    def runs(self) -> Iterator[Run]:
        """One run for each task; Nx leaves those out that it skipped."""
        for task in self.tasks:
            start, end = _milliseconds(task.start_time), _milliseconds(task.end_time)
            yield Run(
                task=f"{task.project_name}:{task.target}",
                duration_ms=max(0, end - start),
                ended_ms=end,
                hash=task.hash,
                succeeded=task.status == 0,
                is_hit=task.cache_status in HITS,
            )


class TurboExecution(_Written):
    start_time: Millisecond
    end_time: Millisecond
    exit_code: int | None = None


class TurboCache(_Written):
    status: Name = "MISS"


class TurboTask(_Written):
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


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)
