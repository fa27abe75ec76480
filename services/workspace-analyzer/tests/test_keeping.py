"""How much is kept: the newest analyses and builds, and never less than what is open."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from mesh_shared.database.engine import Database
from mesh_workspace_analyzer.domain.analysis import Analysis, Comparison, Revision, conclude
from mesh_workspace_analyzer.domain.build import Build, BuildStatus
from mesh_workspace_analyzer.domain.graph import Project, ProjectGraph
from mesh_workspace_analyzer.repository import Analyses, AnalysisRow, BuildRow, Builds, Graphs
from sqlalchemy import select

NOW = datetime(2025, 3, 4, tzinfo=UTC)
GRAPH = ProjectGraph(projects=(Project(name="a", root="a"),))


def analysis(number: int, workspace: str = "shop") -> Analysis:
    comparison = Comparison(
        workspace=workspace, base=Revision("a", None), head=Revision("b", None), tree="", changes=()
    )
    return conclude(GRAPH, comparison, id=UUID(int=number), tool_versions={}, duration_ms=0, created_at=NOW)


async def stored(database: Database) -> list[int]:
    async with database.read() as session:
        ids: Iterable[UUID] = await session.scalars(select(AnalysisRow.id).order_by(AnalysisRow.position))
        return [id.int for id in ids]


@pytest.mark.parametrize(
    ("kept", "left"), [(1, [5]), (3, [3, 4, 5]), (5, [1, 2, 3, 4, 5]), (9, [1, 2, 3, 4, 5])]
)
async def test_only_the_newest_analyses_are_kept(database: Database, kept: int, left: list[int]):
    for number in range(1, 6):
        async with database.write() as session:
            Analyses(session).add(analysis(number))

    async with database.write() as session:
        await Analyses(session).prune(kept)

    assert await stored(database) == left


async def test_nothing_is_no_reason_to_fail(database: Database):
    async with database.write() as session:
        await Analyses(session).prune(1)
        await Builds(session).prune(1)

    assert await stored(database) == []


async def test_the_newest_of_one_workspace_are_found_among_others(database: Database):
    async with database.write() as session:
        for number in range(1, 7):
            Analyses(session).add(analysis(number, "shop" if number % 2 else "other"))

    async with database.read() as session:
        found = await Analyses(session).of("shop", 2)

    assert [one.id.int for one in found] == [5, 3]


async def test_builds_that_are_open_stay_however_old_they_are(database: Database):
    states = [
        BuildStatus.QUEUED,
        BuildStatus.SUCCEEDED,
        BuildStatus.RUNNING,
        BuildStatus.FAILED,
        BuildStatus.INTERRUPTED,
        BuildStatus.SUCCEEDED,
    ]
    async with database.write() as session:
        for age, status in enumerate(reversed(states)):
            build = Build(
                id=UUID(int=len(states) - age),
                analysis_id=UUID(int=1),
                status=status,
                created_at=NOW - timedelta(days=age),
            )
            Builds(session).add(build)
            await session.flush()
            (await Builds(session).get(build.id)).status = status

    async with database.write() as session:
        await Builds(session).prune(2)

    async with database.read() as session:
        left = (await session.scalars(select(BuildRow).order_by(BuildRow.created_at))).all()
    assert [row.id.int for row in left] == [1, 3, 5, 6]


async def test_a_graph_is_found_by_what_it_is_from_whatever_tree(database: Database):
    async with database.write() as session:
        await Graphs(session).keep("one tree", GRAPH, at=NOW, kept=9)
        await Graphs(session).keep("another", GRAPH, at=NOW, kept=9)

    async with database.read() as session:
        assert await Graphs(session).like(GRAPH.fingerprint()) == GRAPH
        assert await Graphs(session).like("0" * 64) is None
