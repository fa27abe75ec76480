"""Plans and runs over HTTP."""

import re
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import PlainTextResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from mesh_shared.auth.tokens import Principal
from mesh_shared.bell import wait
from mesh_shared.platform import Platform
from mesh_shared.web import conditional, pages
from mesh_shared.web.idempotency import RequiredIdempotencyKey
from mesh_shared.web.payment import PRICED, PaymentSignature
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import allow
from mesh_shared.x402.wire import RESPONSE

from mesh_coordinator.domain.run import RunStatus
from mesh_coordinator.repository.runs import RunRecord
from mesh_coordinator.repository.tables import RunEventRow
from mesh_coordinator.schemas.plans import PlanView
from mesh_coordinator.schemas.requests import ForkBody, TaskBody
from mesh_coordinator.schemas.runs import HappeningView, RunSummary, RunView
from mesh_coordinator.service import RUN, Coordinator, id_for

MAX_WAIT_S = 30
BATCH = 100
LOOK_AGAIN_S = 1.0
MAX_SEQUENCE = 2**53 - 1

router = APIRouter(prefix="/v1", tags=["runs"], route_class=MeshRoute)
_ENDED_MEANWHILE: dict[int | str, dict[str, Any]] = {
    200: {"model": RunView, "description": "It has ended meanwhile."}
}

Client = Annotated[Principal, allow(RUN)]
Prefer = Annotated[
    str | None,
    Header(
        max_length=200,
        description="`wait=n` (RFC 7240): answer when the run has ended, after n seconds at most; n ≤ 30.",
        examples=["wait=10"],
    ),
]


async def coordinator(request: Request) -> Coordinator:
    return request.app.state.service


Service = Annotated[Coordinator, Depends(coordinator)]


async def paid(service: Coordinator, id: UUID) -> dict[str, str]:
    """The headers of the answer that tell what was taken for a run."""
    receipt = await service.cashier.receipt(id)
    return {} if receipt is None else {RESPONSE: receipt.encoded()}


def preferred_wait_s(prefer: str | None) -> int | None:
    """The seconds of `wait=n` among the preferences, at most 30; None without one (RFC 7240 §4.3)."""
    found = re.search(r"(?:^|[,;\s])wait=([0-9]{1,6})(?:$|[,;\s])", prefer or "", re.IGNORECASE)
    return None if found is None else min(int(found[1]), MAX_WAIT_S)


@router.post("/plans", operation_id="create_plan")
async def create_plan(body: TaskBody, caller: Client, service: Service) -> PlanView:
    """Shows what a run of the same body would do, and why: requirements, candidates, prices, order.

    Starts nothing and keeps nothing. 409 `invalid-plan` points at everything that makes no sense.
    """
    return PlanView.of(body.task, await service.planner.plan(body.order()))


@router.post(
    "/runs",
    status_code=202,
    operation_id="start_run",
    responses={200: {"model": RunView, "description": "It has ended within the time to wait."}, **PRICED},
)
async def start_run(
    body: TaskBody,
    response: Response,
    caller: Client,
    service: Service,
    key: RequiredIdempotencyKey,
    *,
    payment: PaymentSignature = None,
    prefer: Prefer = None,
) -> RunView:
    """Plans the task and runs it: steps whose needs are met in parallel, each paid by its quality.

    Follow `Location`; the run goes on by itself, whatever happens to this process. Nothing is spent before
    the whole plan stands.
    """
    id = id_for(caller.subject, key, "run")
    record = await service.runs.start(body.order(), id, caller.subject, payment)
    response.headers.update(await paid(service, id))
    if (wait_s := preferred_wait_s(prefer)) is not None:
        record = await service.runs.ended(record.run.id, wait_s)
        response.headers["Preference-Applied"] = f"wait={wait_s}"
    return _located(record, response)


@router.get("/runs", operation_id="list_runs")
async def list_runs(
    request: Request,
    response: Response,
    caller: Client,
    service: Service,
    *,
    status: Annotated[RunStatus | None, Query(description="Only runs that stand so.")] = None,
    cursor: pages.Cursor = None,
    limit: pages.Limit = 20,
) -> pages.Page[RunSummary]:
    """The runs, newest first."""
    before = pages.position(request, cursor)
    rows = await service.runs.newest(limit, before=before[0] if before else None, status=status)
    items = [RunSummary.of(row) for row in rows]
    return pages.page(request, response, items, limit, [row.position for row in rows[-1:]])


@router.get("/runs/{run_id}", operation_id="get_run")
async def get_run(
    run_id: UUID, request: Request, response: Response, caller: Client, service: Service
) -> RunView:
    """Everything on record of a run: steps, attempts, escrows, verdicts, times, results and gaps."""
    record = await service.runs.get(run_id)
    conditional.tag(request, response, _version(record))
    return RunView.of_record(record)


