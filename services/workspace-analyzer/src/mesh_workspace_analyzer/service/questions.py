"""Questions about analyses that are stored: what if, since when, and what is different."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from mesh_shared.database.engine import Database
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_workspace_analyzer.domain.analysis import Analysis
from mesh_workspace_analyzer.domain.difference import Difference, difference
from mesh_workspace_analyzer.domain.graph import ProjectGraph
from mesh_workspace_analyzer.domain.whatif import Change, Outcome, outcome, unknown
from mesh_workspace_analyzer.errors import GraphForgotten, NothingToChange
from mesh_workspace_analyzer.repository import Analyses, Graphs


@dataclass(frozen=True, slots=True)
class QuestionDesk:
    """Answers from what is stored; reads no workspace and changes nothing."""

    database: Database

    async def what_if(self, id: UUID, changes: Sequence[Change]) -> tuple[Outcome, Outcome]:
        """How a build is now and how it would be.

        Raises `AnalysisNotFound`, `GraphForgotten`, or `NothingToChange` for a dependency or task that is
        not there.
        """
        analysis, graph = await self.grounds(id)
        if missing := unknown(graph, changes):
            raise NothingToChange(missing)
        return await asyncio.to_thread(_both, graph, analysis, changes)

    async def grounds(self, id: UUID) -> tuple[Analysis, ProjectGraph]:
        """An analysis and the graph that it rests on. Raises `AnalysisNotFound` or `GraphForgotten`."""
        async with self.database.read() as session:
            return await _with_graph(session, id)

    async def trend(self, workspace: str, limit: int) -> list[Analysis]:
        """The newest analyses of a workspace, oldest of them first."""
        async with self.database.read() as session:
            return (await Analyses(session).of(workspace, limit))[::-1]

    async def compare(self, before: UUID, after: UUID) -> Difference:
        """The second analysis against the first. Raises `AnalysisNotFound` or `GraphForgotten`."""
        async with self.database.read() as session:
            one, other = await _with_graph(session, before), await _with_graph(session, after)
        return await asyncio.to_thread(difference, one[0], other[0], one[1], other[1])


def _both(graph: ProjectGraph, analysis: Analysis, changes: Sequence[Change]) -> tuple[Outcome, Outcome]:
    return outcome(graph, analysis.history), outcome(graph, analysis.history, changes)


async def _with_graph(session: AsyncSession, id: UUID) -> tuple[Analysis, ProjectGraph]:
    analysis = await Analyses(session).get(id)
    if (graph := await Graphs(session).like(analysis.graph_hash)) is None:
        raise GraphForgotten
    return analysis, graph
