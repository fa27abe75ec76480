"""The audit and its verification."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from mesh_shared.auth.tokens import Principal
from mesh_shared.web import pages
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import allow

from mesh_security_gateway.domain.audit import Sealed
from mesh_security_gateway.errors import EntryUnreadable
from mesh_security_gateway.schemas.audit import AuditEntryView, BreakView, VerificationView
from mesh_security_gateway.schemas.fields import NAME, SUBJECT
from mesh_security_gateway.service.gateway import Gateway

router = APIRouter(prefix="/v1/audit", tags=["audit"], route_class=MeshRoute)

Auditor = Annotated[Principal, allow("gateway:audit")]


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
    return VerificationView(valid=broken is None, entries=verdict.entries, head=verdict.head, broken=broken)
