"""Builds of what an analysis found affected."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from mesh_shared.bell import wait
from mesh_shared.platform import Platform
from mesh_shared.web import conditional
from mesh_shared.web.idempotency import RequiredIdempotencyKey
from mesh_shared.web.route import MeshRoute
from mesh_shared.wire import WireModel

from mesh_workspace_analyzer.api.callers import Analyzer, Builder
from mesh_workspace_analyzer.schemas.analyses import BuildView, PieceView
from mesh_workspace_analyzer.service import id_for

LOOK_AGAIN_S = 1.0
MAX_POSITION = 2**53 - 1

router = APIRouter(prefix="/v1", tags=["workspaces"], route_class=MeshRoute)


@router.post("/analyses/{analysis_id}/builds", status_code=202, operation_id="create_build")
async def create_build(
    analysis_id: UUID, response: Response, caller: Builder, analyzer: Analyzer, key: RequiredIdempotencyKey
) -> BuildView:
    """Builds what the analysis found affected, in a copy: `nx affected -t build --parallel=3`.

    This runs the workspace's own code: 409 unless the operator allows it. Follow `Location`.
    """
    build = await analyzer.builds.request(analysis_id, id_for(caller.subject, key, "build", analysis_id))
    response.headers["Location"] = f"/v1/builds/{build.id}"
    return BuildView.of(build)


@router.get("/builds/{build_id}", operation_id="get_build")
async def get_build(
    build_id: UUID, request: Request, response: Response, caller: Builder, analyzer: Analyzer
) -> BuildView:
    """Where the build stands."""
    build = await analyzer.builds.get(build_id)
    conditional.tag(request, response, f"{build.id}-{build.status}")
    return BuildView.of(build)


async def _known(build_id: UUID, caller: Builder, analyzer: Analyzer) -> UUID:
    """Answers 404 before the stream begins, to those who may know."""
    await analyzer.builds.get(build_id)
    return build_id


@router.get("/builds/{build_id}/log", operation_id="stream_build_log", response_class=EventSourceResponse)
async def stream_build_log(
    build_id: Annotated[UUID, Depends(_known)],
    request: Request,
    analyzer: Analyzer,
    last_event_id: Annotated[
        int | None, Header(ge=0, le=MAX_POSITION, description="Sent by browsers that reconnect.")
    ] = None,
) -> AsyncIterator[ServerSentEvent]:
    """What the build writes, while it does, from the start or after `Last-Event-ID`.

    An id is how many characters it had written. `output` has `text` and where it `starts_at`, which is later
    than where you were when more than 131,072 characters have come since. `ended` has the build, and is the
    last.
    """
    platform: Platform = request.app.state.platform
    position = last_event_id or 0
    while not platform.closing.is_set():
        ticket = platform.database.committed.ticket()
        piece, build = await analyzer.builds.log(build_id, after=position)
        if piece is not None:
            position = piece.ends_at
            yield _event(position, "output", PieceView.of(piece))
        elif not build.is_open:
            yield _event(position, "ended", BuildView.of(build))
            return
        else:
            await wait(ticket, LOOK_AGAIN_S)


def _event(position: int, kind: str, view: WireModel) -> ServerSentEvent:
    return ServerSentEvent(id=str(position), event=kind, raw_data=view.model_dump_json())


@router.post("/builds/{build_id}/cancel", status_code=202, operation_id="cancel_build")
async def cancel_build(build_id: UUID, response: Response, caller: Builder, analyzer: Analyzer) -> BuildView:
    """Ends the build and kills everything that it has started; one that has ended stays as it is."""
    build = await analyzer.builds.cancel(build_id)
    response.headers["Location"] = f"/v1/builds/{build.id}"
    return BuildView.of(build)
