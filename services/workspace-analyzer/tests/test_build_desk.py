"""Builds on both databases, with a workspace in memory: what is queued, taken and announced."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from in_memory import ASKED, SHOP, Abacus, Shelf, told
from mesh_shared.database.engine import Database
from mesh_shared.errors import Unavailable
from mesh_workspace_analyzer.domain.analysis import Analysis, Revision
from mesh_workspace_analyzer.domain.build import Build, BuildStatus
from mesh_workspace_analyzer.errors import (
    AnalysisNotFound,
    BuildNotFound,
    BuildsNotAllowed,
    QueueFull,
)
from mesh_workspace_analyzer.repository import Builds
from mesh_workspace_analyzer.service.analyses import AnalysisDesk, Asked
from mesh_workspace_analyzer.service.builds import BuildDesk


async def queue(builds: BuildDesk, analysis: Analysis, *, since: timedelta = timedelta()) -> Build:
    """A queued build, as old as one likes."""
    build = Build(
        id=uuid4(),
        analysis_id=analysis.id,
        status=BuildStatus.QUEUED,
        created_at=datetime.now(UTC) - since,
    )
    async with builds.database.write() as session:
        Builds(session).add(build)
    return build


async def test_a_build_is_of_the_commits_that_were_analysed(
    analyses: AnalysisDesk, builds: BuildDesk, abacus: Abacus, database: Database
):
    analysis = await analyses.analyze(ASKED, uuid4())
    queued = await builds.request(analysis.id, uuid4())

    await builds.turn()

    build = await builds.get(queued.id)
    assert (queued.status, build.status, build.success) == (BuildStatus.QUEUED, BuildStatus.SUCCEEDED, True)
    assert build.log_tail == "click"
    assert build.duration_s is not None
    assert abacus.built == [("1" * 40, "2" * 40)]
    assert (await told(database))[1:] == [("build-finished", "succeeded")]


async def test_a_build_without_a_base_is_of_everything(
    analyses: AnalysisDesk, builds: BuildDesk, abacus: Abacus, shelf: Shelf
):
    shelf.workspaces["shop"] = replace(SHOP, base=Revision("main", None), changes=None)
    analysis = await analyses.analyze(ASKED, uuid4())
    await builds.request(analysis.id, uuid4())

    await builds.turn()

    assert abacus.built == [(None, "2" * 40)]


async def test_builds_are_refused_where_they_are_not_allowed(analyses: AnalysisDesk, builds: BuildDesk):
    analysis = await analyses.analyze(ASKED, uuid4())

    with pytest.raises(BuildsNotAllowed):
        await replace(builds, is_allowed=False).request(analysis.id, uuid4())
    with pytest.raises(AnalysisNotFound):
        await builds.request(uuid4(), uuid4())
    with pytest.raises(BuildNotFound):
        await builds.get(uuid4())


async def test_a_build_for_which_there_is_no_room_is_refused_until_one_was_begun(
    analyses: AnalysisDesk, builds: BuildDesk
):
    analysis, first = await analyses.analyze(ASKED, uuid4()), uuid4()
    narrow = replace(builds, most_queued=1)
    await narrow.request(analysis.id, first)

    with pytest.raises(QueueFull) as refused:
        await narrow.request(analysis.id, uuid4())

    assert refused.value.headers() == {"Retry-After": "60"}
    assert (await narrow.request(analysis.id, first)).status is BuildStatus.QUEUED
    await narrow.turn()
    assert (await narrow.request(analysis.id, uuid4())).status is BuildStatus.QUEUED


async def test_the_same_id_is_the_same_build(analyses: AnalysisDesk, builds: BuildDesk, abacus: Abacus):
    analysis, id = await analyses.analyze(ASKED, uuid4()), uuid4()
    await builds.request(analysis.id, id)
    await builds.turn()

    again = await builds.request(analysis.id, id)

    assert again.status is BuildStatus.SUCCEEDED
    async with builds.database.read() as session:
        assert not await Builds(session).has_open("0")
    assert len(abacus.built) == 1


async def test_the_oldest_build_is_next(analyses: AnalysisDesk, builds: BuildDesk):
    analysis = await analyses.analyze(ASKED, uuid4())
    newer = await queue(builds, analysis)
    older = await queue(builds, analysis, since=timedelta(minutes=1))

    await builds.turn()

    assert (await builds.get(older.id)).status is BuildStatus.SUCCEEDED
    assert (await builds.get(newer.id)).status is BuildStatus.QUEUED


async def test_what_a_replica_was_building_when_it_died_is_interrupted(
    analyses: AnalysisDesk, builds: BuildDesk, abacus: Abacus, database: Database
):
    analysis = await analyses.analyze(ASKED, uuid4())
    mine, theirs, waiting = [await queue(builds, analysis, since=timedelta(minutes=n)) for n in (3, 2, 1)]
    async with database.write() as session:
        await Builds(session).claim("0", at=datetime.now(UTC))
        await Builds(session).claim("other", at=datetime.now(UTC))

    await builds.turn()

    states = [(await builds.get(build.id)).status for build in (mine, theirs, waiting)]
    assert states == [BuildStatus.INTERRUPTED, BuildStatus.RUNNING, BuildStatus.SUCCEEDED]
    interrupted = await builds.get(mine.id)
    assert (interrupted.success, interrupted.duration_s) == (False, None)
    assert (await told(database))[1:] == [("build-finished", "interrupted"), ("build-finished", "succeeded")]


async def test_two_replicas_never_take_the_same_build(
    analyses: AnalysisDesk, builds: BuildDesk, abacus: Abacus
):
    analysis = await analyses.analyze(ASKED, uuid4())
    queued = [await queue(builds, analysis) for _ in range(6)]

    async def work(instance: str) -> None:
        for _ in range(3):
            await replace(builds, instance=instance).turn()

    async with asyncio.TaskGroup() as tasks:
        for name in "ab":
            tasks.create_task(work(name))

    settled = [await builds.get(build.id) for build in queued]
    assert len(abacus.built) == sum(build.status is BuildStatus.SUCCEEDED for build in settled)


async def test_a_refusal_while_building_fails_the_build(
    analyses: AnalysisDesk, builds: BuildDesk, shelf: Shelf
):
    analysis = await analyses.analyze(ASKED, uuid4())
    queued = await builds.request(analysis.id, uuid4())
    shelf.workspaces.clear()

    await builds.turn()

    build = await builds.get(queued.id)
    assert (build.status, "no such folder" in build.log_tail) == (BuildStatus.FAILED, True)


async def test_a_tool_that_is_gone_fails_the_build(analyses: AnalysisDesk, builds: BuildDesk, abacus: Abacus):
    analysis = await analyses.analyze(ASKED, uuid4())
    queued = await builds.request(analysis.id, uuid4())
    abacus.fails = Unavailable("nx")

    await builds.turn()

    assert (await builds.get(queued.id)).status is BuildStatus.FAILED


async def test_a_turn_that_broke_leaves_no_build_running_for_ever(
    analyses: AnalysisDesk, builds: BuildDesk, abacus: Abacus
):
    analysis = await analyses.analyze(ASKED, uuid4())
    broken = await builds.request(analysis.id, uuid4())
    abacus.fails = OSError("disk full")
    with pytest.raises(OSError, match="disk full"):
        await builds.turn()
    assert (await builds.get(broken.id)).status is BuildStatus.RUNNING

    await builds.turn()

    assert (await builds.get(broken.id)).status is BuildStatus.INTERRUPTED


async def test_an_idle_turn_waits_for_work(analyses: AnalysisDesk, builds: BuildDesk, abacus: Abacus):
    analysis = await analyses.analyze(ASKED, uuid4())
    turn = asyncio.create_task(builds.turn())
    await asyncio.sleep(0.1)
    assert not turn.done()

    queued = await builds.request(analysis.id, uuid4())
    await asyncio.wait_for(turn, timeout=30)
    await builds.turn()

    assert (await builds.get(queued.id)).status is BuildStatus.SUCCEEDED


async def test_waiting_for_a_build_ends_with_it_or_with_patience(analyses: AnalysisDesk, builds: BuildDesk):
    analysis = await analyses.analyze(ASKED, uuid4())
    queued = await builds.request(analysis.id, uuid4())
    assert (await builds.settled(queued.id, 0.05)).status is BuildStatus.QUEUED

    waiting = asyncio.create_task(builds.settled(queued.id, 30))
    await builds.turn()

    assert (await waiting).status is BuildStatus.SUCCEEDED


async def test_no_more_builds_are_kept_than_the_operator_says_but_all_that_wait(
    analyses: AnalysisDesk, builds: BuildDesk
):
    desk = replace(builds, kept=1)
    analysis = await analyses.analyze(Asked(workspace="shop"), uuid4())

    made = [await desk.request(analysis.id, uuid4()) for _ in range(3)]

    assert [(await desk.get(build.id)).status for build in made] == [BuildStatus.QUEUED] * 3
