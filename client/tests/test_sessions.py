"""One key, a session for each service, and never more of them than needed."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from mesh_client import Addresses, Mesh, Problem, Unreachable
from mesh_client.channel import Channel, Patience
from mesh_client.sessions import EARLY_S, SessionAuth, Sessions

GATEWAY = "http://gateway.test"
SERVICE = "http://registry.test"


@dataclass
class Wire:
    """A gateway that opens sessions for the key `good`, and a service that takes the tokens of the list."""

    lasts_s: float = 900
    taken: set[str] = field(default_factory=set[str])
    opened: list[str] = field(default_factory=list[str])
    seen: list[str] = field(default_factory=list[str])

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        return self._gateway(request) if request.url.host == "gateway.test" else self._service(request)

    def _gateway(self, request: httpx.Request) -> httpx.Response:
        if request.headers["X-API-Key"] != "good":
            return httpx.Response(401, json={"code": "unauthenticated", "detail": "Not a key."})
        (audience,) = json.loads(request.content)["audiences"]
        self.opened.append(audience)
        token = f"token-{len(self.opened)}"
        self.taken.add(token)
        return httpx.Response(201, json={"token": token, "expires_at": int(time.time() + self.lasts_s)})

    def _service(self, request: httpx.Request) -> httpx.Response:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        self.seen.append(token)
        if token not in self.taken:
            return httpx.Response(401, json={"code": "unauthenticated", "detail": "Not a session."})
        return httpx.Response(200, json={})


class NeverTaken(set[str]):
    """A service that takes nobody's token."""

    def __contains__(self, token: object) -> bool:
        return False


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
async def http(wire: Wire) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(wire)) as http:
        yield http


def channel(http: httpx.AsyncClient, sessions: Sessions, audience: str = "registry") -> Channel:
    return Channel(http, SERVICE, SessionAuth(sessions, audience), Patience(attempts=1))


async def test_calls_of_one_service_share_a_session(http: httpx.AsyncClient, wire: Wire):
    registry = channel(http, Sessions(http, GATEWAY, "good"))

    await asyncio.gather(*(registry.get("/v1/agents", dict) for _ in range(20)))

    assert wire.opened == ["registry"]
    assert wire.seen == ["token-1"] * 20


async def test_every_service_gets_a_session_that_no_other_takes(http: httpx.AsyncClient, wire: Wire):
    sessions = Sessions(http, GATEWAY, "good")

    await channel(http, sessions, "registry").get("/", dict)
    await channel(http, sessions, "deployer").get("/", dict)

    assert wire.opened == ["registry", "deployer"]


async def test_a_session_about_to_end_is_replaced_before_it_does(http: httpx.AsyncClient, wire: Wire):
    wire.lasts_s = EARLY_S - 1
    registry = channel(http, Sessions(http, GATEWAY, "good"))

    await registry.get("/", dict)
    await registry.get("/", dict)

    assert wire.seen == ["token-1", "token-2"]


async def test_a_session_that_the_service_no_longer_takes_is_replaced_once(
    http: httpx.AsyncClient, wire: Wire
):
    registry = channel(http, Sessions(http, GATEWAY, "good"))
    await registry.get("/", dict)
    wire.taken.clear()

    assert await registry.get("/", dict) == {}
    assert wire.seen == ["token-1", "token-1", "token-2"]


async def test_a_fresh_session_that_is_not_taken_either_is_a_refusal(http: httpx.AsyncClient, wire: Wire):
    registry = channel(http, Sessions(http, GATEWAY, "good"))
    wire.taken = NeverTaken()

    with pytest.raises(Problem, match="Not a session"):
        await registry.get("/", dict)
    assert len(wire.seen) == 2


async def test_a_key_in_a_file_may_change_meanwhile(http: httpx.AsyncClient, wire: Wire, tmp_path: Path):
    file = tmp_path / "agent.key"
    registry = channel(http, Sessions(http, GATEWAY, file))
    file.write_text("bad\n")
    with pytest.raises(Problem):
        await registry.get("/", dict)

    file.write_text("good\n")

    assert await registry.get("/", dict) == {}


async def test_a_wrong_key_is_a_refusal_of_the_gateway(http: httpx.AsyncClient):
    with pytest.raises(Problem, match="401 unauthenticated: Not a key"):
        await channel(http, Sessions(http, GATEWAY, "bad")).get("/", dict)


async def test_a_gateway_that_does_not_answer_is_unreachable():
    def silent(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no answer", request=request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(silent)) as http:
        with pytest.raises(Unreachable, match=r"gateway\.test does not answer"):
            await channel(http, Sessions(http, GATEWAY, "good")).get("/", dict)


async def test_no_redirect_is_followed_and_no_proxy_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.test:1")

    async with Mesh.connect("good") as mesh:
        http = mesh.registry.channel.http

    assert not http.follow_redirects
    assert not http.trust_env


def test_services_are_where_make_dev_and_make_up_put_them():
    assert Addresses.row(8370) == Addresses()
