"""What a caller asks for."""

from typing import Annotated

from mesh_shared.wire import PORT, WireModel
from pydantic import AfterValidator, Field, StringConstraints

from mesh_workspace_analyzer.domain.analysis import Mode
from mesh_workspace_analyzer.domain.constraints import Constraint, pattern
from mesh_workspace_analyzer.domain.cost import Pipeline
from mesh_workspace_analyzer.domain.history import Run
from mesh_workspace_analyzer.domain.rates import Runner
from mesh_workspace_analyzer.domain.run_files import NX_EXAMPLE, RunFile

MOST_RUN_FILES = 50
MOST_DURATIONS = 10_000
MAX_DURATION_MS = 7 * 24 * 3_600_000

_SEGMENT = r"[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*"

_FOLDER = rf"{_SEGMENT}(/{_SEGMENT})*"
_HOST = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
_REPOSITORY = rf"https://{_HOST}{PORT}(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+"

Workspace = Annotated[
    str,
    StringConstraints(max_length=512, pattern=rf"^(\.|{_FOLDER}|{_REPOSITORY}(#{_FOLDER})?)$"),
    Field(
        description="Folder of a workspace, relative to one of the configured roots; `.` for a root "
        "itself. No other part of it starts with a dot. Or the https URL of a git repository on a host that "
        "the operator has named, with `#` and a folder where the workspace is not at its top.",
        examples=["storefront"],
    ),
]
ArchiveName = Annotated[
    str,
    StringConstraints(max_length=60, pattern=rf"^{_SEGMENT}$"),
    Field(description="What the workspace is called in the answer and in trends."),
]
ArchivePath = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
# An address has 64 KiB, and a character in it may take twelve bytes.
ChangedFiles = Annotated[
    list[ArchivePath],
    Field(
        max_length=20,
        description="Files of the archive that have changed, or are no longer in it; for more, `changed_in`.",
    ),
]
ChangedIn = Annotated[
    ArchivePath,
    Field(
        description="A file of the archive that names further changed files, one a line, as "
        "`git diff --name-only` does."
    ),
]
Ref = Annotated[
    str,
    StringConstraints(max_length=200, pattern=r"^[A-Za-z0-9._/][A-Za-z0-9._/-]*$"),
    Field(description="Branch, tag or commit."),
]


class Duration(WireModel):
    task: str = Field(max_length=300, examples=["web:build"])
    durationMs: int = Field(ge=0, le=MAX_DURATION_MS, examples=[8400])


class Ci(WireModel):
    """The job that builds, for what it costs."""

    runner: Annotated[Runner, Field(strict=False)] = Field(
        default=Runner.LINUX_2_CORE_ADVANCED, description="GitHub's billing SKU."
    )
    workers: int = Field(default=3, ge=1, le=64, description="Tasks at once.")
    setupMs: int = Field(default=60_000, ge=0, le=3_600_000, description="Until the first task starts.")
    runsPerMonth: int | None = Field(default=None, ge=1, le=1_000_000)

    def pipeline(self) -> Pipeline:
        """The same in the domain's words."""
        return Pipeline(
            runner=self.runner,
            workers=self.workers,
            setup_ms=self.setupMs,
            runs_per_month=self.runsPerMonth,
        )


def _usable(tag: str) -> str:
    """Refuses a tag that is no pattern."""
    pattern(tag)
    return tag


Tag = Annotated[str, Field(max_length=200), AfterValidator(_usable)]
Tags = Annotated[list[Tag], Field(max_length=50)]


class DepConstraint(WireModel):
    """One of Nx's `depConstraints`: what projects with these tags may depend on.

    A tag may be a glob with `*`, or a regular expression in slashes, which looks neither around nor back.
    """

    sourceTag: Tag | None = Field(default=None, examples=["type:lib"])
    allSourceTags: Tags | None = Field(default=None, description="Instead of `sourceTag`: all of them.")
    onlyDependOnLibsWithTags: Tags | None = Field(
        default=None, description="Null for any; empty for those without tags."
    )
    notDependOnLibsWithTags: Tags = Field(default=[], description="At any remove.")

    def asked(self) -> Constraint:
        """The same in the domain's words; without tags it is about every project."""
        own = [self.sourceTag] if self.sourceTag is not None else []
        return Constraint(
            tuple(own + (self.allSourceTags or [])),
            None if self.onlyDependOnLibsWithTags is None else tuple(self.onlyDependOnLibsWithTags),
            tuple(self.notDependOnLibsWithTags),
        )


class AnalysisRequest(WireModel):
    workspace: Workspace
    base: Annotated[Ref, Field(examples=["main"])] = "main"
    head: Annotated[Ref, Field(examples=["HEAD"])] = "HEAD"
    mode: Mode = Field(
        default=Mode.STATIC,
        strict=False,
        description="Who reads: `static` our readers of files, for every tool; `nx-core` the real Nx; "
        "`nx-full` the workspace's Nx with its plugins, later, where the operator allows that.",
    )

    depConstraints: Annotated[list[DepConstraint], Field(max_length=100)] = Field(
        default=[],
        description="Which projects may depend on which, by their tags, as for Nx's ESLint rule; instead of "
        "those that the workspace's own ESLint configuration has.",
        examples=[[{"sourceTag": "type:lib", "onlyDependOnLibsWithTags": ["type:lib"]}]],
    )
    ci: Ci = Field(default=Ci(), examples=[{"runner": "linux_4_core", "workers": 4}])
    runs: Annotated[list[RunFile], Field(max_length=MOST_RUN_FILES)] = Field(
        default=[],
        description="Nx's `run.json` and Turborepo's summaries, as they stand.",
        examples=[[NX_EXAMPLE]],
    )
    durations: Annotated[list[Duration], Field(max_length=MOST_DURATIONS)] = Field(
        default=[],
        description="How long tasks took when they really ran, once for each run.",
        examples=[[{"task": "web:build", "durationMs": 8400}]],
    )

    def former_runs(self) -> tuple[Run, ...]:
        """All runs that the request tells of."""
        told = (Run(task=one.task, duration_ms=one.durationMs) for one in self.durations)
        return (*told, *(run for file in self.runs for run in file.runs()))
