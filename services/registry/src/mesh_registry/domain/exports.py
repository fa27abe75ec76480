"""An agent in the words of other registries: ERC-8004, A2A, the MCP registry."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from mesh_shared.a2a.card import AgentCard, Capabilities, Interface, Skill

from mesh_registry.domain.agents import Listing
from mesh_registry.domain.metadata import A2A, MCP, MESH, AgentMetadata
from mesh_registry.domain.registration_files import ForeignMetadata, says_active
from mesh_registry.errors import ExportNotFound

REGISTRATION = "https://eips.ethereum.org/EIPS/eip-8004#registration-v1"
SERVER_SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
SHORT = 100
"""Longest description in the MCP registry, in characters."""
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Here:
    """Which registry speaks: its address on the web, its chain, and its contract there."""

    url: str
    chain_id: int
    contract: str


def erc8004(listing: Listing, here: Here) -> dict[str, Any]:
    """The registration file of ERC-8004 v1: what an `agentURI` leads to.

    Raises `ExportNotFound` while the agent's document is unknown.
    """
    agent, metadata = listing.agent, _metadata(listing)
    file = metadata.registration if isinstance(metadata, ForeignMetadata) else None
    trust = ["reputation"] + (["crypto-economic"] if agent.stake_units else [])
    return {
        "type": REGISTRATION,
        "name": metadata.name,
        "description": metadata.description,
        "image": (file and file.image) or f"{here.url}/docs/static/favicon.png",
        "services": _services(listing, metadata, here),
        "x402Support": file is not None and file.x402Support,
        "active": agent.is_active and says_active(metadata),
        "registrations": [
            {"agentId": agent.token_id, "agentRegistry": f"eip155:{here.chain_id}:{here.contract}"}
        ],
        "supportedTrust": file.supportedTrust if file else trust,
    }


def _services(listing: Listing, metadata: AgentMetadata, here: Here) -> list[dict[str, str]]:
    if isinstance(metadata, ForeignMetadata):
        return [service.model_dump(exclude_none=True) for service in metadata.registration.services]
    services = [
        {"name": "web", "endpoint": metadata.endpoint},
        {"name": "DID", "endpoint": listing.agent.did},
    ]
    if A2A in metadata.protocols:
        card = f"{here.url}/v1/agents/{listing.agent.agent_id}/agent-card.json"
        services.append({"name": "A2A", "endpoint": card, "version": "1.0"})
    if MCP in metadata.protocols:
        services.append({"name": "MCP", "endpoint": _mcp(metadata), "version": "2025-06-18"})
    return services


def agent_card(listing: Listing) -> AgentCard:
    """The A2A 1.0 card that follows from the agent's document.

    Raises `ExportNotFound` while the agent's document is unknown, and when it is a registration file: that
    says where a card is, and not what is in it.
    """
    metadata = _metadata(listing)
    if isinstance(metadata, ForeignMetadata):
        raise ExportNotFound("This agent has a card of its own or none: see its services in erc8004.json.")
    speaks = A2A in metadata.protocols
    interface = Interface(
        url=f"{metadata.endpoint}/a2a/" if speaks else f"{metadata.endpoint}/actions",
        protocolBinding="JSONRPC" if speaks else f"{MESH.upper()}+REST",
        protocolVersion="1.0",
    )
    return AgentCard(
        name=metadata.name,
        description=metadata.description or metadata.name,
        version=f"{listing.agent.version}.0.0",
        supportedInterfaces=[interface],
        capabilities=Capabilities(),
        defaultInputModes=[JSON],
        defaultOutputModes=[JSON],
        skills=[_skill(name, metadata) for name in listing.capabilities or metadata.capabilities],
    )


def _skill(capability: str, metadata: AgentMetadata) -> Skill:
    texts = [tool.description for tool in metadata.toolDefinitions if tool.capability == capability]
    said = next((text for text in texts if text), f"Offers {capability}.")
    return Skill(id=capability, name=capability, description=said, tags=[capability])


def server(listing: Listing, here: Here) -> dict[str, Any]:
    """The agent as a remote server, `server.json` of the MCP registry.

    Raises `ExportNotFound` when it does not say that it speaks MCP.
    """
    metadata = _metadata(listing)
    if MCP not in metadata.protocols:
        raise ExportNotFound("This agent does not say that it speaks MCP.")
    text = metadata.description or metadata.name
    return {
        "$schema": SERVER_SCHEMA,
        "name": f"{namespace(here.url)}/{listing.agent.agent_id}",
        "title": metadata.name,
        "description": text if len(text) <= SHORT else f"{text[: SHORT - 1]}…",
        "version": f"{listing.agent.version}.0.0",
        "websiteUrl": metadata.endpoint,
        "remotes": [{"type": "streamable-http", "url": _mcp(metadata)}],
    }


def namespace(url: str) -> str:
    """The registry's host in reverse, under which it names what it lists: `example.registry`."""
    host = (urlsplit(url).hostname or "localhost").replace(":", "-")
    return ".".join(reversed(host.split(".")))


def _mcp(metadata: AgentMetadata) -> str:
    own = metadata.registration.address(MCP) if isinstance(metadata, ForeignMetadata) else None
    return own or f"{metadata.endpoint}/mcp"


def _metadata(listing: Listing) -> AgentMetadata:
    if listing.document.metadata is None:
        raise ExportNotFound("What the agent says of itself is not known here.")
    return listing.document.metadata
