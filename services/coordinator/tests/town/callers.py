"""Somebody who may run things."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast

import httpx
from chains import eventually
from fastapi import FastAPI
from httpx import AsyncClient
from mesh_shared.events.outbox import EventLog
from towns import Body


@dataclass(slots=True)
class Caller:
    """Somebody who may run things, and how they talk to the coordinator."""

    http: AsyncClient
    app: FastAPI | None = None
    others: dict[str, str] = field(default_factory=dict[str, str])
    """The headers of somebody who may do other things."""

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Tries again after `Retry-After`: on a busy machine a look at a dependency can take a second."""
        async with asyncio.timeout(60):
            while True:
                answer = await self.http.post(path, json=body, headers=headers)
                if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                    return answer
                await asyncio.sleep(0.5)

    async def plan(self, body: Body) -> Body:
        answer = await self.post("/v1/plans", body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def start(self, body: Body, key: str = "run", **headers: str) -> Body:
        answer = await self.post("/v1/runs", body, **({"Idempotency-Key": key} | headers))
        assert answer.status_code in (200, 202), answer.text
        return answer.json()

    async def run(self, body: Body, key: str = "run") -> Body:
        """The run when it has ended."""
        run = await self.start(body, key, Prefer="wait=30")
        return run if run["status"] != "running" else await self.ended(run["id"])

    async def get(self, run_id: str) -> Body:
        answer = await self.http.get(f"/v1/runs/{run_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def run_when(self, run_id: str, is_so: Callable[[Body], bool]) -> Body:
        """The run once `is_so` of it."""

        async def look() -> Body | None:
            run = await self.get(run_id)
            return run if is_so(run) else None

        return await eventually(look)

    async def attempt_when(self, run_id: str, is_so: Callable[[Body], Any]) -> Body:
        """The first step's first attempt once `is_so` of it."""

        def first(run: Body) -> Body:
            return run["steps"][0]["attempts"][0]

        run = await self.run_when(
            run_id, lambda run: bool(run["steps"][0]["attempts"]) and bool(is_so(first(run)))
        )
        return first(run)

    async def listed_when(self, path: str, is_so: Callable[[list[Body]], bool]) -> list[Body]:
        """What a list has once it has something, and `is_so` of it."""

        async def look() -> list[Body]:
            items = (await self.http.get(path)).json()["items"]
            return items if items and is_so(items) else []

        return await eventually(look)

    async def ended(self, run_id: str) -> Body:
        return await self.run_when(run_id, lambda run: run["status"] != "running")

    async def escrow(self, escrow_id: str) -> Body:
        answer = await self.http.get(f"/v1/escrows/{escrow_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def execute(self, body: Body, key: str = "call") -> httpx.Response:
        return await self.post("/v1/execute", body, **{"Idempotency-Key": key})

    async def facts(self, topic: str = "") -> list[Body]:
        """The facts that are published, of one topic or all."""
        database = cast("FastAPI", self.app).state.platform.database

        async def is_all_told() -> bool:
            async with database.read() as session:
                return not await EventLog(session).has_unnumbered()

        await eventually(is_all_told)
        items = (await self.http.get("/v1/events", params={"limit": 1000})).json()["items"]
        return [event for event in items if event["type"].startswith(f"coordinator.{topic}")]
