"""Origins that lead inside: no spelling of a private address is dialled without the provider's exception."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from mesh_security_gateway.adapters.sockets import open_sockets
from mesh_security_gateway.adapters.upstream import open_upstream
from mesh_security_gateway.errors import UpgradeRefused, UpstreamAddress
from mesh_security_gateway.ports import Outgoing

if TYPE_CHECKING:
    from conftest import Operator, Origin

INSIDE = [
    "127.0.0.1",
    "127.1",
    "0x7f.1",
    "2130706433",
    "0x7f000001",
    "0.0.0.0",
    "localhost",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[::ffff:0:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "169.254.169.254",
    "168.63.129.16",
    "[fec0::1]",
    "[fd00::1]",
]


async def call(operator: Operator, name: str, agent: dict[str, str]) -> tuple[int, str]:
    response = await operator.http.get(f"/v1/proxy/{name}/user", headers=agent)
    return response.status_code, response.headers.get("x-mesh-gateway-error", "")


async def test_no_spelling_of_a_private_address_is_dialled(operator: Operator, origin: Origin):
    port, agent = origin.url.rpartition(":")[2], await operator.agent("agent-7")

    for n, host in enumerate(INSIDE):
        await operator.connect(f"https://{host}:{port}", name=f"p{n}", allow_private=False)
        await operator.grant("agent-7", connection=f"p{n}")
        assert await call(operator, f"p{n}", agent) == (502, "upstream_address"), host

    assert origin.connections == 0


async def test_a_public_name_that_leads_inside_is_not_dialled(
    operator: Operator, origin: Origin, monkeypatch: pytest.MonkeyPatch
):
    port, agent = int(origin.url.rpartition(":")[2]), await operator.agent("agent-7")
    real = socket.getaddrinfo

    def rebound(host: Any, *args: Any, **kwargs: Any) -> Any:
        return real("127.0.0.1" if host == "api.example" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    await operator.connect(f"https://api.example:{port}", name="rebound", allow_private=False)
    await operator.grant("agent-7", connection="rebound")

    assert await call(operator, "rebound", agent) == (502, "upstream_address")
    assert origin.connections == 0


async def test_an_exception_is_the_providers_and_visible_in_the_audit(operator: Operator, origin: Origin):
    await operator.connect(origin.url, allow_private=True)
    await operator.grant("agent-7")
    agent = await operator.agent("agent-7")

    assert await call(operator, "github", agent) == (200, "")
    entries = (await operator.get("/v1/audit", agent="agent-7")).json()["items"]
    assert [(entry["phase"], entry["private_origin"]) for entry in entries] == [
        ("outcome", True),
        ("intent", True),
    ]


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that sends everything to a proxy, where nobody is."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")


@pytest.mark.usefixtures("proxied")
async def test_no_proxy_of_the_environment_gets_the_secret(operator: Operator, origin: Origin):
    await operator.connect(origin.url)
    await operator.grant("agent-7")

    assert await call(operator, "github", await operator.agent("agent-7")) == (200, "")
    assert [seen.target for seen in origin.seen] == ["/user"]


@pytest.mark.usefixtures("proxied")
async def test_a_websocket_goes_to_its_upstream_alone_and_only_where_that_may_be_dialled(origin: Origin):
    inside = Outgoing(
        method="GET", url=f"{origin.url}/user", fields=(), body=None, length=None, allow_private=True
    )
    async with open_upstream(5) as upstream, open_sockets(5, upstream.place) as sockets:
        with pytest.raises(UpgradeRefused):
            await sockets.connect(inside)
        with pytest.raises(UpstreamAddress):
            await sockets.connect(replace(inside, allow_private=False))

    assert (origin.connections, [seen.target for seen in origin.seen]) == (1, ["/user"])
