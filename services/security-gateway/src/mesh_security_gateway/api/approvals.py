"""Approvals: asked by a call, answered by a person."""

import time
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from mesh_shared.auth.tokens import Principal
from mesh_shared.web import pages
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import allow
from mesh_shared.wire import Uuid

from mesh_security_gateway.schemas.approvals import ApprovalView
from mesh_security_gateway.service.gateway import Gateway

router = APIRouter(prefix="/v1/approvals", tags=["approvals"], route_class=MeshRoute)

Approver = Annotated[Principal, allow("gateway:approve")]


@router.get("", operation_id="list_approvals", summary="List approvals")
async def list_approvals(
    request: Request,
    response: Response,
    caller: Approver,
    *,
    pending: Annotated[bool, Query(description="Only those that wait for an answer.")] = False,
    cursor: pages.Cursor = None,
    limit: pages.Limit = 50,
) -> pages.Page[ApprovalView]:
    """Approvals on the caller's own connections, on all for an admin, newest first."""
    gateway: Gateway = request.app.state.service
    before = pages.position(request, cursor)
    found = await gateway.approving.page(caller, before[0] if before else None, limit, only_pending=pending)
    views = [ApprovalView.of(listed.approval, time.time()) for listed in found]
    return pages.page(request, response, views, limit, [listed.position for listed in found[-1:]])


@router.get("/{id}", operation_id="get_approval", summary="Get an approval")
async def get_approval(request: Request, id: Uuid, caller: Annotated[Principal, allow()]) -> ApprovalView:
    """One approval, for the agent that asked and for who may answer."""
    gateway: Gateway = request.app.state.service
    return ApprovalView.of(await gateway.approving.get(caller, id), time.time())


@router.post("/{id}/approve", operation_id="approve", summary="Approve a request")
async def approve(request: Request, id: Uuid, caller: Approver) -> ApprovalView:
    """Lets exactly this request out, once, before it expires. Nobody approves a request of their own.

    The agent sends it again with `X-Mesh-Approval`; whatever differs in it is another request.
    """
    gateway: Gateway = request.app.state.service
    return ApprovalView.of(await gateway.approving.decide(caller, id, "approved"), time.time())


@router.post("/{id}/deny", operation_id="deny", summary="Deny a request")
async def deny(request: Request, id: Uuid, caller: Approver) -> ApprovalView:
    """Closes the question. The same request can be asked about anew."""
    gateway: Gateway = request.app.state.service
    return ApprovalView.of(await gateway.approving.decide(caller, id, "denied"), time.time())
