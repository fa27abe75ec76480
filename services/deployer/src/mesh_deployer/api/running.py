"""A deployment that runs: update it, read what it writes, run a command in it."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from mesh_shared.auth.tokens import Principal
from mesh_shared.errors import MeshError
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import allow

from mesh_deployer.api.deployments import Caller, DeploymentId, Prefer, deployer, owner, view, wait_s
from mesh_deployer.domain.deployment import Deployment
from mesh_deployer.schemas.deployments import DeploymentView
from mesh_deployer.schemas.drift import DriftsView
from mesh_deployer.schemas.running import (
    CommandRequest,
    DepositRequest,
    LogLineView,
    OutputView,
    UpdateRequest,
)
from mesh_deployer.service.following import bounded
from mesh_deployer.service.running import Running

if TYPE_CHECKING:
    from mesh_shared.platform import Platform

EXEC = "deployer:exec"
MAX_LINES, MAX_FOLLOW_S = 10_000, 900
router = APIRouter(prefix="/v1/deployments/{deployment_id}", tags=["deployments"], route_class=MeshRoute)


@router.post("/update", status_code=202, operation_id="update_deployment", summary="Update a deployment")
async def update_deployment(
    request: Request,
    deployment_id: DeploymentId,
    body: UpdateRequest,
    caller: Caller,
    prefer: Prefer = None,
) -> DeploymentView:
    """Replaces what runs on the same lease; the same SDL again changes nothing.

    What does not start is replaced by the version before. 409 `update-needs-deployment` with every change
    that takes a new lease (`POST /v1/sdl/diff` tells before), `not-running` when there is nothing to update.
    """
    service = deployer(request)
    updated = await Running(service).update(deployment_id, owner(caller), body.sdl)
    return view(service, await service.wait(updated, wait_s(prefer)))


@router.post(
    "/deposit", status_code=202, operation_id="raise_deposit", summary="Raise the deposit of a deployment"
)
async def raise_deposit(
    request: Request, deployment_id: DeploymentId, body: DepositRequest, caller: Caller
) -> DeploymentView:
    """Locks more, and says how far it may be raised by itself; `funds` in the answer says how long it lasts.

    409 `deposit-not-lowered` for less than there is, `not-running` without a lease.
    """
    service = deployer(request)
    top_up_to = None if body.top_up_to_uact is None else int(body.top_up_to_uact)
    total = int(body.deposit_uact)
    return view(service, await Running(service).deposit(deployment_id, owner(caller), total, top_up_to))


@router.get(
    "/drift",
    operation_id="compare_deployment",
    responses={409: {"description": "There is no lease."}},
    summary="Compare what runs with its SDL",
)
async def compare_deployment(request: Request, deployment_id: DeploymentId, caller: Caller) -> DriftsView:
    """Every difference between what the backend reports and the SDL; nothing is changed.

    What a backend does not report is named in `not_reported`: Akash's providers say how many replicas there
    are, and nothing else. 409 `not-running` without a lease.
    """
    return DriftsView.of(await Running(deployer(request)).compare(deployment_id, owner(caller)))


async def _leased(request: Request, deployment_id: DeploymentId, caller: Caller) -> Deployment:
    """Answers 404 and 409 before the stream begins."""
    return await Running(deployer(request)).leased(deployment_id, owner(caller))


@router.get(
    "/logs",
    operation_id="stream_logs",
    response_class=EventSourceResponse,
    responses={409: {"description": "There is no lease."}},
    summary="Read its logs",
)
async def stream_logs(
    deployment: Annotated[Deployment, Depends(_leased)],
    request: Request,
    tail: Annotated[int, Query(ge=0, le=1000, description="Last lines of each replica.")] = 100,
    follow: Annotated[bool, Query(description="Whether to go on with later lines.")] = False,
    last_event_id: Annotated[
        str | None,
        Header(max_length=100, description="The time of the last line that was read; anything else is none."),
    ] = None,
) -> AsyncIterator[ServerSentEvent]:
    """What its services write, as events `line`; the id is the time where there is one.

    It ends with an event `end`, at the latest after 10,000 lines or 15 minutes; whoever follows connects
    again with `Last-Event-ID`. What looks like a credential is left out of a line.
    """
    platform: Platform = request.app.state.platform
    lines = Running(deployer(request)).logs(deployment, tail=tail, follow=follow)
    last = _time(last_event_id)
    try:
        async for line in bounded(lines, most=MAX_LINES, seconds=MAX_FOLLOW_S, closing=platform.closing):
            if _is_new(line.at, last):
                id = line.at.isoformat() if line.at else None
                yield ServerSentEvent(
                    id=id, event="line", raw_data=LogLineView.of(line, deployment.terms).model_dump_json()
                )
        yield ServerSentEvent(event="end", data={"code": None})
    except MeshError as ending:
        yield ServerSentEvent(event="end", data={"code": ending.code()})


@router.post("/exec", operation_id="execute_command", summary="Run a command in it")
async def execute_command(
    request: Request,
    deployment_id: DeploymentId,
    body: CommandRequest,
    caller: Annotated[Principal, allow(EXEC)],
) -> OutputView:
    """Runs a command beside the first replica of a service, for 30 seconds at most.

    Needs the scope `deployer:exec`, a backend that really runs something, and an operator who lets it. Each
    attempt is told in an event. 409 `not-offered`, `service-unknown`, `not-running`,
    `command-refused`, `command-not-finished`.
    """
    running = Running(deployer(request))
    output = await running.execute(deployment_id, owner(caller), caller.subject, body.service, body.command)
    return OutputView.of(output)


def _time(id: str | None) -> datetime | None:
    """The time of the last line; None for an id that is none of ours."""
    try:
        last = datetime.fromisoformat(id or "")
    except ValueError:
        return None
    return last if last.tzinfo else None


def _is_new(at: datetime | None, last: datetime | None) -> bool:
    return at is None or last is None or at > last
