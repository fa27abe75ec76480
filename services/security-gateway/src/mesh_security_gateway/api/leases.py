"""Leases: what an agent takes for one piece of work."""

import time
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from mesh_shared.auth.tokens import Principal
from mesh_shared.web import pages
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import allow
from mesh_shared.wire import Uuid

from mesh_security_gateway.schemas.leases import (
    LeaseRequest,
    LeaseView,
    PrefixRequest,
    RenewalRequest,
    RevokedView,
)
from mesh_security_gateway.service.gateway import Gateway

router = APIRouter(prefix="/v1/leases", tags=["leases"], route_class=MeshRoute)

Holder = Annotated[Principal, allow("gateway:proxy")]
Caller = Annotated[Principal, allow()]


@router.post("", status_code=201, operation_id="take_lease", summary="Take a lease")
async def take_lease(request: Request, body: LeaseRequest, caller: Holder) -> LeaseView:
    """A time in which calls may name it in `X-Mesh-Lease`, by who has a live grant on the connection.

    It allows nothing that the grant does not; when it is over, by time or by word, the next call that names
    it is refused. The audit names the lease of each call.
    """
    gateway: Gateway = request.app.state.service
    lease = await gateway.leasing.take(caller, body.connection, ttl_s=body.ttl_s, max_ttl_s=body.max_ttl_s)
    return LeaseView.of(lease, time.time())


@router.get("", operation_id="list_leases", summary="List leases")
async def list_leases(
    request: Request,
    response: Response,
    caller: Caller,
    *,
    prefix: Annotated[str, Query(pattern=r"^[A-Za-z0-9._:/@-]{0,201}$", examples=["github/"])] = "",
    cursor: pages.Cursor = None,
    limit: pages.Limit = 50,
) -> pages.Page[LeaseView]:
    """The caller's and those on its connections, all for an admin, in the order of their paths."""
    gateway: Gateway = request.app.state.service
    after = pages.position(request, cursor)
    found, now = (
        await gateway.leasing.page(caller, after[0] if after else "", limit, prefix=prefix),
        time.time(),
    )
    views = [LeaseView.of(lease, now) for lease in found]
    return pages.page(request, response, views, limit, [lease.path for lease in found[-1:]])


@router.post("/{id}/renew", operation_id="renew_lease", summary="Renew a lease")
async def renew_lease(
    request: Request, id: Uuid, caller: Holder, body: RenewalRequest | None = None
) -> LeaseView:
    """Puts its expiry off, by its holder while it is live, and never beyond `ends_at`."""
    gateway: Gateway = request.app.state.service
    asked = body or RenewalRequest()
    return LeaseView.of(await gateway.leasing.renew(caller, id, asked.ttl_s), time.time())


@router.post("/{id}/revoke", operation_id="revoke_lease", summary="Revoke a lease")
async def revoke_lease(request: Request, id: Uuid, caller: Caller) -> LeaseView:
    """Ends a lease, by its holder or by who owns the connection; the next call finds it over."""
    gateway: Gateway = request.app.state.service
    return LeaseView.of(await gateway.leasing.revoke(caller, id), time.time())


@router.post("/revoke-prefix", operation_id="revoke_leases", summary="Revoke leases by prefix")
async def revoke_leases(request: Request, body: PrefixRequest, caller: Caller) -> RevokedView:
    """Ends all leases of the caller, or on its connections, whose path begins so."""
    gateway: Gateway = request.app.state.service
    return RevokedView(revoked=await gateway.leasing.revoke_under(caller, body.prefix))
