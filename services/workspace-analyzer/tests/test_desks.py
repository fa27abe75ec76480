"""The use cases on both databases, with a workspace in memory: what is remembered, queued and announced."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from mesh_shared.database.engine import Database
from mesh_shared.errors import Unavailable
from mesh_shared.events.outbox import EventRow
from mesh_workspace_analyzer.adapters.archives import ArchiveSources
from mesh_workspace_analyzer.domain.affected import Change
from mesh_workspace_analyzer.domain.analysis import Analysis, Comparison, Mode, Revision
from mesh_workspace_analyzer.domain.build import Build, BuildOutcome, BuildStatus
from mesh_workspace_analyzer.domain.graph import Dependency, Project, ProjectGraph
from mesh_workspace_analyzer.domain.history import Measured, Run
from mesh_workspace_analyzer.domain.targets import Target
from mesh_workspace_analyzer.errors import (
    AnalysisNotFound,
    BrokenProjectConfiguration,
    BuildNotFound,
    BuildsNotAllowed,
    QueueFull,
    WorkspaceNotFound,
)
from mesh_workspace_analyzer.ports import Source, Told
from mesh_workspace_analyzer.repository import Builds, GraphRow
from mesh_workspace_analyzer.service import id_for
from mesh_workspace_analyzer.service.analyses import AnalysisDesk, Asked
from mesh_workspace_analyzer.service.builds import BuildDesk
from mesh_workspace_analyzer.service.conclusions import Conclusions
from sqlalchemy import func, select

GRAPH = ProjectGraph(
    projects=(Project(name="app", root="app", targets=(Target("build"),)), Project(name="lib", root="lib")),
    dependencies=(Dependency("app", "lib"),),
)
SHOP = Comparison(
    workspace="shop",
    base=Revision("main", "1" * 40),
    head=Revision("HEAD", "2" * 40),
    tree="t1",
    changes=(Change("lib/x.ts"),),
)
ASKED = Asked(workspace="shop")


@dataclass(frozen=True, slots=True)
class Open:
    comparison: Comparison

    async def copy(self, *, for_build: bool) -> Path:
        return Path(self.comparison.tree)

    async def names(self) -> frozenset[str]:
        return frozenset()

    async def texts(self, names: Collection[str]) -> dict[str, str]:
        return {}


@dataclass(slots=True)
class Shelf:
    """A working `ports.Sources`: workspaces by name."""

    workspaces: dict[str, Comparison] = field(default_factory=lambda: {"shop": SHOP})

    @asynccontextmanager
    async def open(self, workspace: str, *, base: str, head: str) -> AsyncGenerator[Open, None]:
        if workspace not in self.workspaces:
            raise WorkspaceNotFound
        yield Open(self.workspaces[workspace])


@dataclass(slots=True)
class Abacus:
    """A working `ports.Reader` and `ports.Tool` that counts what it does."""

    read: list[str] = field(default_factory=list[str])
    built: list[tuple[str | None, str | None]] = field(default_factory=list[tuple[str | None, str | None]])
    version: str = "1.0"
    broken: bool = False
    fails: Exception | None = None

    async def versions(self) -> dict[str, str]:
        return {"abacus": self.version}

    async def graph(self, source: Source) -> ProjectGraph:
        self.read.append(str(await source.copy(for_build=False)))
        if self.broken:
            raise BrokenProjectConfiguration("a bead is missing")
        return GRAPH

    async def build(
        self, folder: Path, *, base: str | None, head: str | None, heard: Callable[[bytes], None]
    ) -> BuildOutcome:
        self.built.append((base, head))
        if self.fails is not None:
            raise self.fails
        return BuildOutcome(succeeded=True, log_tail="click")


class Diary:
    """Knows one run of every workspace."""

    async def runs(self, workspace: str) -> Told:
        return Told((Run(task="app:build", duration_ms=700),), ("One page is torn.",))


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def abacus() -> Abacus:
    return Abacus()


@pytest.fixture
def analyses(database: Database, shelf: Shelf, abacus: Abacus, archives: ArchiveSources) -> AnalysisDesk:
    return AnalysisDesk(
        database=database,
        sources=shelf,
        archives=archives,
        histories=Diary(),
        readers={Mode.STATIC: abacus},
        reading=asyncio.Semaphore(2),
        graphs_kept=2,
    )


@pytest.fixture
def builds(database: Database, shelf: Shelf, abacus: Abacus) -> BuildDesk:
    return BuildDesk(database=database, sources=shelf, tool=abacus, instance="0", is_allowed=True)


async def told(database: Database) -> list[tuple[str, str]]:
    """Topics and states of the events, in order."""
    async with database.read() as session:
        rows = (await session.scalars(select(EventRow).order_by(EventRow.position))).all()
    return [(row.type.split(".")[1], str(row.data.get("status", ""))) for row in rows]


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


async def test_an_analysis_is_stored_and_announced_together(analyses: AnalysisDesk, database: Database):
    analysis = await analyses.analyze(ASKED, uuid4())

    assert await analyses.get(analysis.id) == analysis
    assert analysis.affected_names == ["app", "lib"]
    assert await told(database) == [("analysis-completed", "")]


async def test_an_analysis_that_fails_leaves_nothing(
    analyses: AnalysisDesk, abacus: Abacus, database: Database
):
    abacus.broken = True
    id = uuid4()

    with pytest.raises(BrokenProjectConfiguration):
        await analyses.analyze(ASKED, id)

    with pytest.raises(AnalysisNotFound):
        await analyses.get(id)
    assert await told(database) == []


async def test_what_was_broken_is_read_again_once_it_is_mended(analyses: AnalysisDesk, abacus: Abacus):
    abacus.broken = True
    with pytest.raises(BrokenProjectConfiguration):
        await analyses.analyze(ASKED, uuid4())
    abacus.broken = False

    assert (await analyses.analyze(ASKED, uuid4())).projects == 2


async def test_the_same_id_is_the_same_analysis(analyses: AnalysisDesk, abacus: Abacus, shelf: Shelf):
    id = id_for("ada", "k1", "analysis")
    first = await analyses.analyze(ASKED, id)
    shelf.workspaces.clear()

    assert await analyses.analyze(ASKED, id) == first


def test_an_id_belongs_to_a_caller_a_key_and_a_purpose():
    ids = {
        id_for("ada", "k1", "analysis"),
        id_for("bob", "k1", "analysis"),
        id_for("ada", "k2", "analysis"),
        id_for("ada", "k1", "build", UUID(int=1)),
        id_for("ada", "k1", "build", UUID(int=2)),
        id_for("ada", None, "analysis"),
        id_for("ada", None, "analysis"),
    }

    assert len(ids) == 7
    assert id_for("ada", "k1", "analysis") == id_for("ada", "k1", "analysis")


async def test_a_tree_is_read_once(analyses: AnalysisDesk, abacus: Abacus, shelf: Shelf):
    shelf.workspaces["fork"] = replace(SHOP, workspace="fork", changes=())
    first = await analyses.analyze(ASKED, uuid4())

    same = await analyses.analyze(Asked(workspace="fork"), uuid4())

    assert abacus.read == ["t1"]
    assert same.graph_hash == first.graph_hash
    assert same.affected_names == []


async def test_a_newer_tool_reads_a_tree_again(analyses: AnalysisDesk, abacus: Abacus):
    await analyses.analyze(ASKED, uuid4())
    abacus.version = "1.1"

    await analyses.analyze(ASKED, uuid4())

    assert abacus.read == ["t1", "t1"]


async def test_what_follows_from_the_same_is_not_concluded_again_and_is_an_analysis_of_its_own(
    analyses: AnalysisDesk, database: Database
):
    one, other = [await analyses.analyze(ASKED, uuid4()) for _ in range(2)]

    assert one.id != other.id
    assert one.created_at < other.created_at
    assert replace(one, id=other.id, created_at=other.created_at, duration_ms=other.duration_ms) == other
    assert other.affected is one.affected
    assert [await analyses.get(made.id) for made in (one, other)] == [one, other]
    assert [topic for topic, _ in await told(database)] == ["analysis-completed"] * 2


async def test_only_the_newest_trees_are_remembered(
    analyses: AnalysisDesk, abacus: Abacus, shelf: Shelf, database: Database
):
    forgetful = replace(analyses, conclusions=Conclusions(most=0))
    for tree in ("t1", "t2", "t3", "t3", "t2", "t1"):
        shelf.workspaces["shop"] = replace(SHOP, tree=tree)
        await forgetful.analyze(ASKED, uuid4())

    assert abacus.read == ["t1", "t2", "t3", "t1"]
    async with database.read() as session:
        assert await session.scalar(select(func.count()).select_from(GraphRow)) == 2


async def test_analyses_of_one_tree_at_once_are_all_right(analyses: AnalysisDesk, database: Database):
    async with asyncio.TaskGroup() as tasks:
        made = [tasks.create_task(analyses.analyze(ASKED, uuid4())) for _ in range(10)]

    assert len({task.result().id for task in made}) == 10
    assert len(await told(database)) == 10


async def test_the_list_shows_what_is_newest(analyses: AnalysisDesk, shelf: Shelf):
    made = [await analyses.analyze(ASKED, uuid4()) for _ in range(5)]

    first = await analyses.newest(2, before=None)
    second = await analyses.newest(10, before=first[-1].position)

    assert [row.id for row in (*first, *second)] == [analysis.id for analysis in made[::-1]]
    assert (first[0].workspace, first[0].projects, first[0].affected) == ("shop", 2, 2)


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


async def test_former_runs_are_those_that_the_workspace_kept_and_those_that_the_caller_knows(
    analyses: AnalysisDesk,
):
    known = (Run(task="app:build", duration_ms=900), Run(task="gone:build", duration_ms=1))

    analysis = await analyses.analyze(Asked(workspace="shop", runs=known), uuid4())

    assert analysis.history.measured == {"app:build": Measured(700, 800, 900, 2)}
    assert analysis.warnings[-1] == "One page is torn."
    assert await analyses.get(analysis.id) == analysis


async def test_no_more_analyses_are_kept_than_the_operator_says(analyses: AnalysisDesk):
    desk = replace(analyses, analyses_kept=2)

    made = [await desk.analyze(Asked(workspace="shop"), uuid4()) for _ in range(4)]

    kept = await desk.newest(10, before=None)
    assert [row.id for row in kept] == [made[3].id, made[2].id]


async def test_no_more_builds_are_kept_than_the_operator_says_but_all_that_wait(
    analyses: AnalysisDesk, builds: BuildDesk
):
    desk = replace(builds, kept=1)
    analysis = await analyses.analyze(Asked(workspace="shop"), uuid4())

    made = [await desk.request(analysis.id, uuid4()) for _ in range(3)]

    assert [(await desk.get(build.id)).status for build in made] == [BuildStatus.QUEUED] * 3
