"""The use cases under pressure: many at once, callers that leave, replicas that share a database."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

import pytest
from in_memory import Open
from mesh_shared.database.engine import Database
from mesh_workspace_analyzer.adapters.archives import ArchiveSources
from mesh_workspace_analyzer.domain.analysis import Comparison, Mode, Revision
from mesh_workspace_analyzer.domain.build import BuildOutcome, BuildStatus
from mesh_workspace_analyzer.domain.graph import Project, ProjectGraph
from mesh_workspace_analyzer.errors import AnalysisNotFound, TooBusy
from mesh_workspace_analyzer.ports import Source, Told
from mesh_workspace_analyzer.repository import GraphRow
from mesh_workspace_analyzer.service.analyses import AnalysisDesk, Asked
from mesh_workspace_analyzer.service.builds import BuildDesk
from sqlalchemy import func, select


@dataclass(slots=True)
class Library:
    """A working `ports.Sources`: every name is a workspace with a tree of that name. Counts what is open."""

    open_now: int = 0

    @asynccontextmanager
    async def open(self, workspace: str, *, base: str, head: str) -> AsyncGenerator[Open, None]:
        self.open_now += 1
        try:
            yield Open(
                Comparison(
                    workspace=workspace,
                    base=Revision(base, "1" * 40),
                    head=Revision(head, "2" * 40),
                    tree=workspace,
                    changes=(),
                )
            )
        finally:
            self.open_now -= 1

    async def runs(self, workspace: str) -> Told:
        return Told(())


@dataclass(slots=True)
class Reader:
    """A working `ports.Reader` and `ports.Tool` that reads when it is told to, and knows how many at once."""

    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    started: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    at_once: int = 0
    most_at_once: int = 0
    read: list[str] = field(default_factory=list[str])
    built: list[str] = field(default_factory=list[str])

    async def versions(self) -> dict[str, str]:
        return {"reader": "1"}

    async def graph(self, source: Source) -> ProjectGraph:
        folder = await source.copy(for_build=False)
        await self._work()
        self.read.append(str(folder))
        return ProjectGraph(projects=(Project(name=str(folder), root="."),))

    async def build(
        self, folder: Path, *, base: str | None, head: str | None, heard: Callable[[bytes], None]
    ) -> BuildOutcome:
        await self._work()
        self.built.append(str(folder))
        return BuildOutcome(succeeded=True, log_tail=str(folder))

    async def _work(self) -> None:
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        self.started.release()
        try:
            await asyncio.wait_for(self.go_on.wait(), timeout=30)
        finally:
            self.at_once -= 1


@pytest.fixture
def library() -> Library:
    return Library()


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
def analyses(database: Database, library: Library, reader: Reader, archives: ArchiveSources) -> AnalysisDesk:
    reading = asyncio.Semaphore(2)
    return AnalysisDesk(
        database=database,
        sources=library,
        archives=archives,
        histories=library,
        readers={Mode.STATIC: reader},
        reading=reading,
        graphs_kept=100,
    )


@pytest.fixture
def builds(database: Database, library: Library, reader: Reader) -> BuildDesk:
    return BuildDesk(database=database, sources=library, tool=reader, instance="a", is_allowed=True)


async def started(reader: Reader, count: int) -> None:
    for _ in range(count):
        await asyncio.wait_for(reader.started.acquire(), timeout=30)


async def test_no_more_copies_are_read_at_once_than_the_operator_lets_in(
    analyses: AnalysisDesk, reader: Reader
):
    async with asyncio.TaskGroup() as tasks:
        for n in range(8):
            tasks.create_task(analyses.analyze(Asked(workspace=f"w{n}"), uuid4()))
        await started(reader, 2)
        reader.go_on.set()

    assert reader.most_at_once == 2
    assert sorted(reader.read) == [f"w{n}" for n in range(8)]


async def test_whoever_finds_no_place_in_time_is_told_to_come_again(
    analyses: AnalysisDesk, reader: Reader, library: Library
):
    full = replace(analyses, places=asyncio.Semaphore(1), patience_s=0.05)
    first = asyncio.create_task(full.analyze(Asked(workspace="w"), uuid4()))
    await started(reader, 1)

    with pytest.raises(TooBusy) as refused:
        await full.analyze(Asked(workspace="w"), uuid4())
    open_then = library.open_now
    reader.go_on.set()
    await first

    assert (refused.value.status, refused.value.headers()["Retry-After"]) == (503, "5")
    assert open_then == 1
    assert (await full.analyze(Asked(workspace="w"), uuid4())).projects == 1


async def test_an_analysis_that_was_made_needs_no_place(analyses: AnalysisDesk, reader: Reader):
    reader.go_on.set()
    made = await analyses.analyze(Asked(workspace="w"), uuid4())

    full = replace(analyses, places=asyncio.Semaphore(0), patience_s=0.05)

    assert await full.analyze(Asked(workspace="w"), made.id) == made


async def test_a_caller_who_leaves_leaves_its_place_and_nothing_else(
    analyses: AnalysisDesk, reader: Reader, library: Library
):
    ids = [uuid4() for _ in range(2)]
    leaving = [asyncio.create_task(analyses.analyze(Asked(workspace="w"), id)) for id in ids]
    await started(reader, 2)

    for task in leaving:
        task.cancel()
    await asyncio.wait_for(asyncio.gather(*leaving, return_exceptions=True), timeout=30)
    reader.go_on.set()
    stayed = await asyncio.wait_for(analyses.analyze(Asked(workspace="w"), uuid4()), timeout=30)

    assert stayed.projects == 1
    assert library.open_now == 0
    for id in ids:
        with pytest.raises(AnalysisNotFound):
            await analyses.get(id)


async def test_what_is_asked_for_twice_at_once_is_one_analysis(analyses: AnalysisDesk, reader: Reader):
    """As a delivery that came twice, or an archive: nobody's Idempotency-Key has kept them apart."""
    id = uuid4()

    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(analyses.analyze(Asked(workspace="w"), id)) for _ in range(2)]
        await started(reader, 2)
        reader.go_on.set()

    assert asked[0].result() == asked[1].result() == await analyses.get(id)


