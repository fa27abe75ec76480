"""Analyses that nobody waits for: queued, made once, told by their rows, and outliving their service."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from mesh_shared.database.engine import Database
from mesh_workspace_analyzer.adapters.archives import ArchiveSources
from mesh_workspace_analyzer.domain.analysis import Comparison, Mode, Revision
from mesh_workspace_analyzer.domain.graph import Project, ProjectGraph
from mesh_workspace_analyzer.domain.history import Run
from mesh_workspace_analyzer.domain.job import INTERRUPTED, MOST_STARTS, Job, JobStatus
from mesh_workspace_analyzer.errors import JobNotFound, NotAWorkspace, PluginsNotAllowed, QueueFull
from mesh_workspace_analyzer.ports import Source, Told
from mesh_workspace_analyzer.repository import GraphRow, Jobs
from mesh_workspace_analyzer.service.analyses import AnalysisDesk, Asked
from mesh_workspace_analyzer.service.jobs import JobDesk
from sqlalchemy import select

if TYPE_CHECKING:
    from in_memory import Workshop

ASKED = Asked(workspace="shop", head="change", runs=(Run(task="web:build", duration_ms=7),))


@dataclass(slots=True)
class Clerk:
    """A working `ports.Reader` and `ports.Histories`: reads when it is let go, and may find nothing."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)
    read: int = 0
    refuses: bool = False

    async def versions(self) -> dict[str, str]:
        return {"clerk": "1"}

    async def runs(self, workspace: str) -> Told:
        return Told(())

    async def graph(self, source: Source) -> ProjectGraph:
        self.begun.set()
        await self.let_go.wait()
        self.read += 1
        if self.refuses:
            raise NotAWorkspace
        return ProjectGraph(projects=(Project(name="web", root="web"),))


@pytest.fixture
def clerk() -> Clerk:
    return Clerk()


@pytest.fixture
def jobs(
    database: Database,
    workshop: Workshop,
    clerk: Clerk,
    archives: ArchiveSources,
) -> JobDesk:
    workshop.comparison = Comparison(
        workspace="shop", base=Revision("main", None), head=Revision("change", None), tree="t", changes=()
    )
    analyses = AnalysisDesk(
        database=database,
        sources=workshop,
        archives=archives,
        histories=clerk,
        readers={Mode.STATIC: clerk, Mode.NX_FULL: clerk},
        reading=asyncio.Semaphore(2),
        graphs_kept=9,
    )
    return JobDesk(analyses=analyses, instance="0", kept=2)


async def made(jobs: JobDesk, clerk: Clerk, asked: Asked = ASKED, id: UUID | None = None) -> Job:
    """What has become of a request."""
    job = await jobs.request(asked, id or uuid4())
    clerk.let_go.set()
    await jobs.turn()
    return await jobs.get(job.id)


async def test_an_analysis_is_queued_and_then_made_with_all_that_was_asked_for(jobs: JobDesk, clerk: Clerk):
    asked = await jobs.request(ASKED, UUID(int=1))
    job = await made(jobs, clerk, id=UUID(int=1))

    analysis = await jobs.analyses.get(UUID(int=1))
    assert (asked.status, asked.analysis_id, asked.finished_at) == (JobStatus.QUEUED, None, None)
    assert (job.status, job.analysis_id, job.problem) == (JobStatus.SUCCEEDED, analysis.id, None)
    assert job.finished_at is not None
    assert (analysis.mode, analysis.projects) == (Mode.STATIC, 1)


async def test_what_was_asked_for_comes_out_of_the_row_as_it_went_in(jobs: JobDesk, clerk: Clerk):
    job = await jobs.request(ASKED, UUID(int=1))

    async with jobs.analyses.database.read() as session:
        row = await Jobs(session).get(job.id)

    assert (row.asked["head"], row.asked["runs"][0]["task"]) == ("change", "web:build")


async def test_the_same_id_again_is_the_same_job_and_is_made_once(jobs: JobDesk, clerk: Clerk):
    first = await made(jobs, clerk, id=UUID(int=1))

    assert await jobs.request(ASKED, UUID(int=1)) == first
    async with jobs.analyses.database.read() as session:
        assert not await Jobs(session).has_open("0")


async def test_of_more_jobs_than_may_wait_the_last_are_refused_and_those_known_are_not(
    jobs: JobDesk, clerk: Clerk
):
    narrow, failed, waiting = replace(jobs, most_queued=1), UUID(int=1), UUID(int=2)
    clerk.refuses = True
    await made(narrow, clerk, id=failed)
    await narrow.request(ASKED, waiting)

    for id in (failed, UUID(int=3)):
        with pytest.raises(QueueFull):
            await narrow.request(ASKED, id)

    assert (await narrow.request(ASKED, waiting)).status is JobStatus.QUEUED
    assert (await narrow.get(failed)).status is JobStatus.FAILED


