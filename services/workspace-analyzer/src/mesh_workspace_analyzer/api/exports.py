"""Analyses for people, code scanners and test servers."""

import asyncio
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from mesh_shared.web.route import MeshRoute

from mesh_workspace_analyzer.api.callers import Analyst, Analyzer
from mesh_workspace_analyzer.domain.junit import junit
from mesh_workspace_analyzer.domain.markdown import comment
from mesh_workspace_analyzer.domain.mermaid import diagram
from mesh_workspace_analyzer.domain.picture import picture
from mesh_workspace_analyzer.domain.sarif import sarif
from mesh_workspace_analyzer.domain.timeline import timeline
from mesh_workspace_analyzer.schemas.graphs import GraphView

router = APIRouter(prefix="/v1/analyses/{analysis_id}", tags=["workspaces"], route_class=MeshRoute)


class MarkdownResponse(PlainTextResponse):
    media_type = "text/markdown"


class MermaidResponse(PlainTextResponse):
    media_type = "text/vnd.mermaid"


class SarifResponse(JSONResponse):
    media_type = "application/sarif+json"


class XmlResponse(Response):
    media_type = "application/xml"


class SvgResponse(Response):
    media_type = "image/svg+xml"


# A drawing loads nothing and runs nothing, wherever it is opened.
ALONE = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}


@router.get("/comment", operation_id="export_comment", response_class=MarkdownResponse)
async def export_comment(analysis_id: UUID, caller: Analyst, analyzer: Analyzer) -> MarkdownResponse:
    """The analysis as a comment for a pull request, in GitHub Flavored Markdown."""
    return MarkdownResponse(comment(await analyzer.analyses.get(analysis_id)))


@router.get("/diagram", operation_id="export_diagram", response_class=MermaidResponse)
async def export_diagram(analysis_id: UUID, caller: Analyst, analyzer: Analyzer) -> MermaidResponse:
    """The ways from what changed to what is affected, as a Mermaid flow chart of at most 200 projects."""
    return MermaidResponse(diagram((await analyzer.analyses.get(analysis_id)).affected))


@router.get("/graph", operation_id="export_graph")
async def export_graph(analysis_id: UUID, caller: Analyst, analyzer: Analyzer) -> GraphView:
    """The projects that were found, and who needs whom. 409 when that is no longer kept, as for pictures."""
    return GraphView.of((await analyzer.questions.grounds(analysis_id))[1])


@router.get("/picture", operation_id="export_picture", response_class=SvgResponse)
async def export_picture(analysis_id: UUID, caller: Analyst, analyzer: Analyzer) -> SvgResponse:
    """The projects as an SVG, from left to right, with what is affected; 120 at most, affected ones first.

    Bright or dark as the reader's system is. A dependency that follows from others is not drawn.
    """
    analysis, graph = await analyzer.questions.grounds(analysis_id)
    return SvgResponse(await asyncio.to_thread(picture, graph, analysis), headers=ALONE)


@router.get("/timeline", operation_id="export_timeline", response_class=SvgResponse)
async def export_timeline(analysis_id: UUID, caller: Analyst, analyzer: Analyzer) -> SvgResponse:
    """The critical path as an SVG: a bar for each task, and for those that come near it."""
    return SvgResponse(timeline(await analyzer.analyses.get(analysis_id)), headers=ALONE)


@router.get("/sarif", operation_id="export_sarif", response_class=SarifResponse)
async def export_sarif(analysis_id: UUID, caller: Analyst, analyzer: Analyzer) -> SarifResponse:
    """Forbidden dependencies and recommendations in SARIF 2.1.0, for code scanners."""
    analysis, graph = await analyzer.questions.grounds(analysis_id)
    return SarifResponse(await asyncio.to_thread(sarif, graph, analysis))


@router.get("/junit", operation_id="export_junit", response_class=XmlResponse)
async def export_junit(analysis_id: UUID, caller: Analyst, analyzer: Analyzer) -> XmlResponse:
    """The same as JUnit's XML: circles and forbidden dependencies fail, everything else passes."""
    return XmlResponse(junit(await analyzer.analyses.get(analysis_id)))