async def test_what_one_replica_has_read_no_other_reads_again(analyses: AnalysisDesk, reader: Reader):
    reader.go_on.set()
    other = replace(analyses, reading=asyncio.Semaphore(1))

    first = await analyses.analyze(Asked(workspace="w"), uuid4())
    second = await other.analyze(Asked(workspace="w"), uuid4())

    assert reader.read == ["w"]
    assert first.graph_hash == second.graph_hash


async def test_replicas_that_read_the_same_tree_at_once_keep_it_once(
    analyses: AnalysisDesk, reader: Reader, database: Database
):
    replicas = [replace(analyses, reading=asyncio.Semaphore(1)) for _ in range(3)]

    async with asyncio.TaskGroup() as tasks:
        made = [tasks.create_task(r.analyze(Asked(workspace="w"), uuid4())) for r in replicas]
        await started(reader, 3)
        reader.go_on.set()

    assert len({task.result().graph_hash for task in made}) == 1
    async with database.read() as session:
        assert await session.scalar(select(func.count()).select_from(GraphRow)) == 1


async def test_the_list_is_whole_while_others_write(analyses: AnalysisDesk, reader: Reader):
    reader.go_on.set()
    for n in range(6):
        await analyses.analyze(Asked(workspace=f"w{n}"), uuid4())

    seen: list[str] = []
    before = None
    while page := await analyses.newest(2, before=before):
        seen += [row.workspace for row in page]
        before = page[-1].position
        await analyses.analyze(Asked(workspace="later"), uuid4())

    assert seen == [f"w{n}" for n in reversed(range(6))]


async def test_two_replicas_build_two_builds_at_the_same_time(
    analyses: AnalysisDesk, builds: BuildDesk, reader: Reader
):
    reader.go_on.set()
    made = [await analyses.analyze(Asked(workspace=f"w{n}"), uuid4()) for n in range(2)]
    reader.go_on.clear()
    reader.started = asyncio.Semaphore(0)
    queued = [await builds.request(analysis.id, uuid4()) for analysis in made]

    async with asyncio.TaskGroup() as tasks:
        for name in "ab":
            tasks.create_task(replace(builds, instance=name).turn())
        await started(reader, 2)
        running = [(await builds.get(build.id)).status for build in queued]
        reader.go_on.set()

    assert running == [BuildStatus.RUNNING] * 2
    assert sorted(reader.built) == ["w0", "w1"]
    assert [(await builds.get(build.id)).success for build in queued] == [True, True]


async def test_a_build_that_is_cancelled_with_its_service_is_interrupted_at_the_next_turn(
    analyses: AnalysisDesk, builds: BuildDesk, reader: Reader, library: Library
):
    reader.go_on.set()
    analysis = await analyses.analyze(Asked(workspace="w"), uuid4())
    reader.go_on.clear()
    reader.started = asyncio.Semaphore(0)
    queued = await builds.request(analysis.id, uuid4())
    turn = asyncio.create_task(builds.turn())
    await started(reader, 1)

    turn.cancel()
    await asyncio.wait_for(asyncio.gather(turn, return_exceptions=True), timeout=30)
    await builds.turn()

    assert (await builds.get(queued.id)).status is BuildStatus.INTERRUPTED
    assert library.open_now == 0


async def test_everybody_who_waits_for_a_build_is_told(
    analyses: AnalysisDesk, builds: BuildDesk, reader: Reader
):
    reader.go_on.set()
    analysis = await analyses.analyze(Asked(workspace="w"), uuid4())
    queued = await builds.request(analysis.id, uuid4())

    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(builds.settled(queued.id, 30)) for _ in range(5)]
        await builds.turn()

    assert {task.result().status for task in waiting} == {BuildStatus.SUCCEEDED}


async def test_a_build_of_another_replica_is_waited_for_too(
    analyses: AnalysisDesk, builds: BuildDesk, reader: Reader
):
    reader.go_on.set()
    analysis = await analyses.analyze(Asked(workspace="w"), uuid4())
    queued = await builds.request(analysis.id, uuid4())
    elsewhere = BuildDesk(
        database=builds.database, sources=builds.sources, tool=reader, instance="b", is_allowed=True
    )

    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(builds.settled(queued.id, 30))
        await elsewhere.turn()

    assert waiting.result().status is BuildStatus.SUCCEEDED