@router.get(
    "/runs/{run_id}/graph",
    operation_id="get_run_graph",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def get_run_graph(run_id: UUID, caller: Client, service: Service) -> PlainTextResponse:
    """The run in ASCII. Marks: o pending, $ takes bids, ? asks, > runs, * succeeded, x failed, / skipped."""
    return PlainTextResponse(RunView.of_record(await service.runs.get(run_id)).graph)


@router.post(
    "/runs/{run_id}/cancel",
    status_code=202,
    operation_id="cancel_run",
    responses=_ENDED_MEANWHILE,
)
async def cancel_run(run_id: UUID, response: Response, caller: Client, service: Service) -> RunView:
    """Starts nothing more, and calls nobody more. Money locked for agents that were not called comes back.

    Those that were called are judged, and paid by their work. Cancelling again changes nothing; 409
    `run-ended` when there is nothing left to cancel.
    """
    return _located(await service.runs.cancel(run_id), response)


@router.post(
    "/runs/{run_id}/pause",
    status_code=202,
    operation_id="pause_run",
    responses=_ENDED_MEANWHILE,
)
async def pause_run(run_id: UUID, response: Response, caller: Client, service: Service) -> RunView:
    """Starts nothing new, and asks nobody, until the run is resumed; what is under way is finished.

    Its deadline goes on. Pausing again changes nothing; 409 `run-ended` when there is nothing left to pause.
    """
    return _located(await service.runs.pause(run_id, is_paused=True), response)


@router.post(
    "/runs/{run_id}/resume",
    status_code=202,
    operation_id="resume_run",
    responses=_ENDED_MEANWHILE,
)
async def resume_run(run_id: UUID, response: Response, caller: Client, service: Service) -> RunView:
    """Goes on with a paused run. Resuming again changes nothing; 409 `run-ended` when it has ended."""
    return _located(await service.runs.pause(run_id, is_paused=False), response)


@router.post(
    "/runs/{run_id}/fork",
    status_code=202,
    operation_id="fork_run",
    responses=_ENDED_MEANWHILE | PRICED,
)
async def fork_run(
    run_id: UUID,
    body: ForkBody,
    response: Response,
    caller: Client,
    service: Service,
    key: RequiredIdempotencyKey,
    *,
    payment: PaymentSignature = None,
) -> RunView:
    """A new run with the same plan, which does a step and all that needs it again.

    Steps that do not need it keep the results that they had: nobody is called or paid for them again. What
    had not succeeded is tried again. 409 `run-open` while the run has not ended.
    """
    id = id_for(caller.subject, key, "fork")
    record = await service.forks.fork(run_id, body.from_step, id, caller.subject, payment)
    response.headers.update(await paid(service, id))
    return _located(record, response)


async def _known(run_id: UUID, caller: Client, service: Service) -> UUID:
    """Answers 404 before the stream begins, to those who may know."""
    await service.runs.history(run_id, after=0, limit=1)
    return run_id


@router.get("/runs/{run_id}/events", operation_id="stream_run_events", response_class=EventSourceResponse)
async def stream_run_events(
    run_id: Annotated[UUID, Depends(_known)],
    request: Request,
    service: Service,
    last_event_id: Annotated[
        int | None, Header(ge=0, le=MAX_SEQUENCE, description="Sent by browsers that reconnect.")
    ] = None,
) -> AsyncIterator[ServerSentEvent]:
    """What happens to the run, from the first thing on or after `Last-Event-ID`; ends when the run has."""
    platform: Platform = request.app.state.platform
    position, is_over = last_event_id or 0, False
    while not is_over and not platform.closing.is_set():
        ticket = platform.database.committed.ticket()
        rows, is_over = await service.runs.history(run_id, after=position, limit=BATCH)
        for row in rows:
            position = row.sequence
            yield _event(row)
        if not rows and not is_over:
            await wait(ticket, LOOK_AGAIN_S)


def _event(row: RunEventRow) -> ServerSentEvent:
    view = HappeningView(sequence=row.sequence, type=row.type, time=row.time, data=row.data)
    return ServerSentEvent(id=str(row.sequence), event=row.type, raw_data=view.model_dump_json())


def _version(record: RunRecord) -> str:
    return f"{record.run.id}-{record.run.version}"


def _located(record: RunRecord, response: Response) -> RunView:
    response.headers["Location"] = f"/v1/runs/{record.run.id}"
    response.headers["ETag"] = f'"{_version(record)}"'
    response.status_code = HTTPStatus.ACCEPTED if record.is_open else HTTPStatus.OK
    return RunView.of_record(record)
