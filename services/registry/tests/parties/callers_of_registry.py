"""Somebody who may write, and what they ask of the registry."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from httpx import AsyncClient, Response
from mesh_registry.domain import naming
from mesh_registry.repository.tables import OperationRow
from mesh_shared.canonical import canonical_json
from mesh_shared.events.outbox import EventLog
from sqlalchemy import func, select
from waiting import eventually

Body = dict[str, Any]


def metadata(*capabilities: str, **more: Any) -> Body:
    said: Body = {
        "name": "Summarizer",
        "description": "Summarizes.",
        "endpoint": "http://127.0.0.1:9100",
        "capabilities": list(capabilities) or ["text.summarize"],
        "toolDefinitions": [],
        "reputationHistory": [],
    }
    return said | more


def wish(name: str, *capabilities: str, stake: int = 0, **more: Any) -> Body:
    """What registers an agent, as the API takes it."""
    return {"id": name, "metadata": metadata(*capabilities), "stake": str(stake)} | more


@dataclass
class Caller:
    """Somebody who may write, and how they talk to the service."""

    http: AsyncClient
    app: FastAPI

    metadata = staticmethod(metadata)
    wish = staticmethod(wish)
    eventually = staticmethod(eventually)

    async def post(self, address: str, **request: Any) -> Response:
        """Repeats a 503, as its answer says: a busy machine is not what a test is about."""

        async def ask() -> Response | None:
            answer = await self.http.post(address, **request)
            return None if answer.status_code == 503 else answer

        return await eventually(ask, 60)

    async def register(self, body: Body, key: str | None = None, **params: str) -> Response:
        headers = {"Idempotency-Key": key or f"register:{body['id']}"}
        return await self.post("/v1/agents", json=body, headers=headers, params=params)

    async def registered(self, name: str, *capabilities: str, **more: Any) -> Body:
        """Registers an agent of the operator and waits until it can be found."""
        answer = await self.register(self.wish(name, *capabilities, **more), wait="confirmed")
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def change(self, name: str, change: Body, key: str = "change", **more: Any) -> Response:
        """Asks for a change of the agent with that name and waits until it is seen."""
        headers, params = {"Idempotency-Key": key}, {"wait": "confirmed"}
        address = f"/v1/agents/{naming.agent_id_of(name)}/changes"
        return await self.post(address, json={"change": change} | more, headers=headers, params=params)

    async def listed(self, **params: Any) -> list[Body]:
        return (await self.http.get("/v1/agents", params=params)).json()["items"]

    async def has_accepted(self, count: int) -> None:
        """Waits until `count` registrations have been accepted."""

        async def look() -> bool:
            async with self.app.state.platform.database.read() as session:
                return await session.scalar(select(func.count()).select_from(OperationRow)) == count

        await eventually(look)

    async def found(self, capability: str = "text.summarize", **params: Any) -> list[Body]:
        page = await self.http.get("/v1/agents", params={"capability": capability} | params)
        return page.json()["items"]

    async def agent(self, name: str) -> Body | None:
        """The agent as it is shown; None while it is not indexed."""
        answer = await self.http.get(f"/v1/agents/{naming.agent_id_of(name)}")
        return answer.json() if answer.status_code == 200 else None

    async def when(self, address: str, is_so: Callable[[Body], bool]) -> Body:
        """What is at `address` once `is_so` of it."""

        async def look() -> Body | None:
            answer = await self.http.get(address)
            return answer.json() if answer.status_code == 200 and is_so(answer.json()) else None

        return await eventually(look)

    async def agent_when(self, name: str, is_so: Callable[[Body], bool]) -> Body:
        return await self.when(f"/v1/agents/{naming.agent_id_of(name)}", is_so)

    async def gone(self, name: str) -> None:
        """Waits until there is no such agent."""

        async def look() -> bool:
            return await self.agent(name) is None

        await eventually(look)

    async def store(self, data: bytes) -> str:
        headers = {"Content-Type": "application/octet-stream"}
        answer = await self.post("/v1/content", content=data, headers=headers)
        assert answer.status_code == 201, answer.text
        return answer.json()["cid"]

    async def store_metadata(self, *capabilities: str, **more: Any) -> str:
        return await self.store(canonical_json(self.metadata(*capabilities, **more)))

    async def events(self, topic: str = "") -> list[Body]:
        """The facts that are published, of one topic or all."""

        async def look() -> list[Body]:
            async with self.app.state.platform.database.read() as session:
                if await EventLog(session).has_unnumbered():
                    return []
            return (await self.http.get("/v1/events", params={"limit": 1000})).json()["items"]

        items = await eventually(look)
        return [event for event in items if event["type"].startswith(f"registry.{topic}")]
