"""Akash through the Console, by the API of the deployer: it holds the name of a connection and no key."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from console import Broken, ConsoleServer
from mesh_deployer.settings import Settings
from mesh_shared.testing import served
from proxy import proxying

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from mesh_shared.testing import Issuer
    from security_gateway import Gateway

    from conftest import MakeApp, Tenant, TenantOf


@pytest.fixture
def server() -> ConsoleServer:
    return ConsoleServer(session="Bearer ")


@pytest.fixture
def connected(
    make_app: MakeApp, tenant_of: TenantOf, gateway: Gateway, server: ConsoleServer, tmp_path: Path
) -> Any:
    """A tenant of a deployer whose gateway leads to the Console."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "service.key").write_text("the-deployers-key")
    gateway.app.router.routes.extend(server.app.router.routes)

    @asynccontextmanager
    async def enter(**settings: Any) -> AsyncGenerator[Tenant, None]:
        async with served(gateway.app) as url:
            app = make_app(
                f"sqlite+aiosqlite:///{tmp_path}/c.db",
                gateway_url=url,
                console_connection="akash-console",
                bid_window_s=0,
                **settings,
            )
            async with tenant_of(app) as tenant:
                yield tenant

    return enter


async def deployed(tenant: Tenant, **more: Any) -> dict[str, Any]:
    return await tenant.deploy(provider="akash-console", wait=20, **more)


async def test_an_sdl_becomes_a_lease_through_the_console_and_its_deposit_comes_back(
    connected: Any, server: ConsoleServer
):
    async with connected() as tenant:
        active = await deployed(tenant)
        ended = await tenant.close(active)

    (found,) = server.ledger.deployments.values()
    assert [step["status"] for step in active["history"]] == ["open", "chosen", "leased", "active"]
    assert active["uris"] == [f"http://web.{server.last}.test"]
    assert (ended["status"], found.state) == ("closed", "closed")
    assert 0 < int(ended["refunded_uact"]) < int(ended["deposit_uact"])


async def test_a_provider_that_takes_its_machine_back_is_followed_by_another_deployment(
    connected: Any, server: ConsoleServer
):
    async with connected() as tenant:
        sdl = tenant.changed(
            (
                "    dcloud:\n      pricing",
                "    dcloud:\n      attributes: {console-fault: reclaim}\n      pricing",
            )
        )
        for provider in server.ledger.providers.values():
            provider["attributes"] = [{"key": "console-fault", "value": "reclaim"}]
        first = await tenant.deploy(sdl, provider="akash-console")
        active = await tenant.until(first, "active", "failed")
        await tenant.close(active)

    assert [found.state for found in server.ledger.deployments.values()] == ["closed", "closed"]
    assert "unstable" in "".join(step["note"] for step in active["history"])
    assert (active["status"], active["chosen"]["uact_per_block"]) == ("active", "9.5")


async def test_what_it_writes_is_read_and_a_command_run_where_the_operator_said(
    connected: Any, server: ConsoleServer, issuer: Issuer
):
    allowed = issuer.headers("deployer:deploy", "deployer:exec", audience="deployer")
    async with proxying(server.proxy) as url, connected(console_proxy_url=url, console_exec=True) as tenant:
        path = f"/v1/deployments/{(await deployed(tenant))['deploymentId']}"
        lines = (await tenant.http.get(f"{path}/logs")).text
        body = {"service": "web", "command": ["printenv", "GREETING"]}
        output = (await tenant.http.post(f"{path}/exec", json=body, headers=allowed)).json()

    assert "GREETING=" in lines
    assert output["exit_code"] == 0


async def test_an_order_that_the_console_refuses_fails_with_its_reason(connected: Any, server: ConsoleServer):
    server.broken["POST /v1/deployments"] = Broken(402, {"message": "Insufficient balance"})
    async with connected() as tenant:
        failed = await tenant.until(await tenant.deploy(provider="akash-console"), "failed")

    assert failed["explanation"].endswith("Insufficient balance")
    assert failed["refunded_uact"] == failed["deposit_uact"]


async def test_a_grant_that_is_missing_is_a_problem_and_nothing_is_deployed(
    connected: Any, server: ConsoleServer
):
    server.broken["GET /v1/user/me"] = Broken(403, {}, by_gateway="grant_missing")
    async with connected() as tenant:
        refused = await tenant.ask({"sdl": tenant.hello_web, "provider": "akash-console"})
        listed = (await tenant.http.get("/v1/deployments")).json()["items"]

    assert (refused.status_code, refused.json()["code"]) == (409, "console-not-connected")
    assert (refused.json()["answer"], listed) == ("the gateway says grant_missing", [])


async def test_a_precheck_opens_nothing_at_the_console(connected: Any, server: ConsoleServer):
    async with connected() as tenant:
        body = {"sdl": tenant.hello_web, "provider": "akash-console"}
        checked = await tenant.http.post("/v1/deployments:precheck", json=body)

    assert checked.status_code == 200
    assert server.ledger.deployments == {}


@pytest.mark.parametrize("name", ["", "a/b", "../v1", "Console", "a" * 64])
def test_a_connection_is_a_name_and_no_path(name: str, tmp_path: Path):
    with pytest.raises(ValueError, match="console_connection"):
        Settings(state_dir=tmp_path, console_connection=name)


@pytest.mark.parametrize("address", ["", "https://proxy.test", "proxy.test"])
def test_the_proxy_to_providers_is_met_by_a_websocket(address: str, tmp_path: Path):
    with pytest.raises(ValueError, match="console_proxy_url"):
        Settings(state_dir=tmp_path, console_proxy_url=address)
