"""Deployments: ask for one, watch it, close it."""

import re
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Path, Request, Response
from mesh_shared.auth.tokens import ADMIN, Principal
from mesh_shared.web import conditional, pages
from mesh_shared.web.idempotency import RequiredIdempotencyKey
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import allow

from mesh_deployer.domain.deployment import Deployment
from mesh_deployer.schemas.deployments import BidsView, DeploymentRequest, DeploymentView
from mesh_deployer.schemas.prechecks import PrecheckView
from mesh_deployer.service.deployer import Deployer, Wish

SCOPE = "deployer:deploy"
MAX_WAIT_S = 30

Caller = Annotated[Principal, allow(SCOPE)]
DeploymentId = Annotated[UUID, Path(examples=["5b0f2d7e-3c7f-5d59-8a57-2d0b6f1c9c11"])]
Prefer = Annotated[
    str | None,
    Header(
        description="`wait=n` answers when it runs or has ended, after n seconds (30 at most) at the latest.",
        examples=["wait=10"],
    ),
]

router = APIRouter(prefix="/v1/deployments", tags=["deployments"], route_class=MeshRoute)


def deployer(request: Request) -> Deployer:
    """The use cases."""
    return request.app.state.service


def owner(caller: Principal) -> str | None:
    """Whose deployments the caller sees: its own, or everybody's when it is an administrator."""
    return None if caller.can(ADMIN) else caller.subject


def wait_s(prefer: str | None) -> int:
    """Seconds that the caller prefers to wait (RFC 7240 §4.3); 0 when it says nothing of it."""
    match = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?([0-9]{1,9})", prefer or "", re.IGNORECASE)
    return min(MAX_WAIT_S, int(match[1])) if match else 0


def view(service: Deployer, deployment: Deployment) -> DeploymentView:
    """The deployment as its owner sees it."""
    return DeploymentView.of(deployment, service.reduction(deployment), service.inputs)


@router.post(":precheck", operation_id="precheck_deployment", summary="See who would run it, and why")
async def precheck_deployment(request: Request, body: DeploymentRequest, caller: Caller) -> PrecheckView:
    """A dry run without side effects: every provider with its reason, and the bid that would be chosen.

    Refused like a deployment. On the simulated market prices move by two per cent with every order.
    """
    service = deployer(request)
    found = await service.precheck(
        Wish(
            owner=caller.subject,
            operation="prechecks",
            key="",
            sdl=body.text(),
            provider=body.provider,
            reputation_floor=body.floor(),
            strategy=body.strategy,
        )
    )
    price = found.choice.uact_per_block
    saving = None if price is None else service.compare(found.shape, price)
    return PrecheckView.of(found, saving, service.inputs)


@router.post("", status_code=202, operation_id="create_deployment", summary="Deploy an SDL")
async def create_deployment(
    request: Request,
    response: Response,
    body: DeploymentRequest,
    caller: Caller,
    key: RequiredIdempotencyKey,
    prefer: Prefer = None,
) -> DeploymentView:
    """Accepts the deployment; it is made, bid for, leased and started in the background.

    Semantic refusals are 409: `sdl-invalid` with every fault, `secret-in-sdl`, `credentials-not-sent`,
    `too-many-placements`, `not-run-here`, `price-not-in-uact`, `not-run-there` for what only other backends
    run, for `provider: docker` also `docker-not-available`, `image-not-present`, `not-on-docker`, for
    `akash-chain` and `akash-console` also `backend-not-configured`, for the latter `console-not-connected`,
    `not-written`.
    """
    service = deployer(request)
    wish = Wish(
        owner=caller.subject,
        operation="deployments",
        key=key,
        sdl=body.text(),
        provider=body.provider,
        reputation_floor=body.floor(),
        strategy=body.strategy,
        top_up_to_uact=body.top_up_to,
        fails_over=body.fail_over,
    )
    deployment = await service.wait(await service.submit(wish), wait_s(prefer))
    response.headers["Location"] = f"/v1/deployments/{deployment.id}"
    return view(service, deployment)


@router.get("", operation_id="list_deployments", summary="List deployments")
async def list_deployments(
    request: Request, response: Response, caller: Caller, cursor: pages.Cursor = None, limit: pages.Limit = 20
) -> pages.Page[DeploymentView]:
    """Your deployments, newest first."""
    service, after = deployer(request), pages.position(request, cursor)
    before = None if after is None else (datetime.fromisoformat(after[0]), UUID(after[1]))
    found = await service.page(owner(caller), before, limit)
    key = [found[-1].created_at.isoformat(), str(found[-1].id)] if found else []
    return pages.page(request, response, [view(service, deployment) for deployment in found], limit, key)


@router.get("/{deployment_id}", operation_id="get_deployment", summary="Get a deployment")
async def get_deployment(
    request: Request, response: Response, deployment_id: DeploymentId, caller: Caller
) -> DeploymentView:
    """How it is now, why, and what it saves; with an ETag."""
    service = deployer(request)
    deployment = await service.get(deployment_id, owner(caller))
    conditional.tag(request, response, f"{deployment.id}-{deployment.revision}")
    return view(service, deployment)


@router.get("/{deployment_id}/bids", operation_id="list_bids", summary="See who bid, and why one was chosen")
async def list_bids(request: Request, deployment_id: DeploymentId, caller: Caller) -> BidsView:
    """Every bid with its place and the reason for it, and who did not bid."""
    service = deployer(request)
    return BidsView.of(await service.get(deployment_id, owner(caller)), service.inputs)


@router.post(
    "/{deployment_id}/close", status_code=202, operation_id="close_deployment", summary="Close a deployment"
)
async def close_deployment(
    request: Request, deployment_id: DeploymentId, caller: Caller, prefer: Prefer = None
) -> DeploymentView:
    """Stops the workload, ends the lease and gets the rest of the deposit back; done twice is done once."""
    service = deployer(request)
    closing = await service.close(deployment_id, owner(caller))
    return view(service, await service.wait(closing, wait_s(prefer)))
