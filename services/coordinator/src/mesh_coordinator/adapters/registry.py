"""Implements `ports.Directory` over the registry's REST API."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

import httpx
from mesh_shared.http import asking
from mesh_shared.wire import ReadModel
from pydantic import Field

from mesh_coordinator.domain.selection import Listing, Protocol, Tool
from mesh_coordinator.errors import AgentNotFound

PAGE = 100
"""Below the second that readiness gives a check."""


class _ToolBody(ReadModel):
    name: str
    capability: str
    price: str = Field(pattern=r"^[0-9]{1,78}$")
    protocol: Protocol = Protocol.MESH
    readOnly: bool = False
    idempotent: bool = False

    def tool(self) -> Tool:
        return Tool(
            name=self.name,
            capability=self.capability,
            price_units=int(self.price),
            protocol=self.protocol,
            is_safe=self.readOnly or self.idempotent,
        )


class _AgentBody(ReadModel):
    """The fields we read; the registry sends more."""

    agentId: str
    tokenId: str | None = Field(pattern=r"^[0-9]{1,78}$")
    name: str
    owner: str
    endpoint: str
    reputation: float
    active: bool
    status: str
    capabilities: list[str] = Field(default=[])
    protocols: list[str] = Field(default=[])
    toolDefinitions: list[_ToolBody]

    def listing(self) -> Listing:
        return Listing(
            agent_id=self.agentId,
            token_id=int(self.tokenId or 0),
            name=self.name,
            owner=self.owner,
            endpoint=self.endpoint,
            reputation=self.reputation,
            is_active=self.active,
            is_on_chain=self.tokenId is not None and self.status != "pending",
            tools=tuple(tool.tool() for tool in self.toolDefinitions) or self._implied_tools(),
        )

    def _implied_tools(self) -> tuple[Tool, ...]:
        """Agents of other networks list no tools: they are asked for the capability itself, for nothing."""
        spoken = [protocol for protocol in (Protocol.A2A, Protocol.MCP) if protocol in self.protocols]
        return tuple(
            Tool(name=capability, capability=capability, price_units=0, protocol=spoken[0])
            for capability in self.capabilities
            if spoken
        )


class _PageBody(ReadModel):
    items: list[_AgentBody]


@dataclass(frozen=True, slots=True)
class RegistryDirectory:
    """Reads the first page: the registry sorts by reputation, and nobody hires the hundred-and-first."""

    http: httpx.AsyncClient
    url: str

    async def offering(self, capability: str) -> Sequence[Listing]:
        async with asking("registry"):
            response = await self.http.get(
                f"{self.url}/v1/agents", params={"capability": capability, "limit": PAGE}
            )
            response.raise_for_status()
        return [body.listing() for body in _PageBody.model_validate_json(response.content).items]

    async def agent(self, agent_id: str) -> Listing:
        async with asking("registry"):
            response = await self.http.get(f"{self.url}/v1/agents/{agent_id}")
            if response.status_code == HTTPStatus.NOT_FOUND:
                raise AgentNotFound
            response.raise_for_status()
        return _AgentBody.model_validate_json(response.content).listing()

    async def ping(self) -> None:
        """Raises when the registry's process does not answer."""
        response = await self.http.get(f"{self.url}/livez")
        response.raise_for_status()
