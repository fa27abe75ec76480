"""Lists a service in the registry as the agent that it is."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx

from mesh_shared.agents.plugin import Plugin
from mesh_shared.errors import IdempotencyKeyReused
from mesh_shared.http import asking


@dataclass(frozen=True, slots=True)
class Registration:
    """Registers `plugin` under `agent_id`, reachable at `endpoint`, free of charge and without stake."""

    agent_id: str
    plugin: Plugin
    endpoint: str
    registry_url: str
    http: httpx.AsyncClient
    auth: httpx.Auth

    async def turn(self) -> None:
        """Registers once; fails, to be tried again, while the registry cannot take it."""
        async with asking("registry"):
            response = await self.http.post(
                f"{self.registry_url}/v1/agents",
                json={"id": self.agent_id, "metadata": self._metadata(), "stake": "0"},
                headers={"Idempotency-Key": f"{self.agent_id}@{self.endpoint}"},
                auth=self.auth,
            )
            if not _is_listed_already(response):
                response.raise_for_status()
        await asyncio.Event().wait()

    def _metadata(self) -> dict[str, Any]:
        return metadata(self.plugin, self.endpoint) | {"protocols": ["a2a"]}


def _is_listed_already(response: httpx.Response) -> bool:
    """In an earlier life. Anything else that is refused is no reason to rest."""
    known = ("agent-exists", IdempotencyKeyReused.code())
    return response.status_code == HTTPStatus.CONFLICT and response.json().get("code") in known


def metadata(plugin: Plugin, endpoint: str) -> dict[str, Any]:
    """What the registry stores of an agent: the actions that have a capability, each as a tool."""
    tools: list[dict[str, Any]] = [
        {
            "name": action.name,
            "description": action.description,
            "capability": capability,
            "parameters": action.schema,
            "price": "0",
        }
        for action in plugin.actions
        for capability in action.capabilities
    ]
    return {
        "name": plugin.name,
        "description": plugin.description,
        "endpoint": endpoint,
        "capabilities": sorted({name for action in plugin.actions for name in action.capabilities}),
        "toolDefinitions": tools,
        "reputationHistory": [],
    }
