"""Analyses on both databases, with a workspace in memory: what is remembered and announced."""

import asyncio
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from in_memory import ASKED, SHOP, Abacus, Shelf, told
from mesh_shared.database.engine import Database
from mesh_workspace_analyzer.domain.history import Measured, Run
from mesh_workspace_analyzer.errors import (
    AnalysisNotFound,
    BrokenProjectConfiguration,
)
from mesh_workspace_analyzer.repository import GraphRow
from mesh_workspace_analyzer.service import id_for
from mesh_workspace_analyzer.service.analyses import AnalysisDesk, Asked
from mesh_workspace_analyzer.service.conclusions import Conclusions
from sqlalchemy import func, select


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
