"""A client for agents: other people's APIs through the security gateway, under credentials never seen here.

    gateway = Gateway("http://127.0.0.1:8374", Path("agent.key"))
    async with gateway.inject("weather") as http:
        answer = await http.get("/v1/weather/Oslo")

It needs httpx and this package, and no other part of a service.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx

from mesh_shared.auth.session import Sessions

AUDIENCE = "security-gateway"
MARK = "x-mesh-gateway-error"
"""The field of the gateway's own answers; the upstream's never have it."""


def proxied(gateway_url: str, connection: str) -> str:
    """The address behind which the paths of the connection's upstream are."""
    return f"{gateway_url}/v1/proxy/{connection}"


class Refused(Exception):
    """The gateway's own answer in stead of the upstream's: `code` says why, `approval` is a question asked.

    Whether the upstream was reached is in the audit (`GET /v1/audit/{id}/explain`).
    """

    def __init__(self, status: int, code: str, detail: str, approval: str | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.approval = approval


class Elsewhere(Exception):
    """A request that names another address than its connection's; it was not sent, nor was the session."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway and the file with the agent's own key. The file is read when a session is opened."""

    url: str
    key_file: Path

    @asynccontextmanager
    async def inject(
        self, connection: str, *, approval: UUID | None = None, timeout_s: float = 60.0
    ) -> AsyncGenerator[httpx.AsyncClient, None]:
        """An HTTP client whose paths are those of the connection's upstream.

        Its answers are the upstream's, redirects and errors included. Raises `Refused` for the gateway's own,
        `Elsewhere` for an absolute address, and `Unavailable` while no session can be had. `approval` is a
        person's word on the one request that it is for.
        """
        base = httpx.URL(f"{proxied(self.url, connection)}/")
        headers = {} if approval is None else {"X-Mesh-Approval": str(approval)}
        plain = httpx.AsyncClient(timeout=timeout_s, trust_env=False, follow_redirects=False)
        async with (
            plain,
            httpx.AsyncClient(
                base_url=base,
                headers=headers,
                auth=_Within(base, Sessions(plain, self.url, self.key_file).auth(AUDIENCE)),
                timeout=timeout_s,
                trust_env=False,
                follow_redirects=False,
            ) as http,
        ):
            yield http


class _Within(httpx.Auth):
    """Gives the session to requests of the connection, and to no others."""

    def __init__(self, base: httpx.URL, auth: httpx.Auth) -> None:
        self._base = base
        self._auth = auth

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        url, base = request.url, self._base
        is_there = (url.scheme, url.host, url.port) == (base.scheme, base.host, base.port)
        if not is_there or not url.raw_path.startswith(base.raw_path):
            raise Elsewhere("Only paths of the connection are sent.")
        flow, response = self._auth.async_auth_flow(request), None
        try:
            asked = await anext(flow)
            while True:
                response = yield asked
                asked = await flow.asend(response)
        except StopAsyncIteration:
            if response is not None:
                await _raise_refusal(response)


async def _raise_refusal(response: httpx.Response) -> None:
    if MARK not in response.headers:
        return
    await response.aread()
    problem = response.json()
    raise Refused(response.status_code, problem["code"], problem["detail"], problem.get("approval"))
