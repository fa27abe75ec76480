"""Signatures of owners, for services that do not look at the chain."""

from typing import Annotated

from fastapi import APIRouter
from mesh_shared.auth.tokens import Principal
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import allow

from mesh_registry.api.agents import AgentId
from mesh_registry.api.answers import InRegistry
from mesh_registry.schemas.fields import as_bytes
from mesh_registry.schemas.signatures import SignatureRequest, SignatureView
from mesh_registry.service import DISCOVER

router = APIRouter(prefix="/v1", tags=["agents"], route_class=MeshRoute)


@router.post(
    "/agents/{agent_id}/signatures",
    operation_id="check_signature",
    summary="Ask whether an agent's owner signed a text",
)
async def check_signature(
    agent_id: AgentId,
    body: SignatureRequest,
    caller: Annotated[Principal, allow(DISCOVER)],
    registry: InRegistry,
) -> SignatureView:
    """Looks at the owner's key first, and then asks its contract (ERC-1271), if it has one. Keeps nothing."""
    owner, signed = await registry.has_signed(agent_id, body.text, as_bytes(body.signature))
    return SignatureView(agentId=agent_id, owner=owner, signed=signed)
