"""Akash through the API and on a real chain, and providers that are not what they should be."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import akash
import pytest
from aiohttp import web
from akash import OWNER, PROVIDERS
from hosts import Certificate
from mesh_cli.parts import free_port
from mesh_deployer.adapters.akash import gateway
from mesh_deployer.adapters.akash.gateway import ProviderGateway, Tenancy
from mesh_deployer.adapters.akash.views import IdView
from mesh_deployer.errors import ManifestRefused
from mesh_shared.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from pathlib import Path

    from akash import Town
    from mesh_deployer.adapters.akash.market import AkashMarketplace

    from conftest import MakeApp, Tenant, TenantOf

    Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

ADDRESS = PROVIDERS[0].address
OURS = Certificate.of(ADDRESS)
pytestmark = [pytest.mark.xdist_group("akash"), pytest.mark.again]


@pytest.fixture
def settings(town: Town, tmp_path: Path) -> dict[str, Any]:
    key = tmp_path / "akash.key"
    key.write_text("11" * 32)
    return {
        "akash_url": town.api,
        "akash_profile": "v1beta3",
        "akash_key_file": key,
        "akash_private_providers": True,
        "bid_window_s": 1,
    }


async def test_an_sdl_becomes_a_lease_on_the_chain_and_its_deposit_comes_back(
    town: Town, settings: dict[str, Any], make_app: MakeApp, tenant_of: TenantOf, tmp_path: Path
):
    app = make_app(f"sqlite+aiosqlite:///{tmp_path}/api.db", **settings)
    async with (
        akash.entered(town, f"sqlite+aiosqlite:///{tmp_path}/other.db", tmp_path),
        tenant_of(app) as tenant,
    ):
        deployment = await deployed(tenant)
        active = await tenant.until(deployment, "active", "failed")
        bids = (await tenant.read(active, "/bids"))["items"]
        ended = await tenant.close(active)

    assert [step["status"] for step in active["history"]] == ["open", "chosen", "leased", "active"]
    assert active["leaseId"].startswith(f"{OWNER.address}/")
    assert active["leaseId"].endswith(f"/1/1/{bids[0]['provider']}")
    assert [bid["uact_per_block"] for bid in bids] == ["7.25", "9.5"]
    assert active["uris"] == [f"http://web.{bids[0]['provider']}.test"]
    assert (ended["status"], ended["provider"]) == ("closed", "akash-chain")
    assert 0 < int(ended["deposit_uact"]) - int(ended["refunded_uact"]) < 1000


async def test_a_provider_with_a_wrong_certificate_gets_no_manifest_and_the_deposit_comes_back(
    town: Town, settings: dict[str, Any], make_app: MakeApp, tenant_of: TenantOf, tmp_path: Path
):
    impostors = replace(
        town, hosts=tuple(replace(h, certificate=Certificate.of(h.address)) for h in town.hosts)
    )
    app = make_app(f"sqlite+aiosqlite:///{tmp_path}/api.db", manifest_deadline_s=1, **settings)
    async with (
        akash.entered(impostors, f"sqlite+aiosqlite:///{tmp_path}/other.db", tmp_path) as arena,
        tenant_of(app) as tenant,
    ):
        failed = await tenant.until(await deployed(tenant), "failed", "active")
        market: AkashMarketplace = app.state.service.markets["akash-chain"]
        left = await market.held()

    fact = failed["history"][-2]["note"]
    assert (failed["status"], fact, left) == ("failed", "The workload did not start in time.", [])
    assert int(failed["deposit_uact"]) - int(failed["refunded_uact"]) < 1000
    assert [host.manifests for host in arena.hosts] == [{}, {}]


async def test_a_deployment_that_is_on_the_chain_is_found_there_after_a_restart(
    town: Town, settings: dict[str, Any], make_app: MakeApp, tenant_of: TenantOf, tmp_path: Path
):
    url = f"sqlite+aiosqlite:///{tmp_path}/api.db"
    async with akash.entered(town, f"sqlite+aiosqlite:///{tmp_path}/other.db", tmp_path):
        async with tenant_of(make_app(url, **settings)) as tenant:
            accepted = await deployed(tenant)
            await tenant.until(accepted, "open", "chosen", "leased", "active")
        again = make_app(url, **settings)
        async with tenant_of(again) as tenant:
            active = await tenant.until(accepted, "active", "failed")
            market: AkashMarketplace = again.state.service.markets["akash-chain"]
            leases = await market.chain.leases(UUID(active["deploymentId"]).int >> 80)
            await tenant.close(active)

    assert active["status"] == "active"
    assert len(leases) == 1


async def deployed(tenant: Tenant) -> dict[str, Any]:
    """A chain knows no reputation, so the floor is one that a stranger meets."""
    return await tenant.deploy(provider="akash-chain", reputation_floor=0.5)


async def silent(request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def garbage(request: web.Request) -> web.StreamResponse:
    return web.Response(text='{"services": {"web": {"available": "many"}}}')


async def endless(request: web.Request) -> web.StreamResponse:
    return web.Response(body=b" " * (gateway.MAX_BYTES + 1))


async def elsewhere(request: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "https://169.254.169.254/"})


async def script(request: web.Request) -> web.StreamResponse:
    return web.json_response({"services": {"web": {"available": 1, "total": 1, "uris": ['a"><script>']}}})


async def broken(request: web.Request) -> web.StreamResponse:
    return web.Response(status=500)


@asynccontextmanager
async def provider(answer: Answer, folder: Path, shown: Certificate = OURS) -> AsyncGenerator[Tenancy, None]:
    """A provider that answers everything in one way, and a lease with it."""
    app, port = web.Application(), free_port()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=shown.server(folder)).start()
    yield Tenancy(
        id=IdView(owner="akash1owner", dseq=1, gseq=1, oseq=1, provider=ADDRESS),
        uri=f"https://127.0.0.1:{port}",
        certificates=(OURS.certificate,),
    )
    await runner.cleanup()


@pytest.mark.parametrize("answer", [silent, garbage, endless, elsewhere, script, broken])
async def test_a_provider_that_stalls_or_talks_nonsense_is_unavailable(answer: Answer, tmp_path: Path):
    strangers = ProviderGateway(OWNER, allow_private=True, timeout_s=0.3 if answer is silent else 5)

    async with provider(answer, tmp_path) as tenancy:
        with pytest.raises(Unavailable):
            await strangers.status(tenancy)


async def test_a_provider_whose_certificate_is_not_the_one_on_the_chain_hears_nothing(tmp_path: Path):
    heard: list[str] = []

    async def hears(request: web.Request) -> web.StreamResponse:
        heard.append(request.path)
        return web.Response()

    async with provider(hears, tmp_path, shown=Certificate.of(ADDRESS)) as tenancy:
        with pytest.raises(Unavailable):
            await ProviderGateway(OWNER, allow_private=True).send_manifest(tenancy, [])

    assert heard == []


async def test_a_provider_without_a_certificate_on_the_chain_must_have_a_public_one(tmp_path: Path):
    async with provider(garbage, tmp_path) as tenancy:
        with pytest.raises(Unavailable):
            await ProviderGateway(OWNER, allow_private=True).status(replace(tenancy, certificates=()))


async def test_a_provider_at_a_private_address_is_not_dialled(tmp_path: Path):
    async with provider(garbage, tmp_path) as tenancy:
        with pytest.raises(Unavailable):
            await ProviderGateway(OWNER, allow_private=False).status(tenancy)


async def test_what_a_provider_refuses_is_said_and_cut(tmp_path: Path):
    async def refuses(request: web.Request) -> web.StreamResponse:
        return web.Response(status=422, text="manifest version validation failed" + "!" * 1000)

    async with provider(refuses, tmp_path) as tenancy:
        with pytest.raises(ManifestRefused, match="version validation failed") as refusal:
            await ProviderGateway(OWNER, allow_private=True).send_manifest(tenancy, [])

    assert len(refusal.value.detail) < 400


@pytest.mark.parametrize(("follow", "quiet_s"), [(False, 0.1), (True, 0)])
async def test_only_a_log_that_nobody_follows_has_ended_when_nothing_comes(
    follow: bool, quiet_s: float, tmp_path: Path
):
    async def says_a_line(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str('{"name": "web-5f6d7c8b9-x7k2p", "message": "Serving."}')
        if not follow:
            await socket.receive()
        await socket.close()
        return socket

    strangers = ProviderGateway(OWNER, allow_private=True, quiet_s=quiet_s)
    async with provider(says_a_line, tmp_path) as tenancy:
        lines = [line.text async for line in strangers.logs(tenancy, tail=1, follow=follow)]

    assert lines == ["Serving."]
