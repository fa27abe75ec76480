"""Tools of all agents."""

from typing import Any

from mesh_shared.wire import Hex32, Units
from pydantic import BaseModel, Field

from mesh_registry.domain.agents import Listing


class UniversalTool(BaseModel):
    """A tool and the agent that has it."""

    agentId: Hex32
    agent: str = Field(description="The agent's name for itself.")
    endpoint: str
    name: str
    description: str
    parameters: dict[str, Any]
    price: Units


def tools_of(listing: Listing, capability: str) -> list[UniversalTool]:
    """The tools of an agent that serve `capability`."""
    metadata = listing.document.metadata
    return (
        []
        if metadata is None
        else [
            UniversalTool(
                agentId=listing.agent.agent_id,
                agent=metadata.name,
                endpoint=metadata.endpoint,
                name=tool.name,
                description=tool.description,
                parameters=tool.parameters,
                price=tool.price,
            )
            for tool in metadata.toolDefinitions
            if tool.capability == capability
        ]
    )
