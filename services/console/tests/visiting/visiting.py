"""Somebody who uses the console as a browser would, and the services that they find behind it."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from itsdangerous import URLSafeSerializer
from mesh_console.adapters.mesh import Mesh
from mesh_console.api.page import COOKIE
from mesh_console.domain.session import RENEWED_S
from mesh_shared.testing import running

CSRF = re.compile(r'name="csrf" value="([^"]+)"')


@dataclass
class Browser:
    """Keeps cookies and follows no redirect; a form is sent with what its page had hidden in it."""

    http: httpx.AsyncClient
    app: FastAPI
    csrf: str = ""

    async def open(self, path: str, code: int = 200, **params: str) -> str:
        """The page at `path`."""
        return self._read(await self.http.get(path, params=params), code)

    async def send(self, path: str, code: int = 303, **form: str) -> str:
        """Where the browser is led after a form; with another `code`, the page."""
        answer = await self.http.post(path, data={"csrf": self.csrf} | form)
        page = self._read(answer, code)
        return answer.headers.get("location", page)

    async def sign_in(self, key: str, next: str = "/") -> str:
        await self.open("/login")
        led = await self.send("/login", key=key, next=next)
        await self.open("/nowhere", 404)  # has the new session's forms
        return led

    @property
    def session(self) -> dict[str, Any]:
        """What the cookie says."""
        return self._serializer.loads(self.http.cookies[COOKIE])

    def change(self, **values: Any) -> None:
        """Makes of the cookie what it would be at another time of day."""
        self.carry(self.session | values)

    def carry(self, values: dict[str, Any]) -> None:
        """Makes of the cookie one that says just this, and that the console signed."""
        signed = self._serializer.dumps(values)
        for cookie in self.http.cookies.jar:
            cookie.value = str(signed)

    @property
    def _serializer(self) -> URLSafeSerializer:
        return URLSafeSerializer(self.app.state.secret, salt=COOKIE)

    def _read(self, answer: httpx.Response, code: int) -> str:
        assert answer.status_code == code, answer.text
        found = CSRF.search(answer.text)
        self.csrf = found[1] if found else self.csrf
        return answer.text


def late(left_s: int = RENEWED_S - 10) -> dict[str, int]:
    """What the cookie says when so much of a session is left."""
    return {"expires_at": int(time.time()) + left_s}


class Streets(httpx.AsyncBaseTransport):
    """Leads a request to the app that stands for its host; at other hosts nobody is at home."""

    def __init__(self) -> None:
        self.apps: dict[str, httpx.ASGITransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host not in self.apps:
            raise httpx.ConnectError("nobody is at home")
        return await self.apps[request.url.host].handle_async_request(request)


@dataclass
class Town:
    """Those of the services that run here, by name."""

    streets: Streets
    state_dir: Path
    services: dict[str, httpx.AsyncClient] = field(default_factory=dict[str, httpx.AsyncClient])

    async def settle(self, stack: AsyncExitStack, name: str, app: FastAPI) -> None:
        """Starts a service; it ends with `stack`."""
        self.services[name] = await stack.enter_async_context(running(app))
        self.streets.apps[name] = httpx.ASGITransport(app, raise_app_exceptions=False)

    @property
    def admin_key(self) -> str:
        return (self.state_dir / "gateway" / "admin.key").read_text().strip()

    async def token(self, key: str) -> str:
        opened = await self.services["security-gateway"].post("/v1/sessions", headers={"X-API-Key": key})
        return opened.json()["token"]

    async def admin(self, service: str, path: str, body: Any) -> Any:
        """What a service answers to the admin's POST."""
        headers = {"Authorization": f"Bearer {await self.token(self.admin_key)}", "Idempotency-Key": path}
        answer = await self.services[service].post(path, json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()

    async def mesh(self) -> Mesh:
        """The admin's way to the services that are here."""
        return self.way(await self.token(self.admin_key))

    def way(self, token: str = "") -> Mesh:
        """Somebody's way to the services that are here; without a token, anybody's."""
        urls = {name: f"http://{name}" for name in self.services}
        return Mesh(httpx.AsyncClient(transport=self.streets), urls, token)

    async def told(self, service: str, events: int) -> None:
        """Returns when so many events of a service have numbers, which they get after the answer."""
        mesh = await self.mesh()
        async with asyncio.timeout(30):
            while (await mesh.get(service, "/v1/events", limit=1000))["last_sequence"] < events:
                await asyncio.sleep(0.01)

    async def key(self, subject: str, *scopes: str) -> str:
        """An API key for somebody who may less than the admin."""
        made = await self.admin("security-gateway", "/v1/api-keys", {"subject": subject, "scopes": scopes})
        return made["key"]


@asynccontextmanager
async def browsing(app: FastAPI) -> AsyncGenerator[Browser, None]:
    async with running(app) as http:
        yield Browser(http, app)