async def test_why_there_is_no_analysis_is_said_and_another_request_tries_again(jobs: JobDesk, clerk: Clerk):
    clerk.refuses = True
    failed = await made(jobs, clerk, id=UUID(int=1))
    clerk.refuses = False
    again = await made(jobs, clerk, id=UUID(int=1))

    assert failed.problem is not None
    assert (failed.status, failed.problem.code) == (JobStatus.FAILED, "not-a-workspace")
    assert (again.status, again.problem) == (JobStatus.SUCCEEDED, None)


async def test_what_was_being_made_when_its_replica_died_is_made_at_its_next_turn(
    jobs: JobDesk, clerk: Clerk
):
    job = await jobs.request(ASKED, uuid4())
    await die(jobs, clerk)
    assert (await jobs.get(job.id)).status is JobStatus.RUNNING

    clerk.let_go.set()
    await jobs.turn()

    assert (await jobs.get(job.id)).status is JobStatus.SUCCEEDED


async def test_what_a_service_dies_of_is_given_up(jobs: JobDesk, clerk: Clerk):
    job = await jobs.request(ASKED, uuid4())
    for _ in range(MOST_STARTS):
        await die(jobs, clerk)
    clerk.let_go.set()
    await jobs.turn()

    given_up = await jobs.get(job.id)
    assert (given_up.status, given_up.problem) == (JobStatus.FAILED, INTERRUPTED)
    assert clerk.read == 0


async def die(jobs: JobDesk, clerk: Clerk) -> None:
    """A turn of a service that is killed while it reads."""
    turn = asyncio.ensure_future(jobs.turn())
    await clerk.begun.wait()
    turn.cancel()
    await asyncio.gather(turn, return_exceptions=True)
    clerk.begun.clear()


async def test_one_that_waits_is_never_begun_when_it_is_cancelled(jobs: JobDesk, clerk: Clerk):
    job = await jobs.request(ASKED, uuid4())

    cancelled = await jobs.cancel(job.id)

    assert cancelled.status is JobStatus.CANCELLED
    assert cancelled.finished_at is not None
    assert not clerk.begun.is_set()


async def test_one_that_is_made_is_ended_and_what_it_had_open_is_closed(
    jobs: JobDesk, clerk: Clerk, workshop: Workshop
):
    job = await jobs.request(ASKED, uuid4())
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(jobs.turn())
        await clerk.begun.wait()
        told = await jobs.cancel(job.id)

    assert told.status is JobStatus.CANCELLING
    assert (await jobs.get(job.id)).status is JobStatus.CANCELLED
    assert workshop.closed == 1
    assert (await jobs.cancel(job.id)).status is JobStatus.CANCELLED


async def test_what_was_being_cancelled_when_its_replica_died_is_cancelled_at_its_next_turn(
    jobs: JobDesk, clerk: Clerk
):
    job = await jobs.request(ASKED, uuid4())
    await die(jobs, clerk)
    await jobs.cancel(job.id)

    await jobs.turn()

    assert (await jobs.get(job.id)).status is JobStatus.CANCELLED


async def test_a_tier_that_the_operator_has_not_allowed_is_refused_and_not_made_when_it_is_no_longer(
    jobs: JobDesk, clerk: Clerk
):
    full = replace(ASKED, mode=Mode.NX_FULL)
    before = await jobs.request(full, UUID(int=1))
    strict = replace(jobs, analyses=replace(jobs.analyses, readers={Mode.STATIC: clerk}))

    with pytest.raises(PluginsNotAllowed):
        await strict.request(full, UUID(int=2))
    await strict.turn()

    job = await jobs.get(before.id)
    assert job.problem is not None
    assert job.problem.code == "plugins-not-allowed"


async def test_what_plugins_have_found_is_nobody_else_s_answer(jobs: JobDesk, clerk: Clerk):
    full = replace(ASKED, mode=Mode.NX_FULL)
    for _ in range(2):
        assert (await made(jobs, clerk, full)).status is JobStatus.SUCCEEDED

    async with jobs.analyses.database.read() as session:
        rows = (await session.scalars(select(GraphRow))).all()
    assert clerk.read == 2
    assert len({row.key for row in rows}) == 2
    assert len({row.hash for row in rows}) == 1


async def test_only_the_newest_that_have_ended_are_kept(jobs: JobDesk, clerk: Clerk):
    ended = [await made(jobs, clerk) for _ in range(4)]
    waiting = await jobs.request(ASKED, uuid4())

    for job in ended[:2]:
        with pytest.raises(JobNotFound):
            await jobs.get(job.id)
    assert [(await jobs.get(job.id)).id for job in (*ended[2:], waiting)] == [
        *(job.id for job in ended[2:]),
        waiting.id,
    ]
