"""The Console's proxy to providers, as its own source has it, and the providers behind it.

What it is asked is held against the Console's schema. A provider looks at the token and then does what it is
asked: it says what it was told to run, and it runs a command with the variables of the service.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from aiohttp import web
from akash import OWNER
from hosts import granted_scopes, ran
from jsonschema import Draft202012Validator
from mesh_cli.parts import free_port

if TYPE_CHECKING:
    from present import Fields

CLOSED: Fields = {"type": "websocket", "message": "", "closed": True, "code": 1000, "reason": ""}


@dataclass
class Proxy:
    """`manifests` are what providers run, by deployment; `says` is sent in the place of what they would."""

    schema: Fields
    manifests: dict[int, list[Any]]
    says: list[str | None] = field(default_factory=list[str | None])
    """None for silence."""

    async def answer(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        asked = await socket.receive_json()
        Draft202012Validator(self.schema).validate(asked)
        async with aclosing(self._said(asked)) as said:
            async for text in said:
                await socket.send_str(text)
        await socket.close()
        return socket

    async def _said(self, asked: Fields) -> AsyncGenerator[str, None]:
        if not self.says:
            async for message in self._provided(asked):
                yield json.dumps({"type": "websocket", "message": message})
            yield json.dumps(CLOSED)
        for text in self.says:
            if text is None:
                await asyncio.Event().wait()
            yield text or ""

    async def _provided(self, asked: Fields) -> AsyncIterator[Any]:
        """What the provider at that address sends: lines as text, what a shell says as bytes."""
        url = urlsplit(asked["url"])
        _, _, dseq, gseq, _, verb = url.path.split("/")
        assert verb in granted_scopes(asked["auth"]["token"], OWNER.public_key, asked["providerAddress"])
        services = self.manifests[int(dseq)][int(gseq) - 1]["services"]
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        if verb == "logs":
            for service in services:
                yield json.dumps(
                    {"name": f"{service['name']}-5f6d7c8b9-x7k2p", "message": f"{service['env']}"}
                )
            return
        async for code, part in ran(services, query):
            yield {"type": "Buffer", "data": [code, *part]}


@asynccontextmanager
async def proxying(proxy: Proxy) -> AsyncGenerator[str, None]:
    """Serves it while the block lasts, at the address."""
    app, port = web.Application(), free_port()
    app.router.add_get("/", proxy.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"ws://127.0.0.1:{port}"
    finally:
        await runner.cleanup()
