"""Grants."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from mesh_shared.auth.tokens import Principal
from mesh_shared.web import pages
from mesh_shared.web.idempotency import IdempotencyKey
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import allow
from mesh_shared.wire import Uuid

from mesh_security_gateway.domain.grants import Budget
from mesh_security_gateway.repository.grants import Recorded
from mesh_security_gateway.schemas.fields import NAME, SUBJECT
from mesh_security_gateway.schemas.grants import BudgetView, GrantRequest, GrantView, RateModel
from mesh_security_gateway.service.gateway import Gateway

router = APIRouter(prefix="/v1/grants", tags=["grants"], route_class=MeshRoute)

Grantor = Annotated[Principal, allow("gateway:grant")]


@router.post("", status_code=201, operation_id="give_grant", summary="Give a grant")
async def give_grant(
    request: Request, body: GrantRequest, caller: Grantor, key: IdempotencyKey = None
) -> GrantView:
    """Lets a subject use one of the caller's connections. Whatever no live grant covers is denied."""
    gateway: Gateway = request.app.state.service
    given = await gateway.granting.give(
        caller,
        subject=body.subject,
        connection=body.connection,
        methods=body.methods,
        paths=body.paths,
        expires_at=body.expires_at,
        key=key,
        rate=body.rate and body.rate.rate(),
        budget=body.budget and body.budget.budget(),
        needs_approval=body.needs_approval,
    )
    return _view(given)


@router.get("", operation_id="list_grants", summary="List grants")
async def list_grants(
    request: Request,
    response: Response,
    caller: Grantor,
    *,
    subject: Annotated[str | None, Query(pattern=SUBJECT, examples=["agent-7"])] = None,
    connection: Annotated[str | None, Query(pattern=NAME, examples=["github"])] = None,
    cursor: pages.Cursor = None,
    limit: pages.Limit = 50,
) -> pages.Page[GrantView]:
    """Grants on the caller's own connections, on all for an admin, in the order in which they were given."""
    gateway: Gateway = request.app.state.service
    after = pages.position(request, cursor)
    found = await gateway.granting.page(
        caller, after[0] if after else 0, limit, subject=subject, connection=connection
    )
    return pages.page(
        request, response, [_view(given) for given in found], limit, [given.position for given in found[-1:]]
    )


@router.post("/{id}/revoke", operation_id="revoke_grant", summary="Revoke a grant")
async def revoke_grant(request: Request, id: Uuid, caller: Grantor) -> GrantView:
    """Ends a grant; the next request finds it dead."""
    gateway: Gateway = request.app.state.service
    return _view(await gateway.granting.revoke(caller, id))


def _view(given: Recorded) -> GrantView:
    grant = given.grant
    return GrantView(
        id=grant.id,
        subject=grant.subject,
        connection=grant.connection,
        methods=list(grant.methods),
        paths=list(grant.paths),
        expires_at=grant.expires_at,
        rate=grant.rate and RateModel(calls=grant.rate.calls, per_s=grant.rate.per_s),
        budget=grant.budget and _budget(grant.budget, given.spent),
        needs_approval=grant.needs_approval,
        created_by=given.created_by,
        created_at=given.created_at,
        is_revoked=grant.is_revoked,
    )


def _budget(budget: Budget, spent: int) -> BudgetView:
    return BudgetView(units=str(budget.units), per_call=str(budget.per_call), spent=str(spent))
