"""Policies: published, listed, and asked without making a call."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from mesh_shared.auth.tokens import Principal
from mesh_shared.web import conditional, pages
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import allow

from mesh_security_gateway.domain.paths import canonical_path, checked_query, query_keys
from mesh_security_gateway.errors import OperationUnfit, PathRefused
from mesh_security_gateway.schemas.policies import (
    HASH,
    PolicyRequest,
    PublishedView,
    SimulationRequest,
    SimulationView,
)
from mesh_security_gateway.service.deciding import Call, Verdict
from mesh_security_gateway.service.gateway import Gateway
from mesh_security_gateway.service.policies import at

router = APIRouter(prefix="/v1/policies", tags=["policies"], route_class=MeshRoute)

PolicyAdmin = Annotated[Principal, allow("gateway:admin")]
Grantor = Annotated[Principal, allow("gateway:grant")]


@router.post("", status_code=201, operation_id="publish_policies", summary="Publish policies")
async def publish_policies(request: Request, body: PolicyRequest, caller: PolicyAdmin) -> PublishedView:
    """Replaces what was published before, from the next call on. They narrow what grants allow.

    Checked against the schema of agents, connections and grants. Publishing what holds is harmless.
    """
    gateway: Gateway = request.app.state.service
    return PublishedView.model_validate(await gateway.publishing.adopt(caller, body.text))


@router.get("", operation_id="list_policies", summary="List policies")
async def list_policies(
    request: Request,
    response: Response,
    caller: PolicyAdmin,
    cursor: pages.Cursor = None,
    limit: pages.Limit = 50,
) -> pages.Page[PublishedView]:
    """Every publication, newest first; the first is what holds."""
    gateway: Gateway = request.app.state.service
    before = pages.position(request, cursor)
    found = await gateway.publishing.page(before[0] if before else None, limit)
    views = [PublishedView.model_validate(policy) for policy in found]
    return pages.page(request, response, views, limit, [policy.position for policy in found[-1:]])


@router.get("/{hash}", operation_id="get_policies", summary="Get policies")
async def get_policies(
    request: Request,
    response: Response,
    hash: Annotated[str, Path(pattern=HASH, examples=["0" * 64])],
    caller: PolicyAdmin,
) -> PublishedView:
    """The policies with that hash, as an entry of the audit names them."""
    gateway: Gateway = request.app.state.service
    found = await gateway.publishing.get(hash)
    conditional.tag(request, response, f"{found.hash}-{found.position}")
    return PublishedView.model_validate(found)


@router.post("/simulate", operation_id="simulate_policies", summary="Ask the policies without a call")
async def simulate_policies(request: Request, body: SimulationRequest, caller: Grantor) -> SimulationView:
    """What would come of a call through one of the caller's connections, and why.

    Nothing is sent, charged or put on record; rates, budgets and approvals are not asked.
    """
    gateway: Gateway = request.app.state.service
    verdict = await gateway.publishing.simulate(caller, body.connection, _call(body), body.text)
    return SimulationView(
        decision="deny" if verdict.grant is None else "allow",
        code=verdict.refusal and verdict.refusal.code(),
        policies=list(verdict.policies),
        reasons=_reasons(verdict),
        grant=verdict.grant and verdict.grant.id,
        policy_hash=verdict.policy_hash,
    )


def _call(body: SimulationRequest) -> Call:
    path, _, query = body.path.partition("?")
    try:
        return Call(
            subject=body.subject,
            method=body.method,
            path=canonical_path(path.encode()),
            query_keys=query_keys(checked_query(query.encode())),
            now=at(body.at),
            is_leased=body.leased,
        )
    except PathRefused:
        raise OperationUnfit from None


def _reasons(verdict: Verdict) -> list[str]:
    if verdict.refusal is not None:
        return [verdict.refusal.detail]
    return ["A live grant covers this, and no policy forbids it."]
