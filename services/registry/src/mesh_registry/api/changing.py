"""Agents are changed: the operator's own by those who may, all others by their owners."""

from fastapi import APIRouter, Response
from mesh_shared.web.idempotency import RequiredIdempotencyKey
from mesh_shared.web.route import MeshRoute

from mesh_registry.api.agents import AgentId
from mesh_registry.api.answers import InRegistry
from mesh_registry.api.registering import Wait, Writer
from mesh_registry.schemas.changes import ChallengeRequest, ChallengeView, ChangeRequest
from mesh_registry.schemas.operations import OperationView

router = APIRouter(prefix="/v1", tags=["agents"], route_class=MeshRoute)


@router.post(
    "/wallet-challenges",
    status_code=201,
    operation_id="challenge_wallet",
    summary="Ask what an owner signs to change its agent",
)
async def challenge_wallet(body: ChallengeRequest, caller: Writer, registry: InRegistry) -> ChallengeView:
    """A question to the wallet that owns the agent (EIP-4361), and what the contract wants signed (EIP-712).

    The question is about exactly this change, good for one answer within five minutes. A caller has 100 open
    ones at most: the next pushes out the oldest. A stake comes from the owner's tokens: `permit` allows it.
    """
    return ChallengeView.of(await registry.changer.challenge(body.wanted(), caller.subject))


@router.post(
    "/agents/{agent_id}/changes",
    status_code=202,
    operation_id="change_agent",
    summary="Change an agent",
    responses={201: {"description": "Changed, and seen in the index.", "model": OperationView}},
)
async def change_agent(
    *,
    agent_id: AgentId,
    body: ChangeRequest,
    response: Response,
    caller: Writer,
    registry: InRegistry,
    key: RequiredIdempotencyKey,
    wait: Wait = None,
) -> OperationView:
    """Update, switch on or off, stake, release and withdraw stake: each is an operation, like a registration.

    Agents of the operator change at the word of whoever may write; all others need `proof` and
    `authorization` of their owner. 409 `version-mismatch` when the agent is not at `expectedVersion`,
    `challenge-closed` for an answer that comes twice, too late, or to another question.
    """
    wanted = body.change.wanted(agent_id)
    operation = await registry.changer.change(wanted, body.proven(), caller.subject, key)
    if wait is not None:
        operation = await registry.operating.confirmed(operation.id)
        response.status_code = 201 if operation.is_over else 202
    response.headers["Location"] = f"/v1/operations/{operation.id}"
    return OperationView.of(operation)
