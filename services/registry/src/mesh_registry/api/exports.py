"""An agent in the formats of other registries: open to anyone."""

from typing import Any

from fastapi import APIRouter, Request
from mesh_shared.web.route import MeshRoute

from mesh_registry.api.agents import AgentId
from mesh_registry.api.answers import InRegistry
from mesh_registry.domain import exports
from mesh_registry.domain.exports import Here
from mesh_registry.errors import CardNotFound
from mesh_registry.service import Registry

router = APIRouter(prefix="/v1/agents/{agent_id}", tags=["exports"], route_class=MeshRoute)


def here(request: Request, registry: Registry) -> Here:
    """Which registry this is."""
    contracts = registry.operating.contracts
    return Here(request.app.state.platform.public_url, contracts.chain_id, contracts.registry)


@router.get("/erc8004.json", operation_id="export_erc8004", summary="ERC-8004 registration file")
async def export_erc8004(agent_id: AgentId, request: Request, registry: InRegistry) -> dict[str, Any]:
    """The agent as ERC-8004 has it (registration-v1), with its token on our chain."""
    return exports.erc8004(await registry.discovery.agent(agent_id), here(request, registry))


@router.get("/agent-card.json", operation_id="export_agent_card", summary="A2A agent card")
async def export_agent_card(agent_id: AgentId, registry: InRegistry) -> dict[str, Any]:
    """The card that the agent was registered by, with its signatures; else one made of its document."""
    listing = await registry.discovery.agent(agent_id)
    try:
        return (await registry.importer.card(agent_id)).card
    except CardNotFound:
        return exports.agent_card(listing).model_dump(mode="json", exclude_none=True)


@router.get("/server.json", operation_id="export_server", summary="MCP registry entry")
async def export_server(agent_id: AgentId, request: Request, registry: InRegistry) -> dict[str, Any]:
    """The agent as a remote MCP server, when it says that it speaks MCP."""
    return exports.server(await registry.discovery.agent(agent_id), here(request, registry))
