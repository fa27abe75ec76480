"""The audit: read, proved, verified, exported, explained."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse
from mesh_shared.auth.tokens import Principal
from mesh_shared.errors import known_errors
from mesh_shared.web import pages
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import allow

from mesh_security_gateway.domain.audit import Sealed
from mesh_security_gateway.domain.explanation import explain
from mesh_security_gateway.errors import EntryUnreadable
from mesh_security_gateway.schemas.audit import (
    AnchorView,
    AuditEntryView,
    AuditKeyView,
    BreakView,
    CheckpointView,
    ConsistencyView,
    ExplanationView,
    InclusionView,
    VerificationView,
)
from mesh_security_gateway.schemas.fields import NAME, SUBJECT
from mesh_security_gateway.service.calls import NEVER_SENT
from mesh_security_gateway.service.gateway import Gateway

router = APIRouter(prefix="/v1/audit", tags=["audit"], route_class=MeshRoute)

MOST_ENTRIES = (1 << 53) - 1
Auditor = Annotated[Principal, allow("gateway:audit")]
Size = Annotated[int | None, Query(ge=0, le=MOST_ENTRIES, description="Entries; those of now when left out.")]


@router.get("", operation_id="list_audit_entries", summary="Read the audit")
async def list_audit_entries(
    request: Request,
    response: Response,
    caller: Auditor,
    *,
    connection: Annotated[str | None, Query(pattern=NAME, examples=["github"])] = None,
    agent: Annotated[str | None, Query(pattern=SUBJECT, examples=["agent-7"])] = None,
    cursor: pages.Cursor = None,
    limit: pages.Limit = 50,
) -> pages.Page[AuditEntryView]:
    """Entries, newest first: changes, and of each call its intent and its outcome."""
    gateway: Gateway = request.app.state.service
    before = pages.position(request, cursor)
    found = await gateway.trail.page(before[0] if before else None, limit, connection=connection, agent=agent)
    entries = [_entry(entry) for entry in found]
    return pages.page(request, response, entries, limit, [entry.sequence for entry in found[-1:]])


def _entry(entry: Sealed) -> AuditEntryView:
    try:
        return AuditEntryView.model_validate(entry.members())
    except (ValueError, TypeError):
        raise EntryUnreadable(entry.sequence) from None


@router.get("/verification", operation_id="verify_audit", summary="Verify the audit")
async def verify_audit(request: Request, caller: Auditor) -> VerificationView:
    """Walks the whole record against its signed head and names the first entry that does not hold."""
    gateway: Gateway = request.app.state.service
    verdict = await gateway.trail.verify()
    broken = verdict.broken and BreakView.model_validate(verdict.broken)
    return VerificationView(valid=broken is None, entries=verdict.entries, root=verdict.root, broken=broken)


@router.get("/key", operation_id="get_audit_key", summary="Who signs checkpoints")
async def get_audit_key(request: Request, caller: Auditor) -> AuditKeyView:
    """The key to verify checkpoints with, now and later."""
    gateway: Gateway = request.app.state.service
    return AuditKeyView(name=gateway.trail.key.name, key=str(gateway.trail.key))


@router.get(
    "/checkpoint",
    operation_id="get_audit_checkpoint",
    summary="The checkpoint of now",
    response_class=PlainTextResponse,
)
async def get_audit_checkpoint(request: Request, caller: Auditor) -> PlainTextResponse:
    """A signed note (C2SP): origin, size and root of the record as it is now."""
    gateway: Gateway = request.app.state.service
    return PlainTextResponse(await gateway.trail.checkpoint())


@router.get("/checkpoints", operation_id="list_audit_checkpoints", summary="Checkpoints that stay")
async def list_audit_checkpoints(
    request: Request,
    response: Response,
    caller: Auditor,
    cursor: pages.Cursor = None,
    limit: pages.Limit = 50,
) -> pages.Page[CheckpointView]:
    """The record is signed with every entry; every so many seconds what was signed is kept. Newest first."""
    gateway: Gateway = request.app.state.service
    below = pages.position(request, cursor)
    found = await gateway.trail.kept(below[0] if below else None, limit)
    views = [CheckpointView.model_validate(kept) for kept in found]
    return pages.page(request, response, views, limit, [kept.size for kept in found[-1:]])


@router.get("/anchors", operation_id="list_audit_anchors", summary="Checkpoints on the chain")
async def list_audit_anchors(
    request: Request,
    response: Response,
    caller: Auditor,
    cursor: pages.Cursor = None,
    limit: pages.Limit = 50,
) -> pages.Page[AnchorView]:
    """What was put where nobody can take it back, newest first. Empty unless `MESH_ANCHOR_RPC_URL` is set.

    `mesh audit verify FILE --key KEY --anchor TRANSACTION --rpc-url NODE` holds a record to one.
    """
    gateway: Gateway = request.app.state.service
    below = pages.position(request, cursor)
    found = await gateway.trail.anchors(below[0] if below else None, limit)
    views = [AnchorView.model_validate(anchor) for anchor in found]
    return pages.page(request, response, views, limit, [anchor.position for anchor in found[-1:]])


@router.get("/proof/inclusion", operation_id="prove_audit_inclusion", summary="Prove that an entry is there")
async def prove_audit_inclusion(
    request: Request,
    caller: Auditor,
    sequence: Annotated[int, Query(ge=1, le=MOST_ENTRIES, examples=[1])],
    size: Size = None,
) -> InclusionView:
    """The path from an entry to the root of the record of `size` entries (RFC 9162 §2.1.3)."""
    gateway: Gateway = request.app.state.service
    of, entry, path = await gateway.trail.inclusion(sequence, size)
    return InclusionView(size=of, sequence=sequence, leaf_hash=entry.leaf.hex(), path=_hex(path))


@router.get(
    "/proof/consistency", operation_id="prove_audit_consistency", summary="Prove that nothing changed"
)
async def prove_audit_consistency(
    request: Request,
    caller: Auditor,
    first: Annotated[int, Query(ge=0, le=MOST_ENTRIES, examples=[1])],
    second: Size = None,
) -> ConsistencyView:
    """That the record of `first` entries is the beginning of that of `second` (RFC 9162 §2.1.4)."""
    gateway: Gateway = request.app.state.service
    of, path = await gateway.trail.consistency(first, second)
    return ConsistencyView(first=first, second=of, path=_hex(path))


def _hex(path: Sequence[bytes]) -> list[str]:
    return [hash.hex() for hash in path]


@router.get(
    "/export",
    operation_id="export_audit",
    summary="Export the audit",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/jsonl": {"schema": {"type": "string"}}}}},
)
async def export_audit(request: Request, caller: Auditor) -> StreamingResponse:
    """The record of now as JSON lines, canonical as they were hashed, and its checkpoint as the last line.

    `mesh audit verify FILE --key KEY` verifies it anywhere, without this service.
    """
    gateway: Gateway = request.app.state.service
    return StreamingResponse(gateway.trail.export(), media_type="application/jsonl")


@router.get("/{id}/explain", operation_id="explain_audit_entry", summary="Explain what became of a step")
async def explain_audit_entry(
    request: Request, id: Annotated[UUID, Path()], caller: Auditor
) -> ExplanationView:
    """Why a call was refused, failed or was answered, from facts without a secret."""
    gateway: Gateway = request.app.state.service
    found, ended = await gateway.trail.entry(id)
    entry, outcome = _entry(found), ended and _entry(ended)
    meanings = {error.code(): (error.__doc__ or f"{error.title}.").strip() for error in known_errors()}
    told = explain(entry.model_dump(), outcome and outcome.model_dump(), meanings, NEVER_SENT)
    return ExplanationView(
        result=told.result,
        code=told.code,
        because=told.because,
        advice=told.advice,
        reached_upstream=told.reached_upstream,
        entry=entry,
        outcome=outcome,
    )
