"""GPUs and leased IPs go through to whoever has them, and are refused by name where nobody has."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import akash
import consoled
import pytest
from arenas import DockerArena
from asking import running
from hypothesis import given
from hypothesis import strategies as st
from mesh_deployer.adapters import prices
from mesh_deployer.adapters.inventions import Inventions, providers
from mesh_deployer.domain import cost
from mesh_deployer.domain.manifest import manifest
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.domain.workload import Extra, Shape, Workload
from mesh_deployer.errors import NotOnDocker, NotRunThere
from stage import INPUTS

if TYPE_CHECKING:
    from pathlib import Path

    from arenas import Arena
    from mesh_deployer.ports import Marketplace
    from stage import Stage

    from conftest import Tenant

RICH = """\
version: "2.0"
services:
  web:
    image: debian:trixie-slim
    command: [sleep, infinity]
    expose: [{port: 80, as: 80, to: [{global: true, ip: front}]}]
profiles:
  compute:
    web:
      resources:
        cpu: {units: 100m}
        memory: {size: 64Mi}
        storage: {size: 512Mi}
        gpu: {units: 1, attributes: {vendor: {nvidia: [{model: rtx4090}, {model: a100}]}}}
  placement:
    dcloud: {pricing: {web: {denom: uact, amount: 100000}}}
deployment:
  web: {dcloud: {profile: web, count: 1}}
endpoints:
  front: {kind: ip}
"""
WORKLOAD = Workload(compile_sdl(RICH).groups)
(GROUP,) = WORKLOAD.groups
MODELS = ["vendor/nvidia/model/a100", "vendor/nvidia/model/rtx4090"]
ORDER = UUID(int=7)
(UNLIKE,) = compile_sdl(RICH.replace("units: 100m", "units: 100m, attributes: {arch: arm64}")).groups


async def test_a_workload_with_a_gpu_and_an_ip_of_its_own_runs_where_there_are_such(
    arena: Arena, market: Marketplace
):
    if isinstance(arena, DockerArena):
        with pytest.raises(NotOnDocker, match="does not run GPUs, leased IPs"):
            await market.capabilities(WORKLOAD)
        return
    wanted = arena.order(workload=WORKLOAD)
    await market.capabilities(WORKLOAD)
    await market.create(wanted)
    bids = (await arena.all_bids(wanted.id)).bids

    await market.accept(wanted.id, [bids[0]])

    assert (await running(market, wanted.id, WORKLOAD)).phase == "running"


def asked(spec: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The GPU models and the kinds of endpoints of an order."""
    resource = spec["resources"][0]["resource"]
    models = [pair["key"] for pair in resource["gpu"]["attributes"]]
    return models, [endpoint["kind"] for endpoint in resource["endpoints"]]


async def test_order_and_manifest_say_on_the_chain_what_the_sdl_says(tmp_path: Path):
    async with akash.present(f"sqlite+aiosqlite:///{tmp_path}/a.db", tmp_path) as arena:
        wanted, chain = arena.order(workload=WORKLOAD), arena.market.chain
        await arena.market.create(wanted)
        bid = (await arena.all_bids(wanted.id)).bids[0]
        await arena.market.accept(wanted.id, [bid])
        await running(arena.market, wanted.id, WORKLOAD)
        path = f"{chain.url}/akash/market/{chain.profile.market}/orders/list"
        (order,) = (await chain.http.get(path)).json()["orders"]
        sent = [m for host in arena.hosts for m in host.manifests.values()]

    assert asked(order["spec"]) == (MODELS, ["SHARED_HTTP", "LEASED_IP"])
    assert sent == [manifest(WORKLOAD.groups)]


async def test_the_console_gets_an_sdl_of_which_the_same_order_and_manifest_come(tmp_path: Path):
    async with consoled.consoled(f"sqlite+aiosqlite:///{tmp_path}/c.db") as arena:
        wanted = arena.order(workload=WORKLOAD)
        await arena.market.create(wanted)
        await arena.market.accept(wanted.id, [(await arena.all_bids(wanted.id)).bids[0]])
        await running(arena.market, wanted.id, WORKLOAD)
        (found,) = arena.server.ledger.deployments.values()

    assert asked(found.groups[0]) == (MODELS, ["SHARED_HTTP", "LEASED_IP"])
    assert list(arena.server.manifests.values()) == [manifest(WORKLOAD.groups)]


@given(st.integers(0, 2**31))
def test_only_providers_that_have_the_model_and_lease_ips_bid(seed: int):
    offers, declined = Inventions(seed, INPUTS).answers(ORDER, 1, GROUP, {})

    able = {
        p.address
        for p in providers(seed)
        if p.supply.gpus and p.supply.leases_ips and p.supply.gpu_models & {"a100", "rtx4090"}
    }
    assert {offer.bid.provider for offer in offers} == able
    assert len(offers) + len(declined) == len(providers(seed))


def test_a_gpu_costs_a_hundred_dollars_a_month_and_an_ip_five_before_the_providers_factor():
    plain = replace(GROUP, services=tuple(map(bare, GROUP.services)))
    dear, cheap = (
        {o.bid.provider: o.bid.uact_per_block for o in Inventions(379, INPUTS).answers(ORDER, 1, g, {})[0]}
        for g in (GROUP, plain)
    )

    for address, price in dear.items():
        factor = next(p.factor for p in providers(379) if p.address == address)
        month = cost.akash_usd_month(price - cheap[address], INPUTS) / factor
        assert Decimal("102.8") < month < Decimal("107.2")
    assert dear


def bare(service: Any) -> Any:
    exposes = tuple(replace(expose, ip="") for expose in service.exposes)
    return replace(
        service, exposes=exposes, resources=replace(service.resources, gpu_units=0, gpu_attributes=None)
    )


def test_where_no_price_of_a_gpu_is_known_no_saving_is_claimed():
    snapshot = prices.newest()

    with_gpu, without = (
        cost.compare(Shape(1000, 10**9, 0, gpus), Decimal(5), INPUTS, snapshot).clouds[0].like_for_like
        for gpus in (1, 0)
    )

    assert [item.what for item in with_gpu.items] == ["vcpu", "memory", "disk", "gpu"]
    assert with_gpu.percent is None
    assert without.percent is not None


def test_what_it_uses_counts_every_gpu():
    assert Shape.of(GROUP.services).gpus == 1
    assert WORKLOAD.extras == [Extra.GPUS, Extra.IPS]


async def test_a_kind_of_processor_is_not_simulated(sqlite_stage: Stage):
    with pytest.raises(NotRunThere, match="a kind of processor"):
        await sqlite_stage.simulated.capabilities(Workload((UNLIKE,)))


async def test_credentials_of_a_registry_are_refused_with_the_reason_and_stored_nowhere(tenant: Tenant):
    sdl = tenant.changed(
        ("    env:", "    credentials: {host: a.test, username: b, password: hunter2}\n    env:")
    )

    refused = await tenant.ask({"sdl": sdl, "provider": "simulated"})
    listed = (await tenant.http.get("/v1/deployments")).json()["items"]

    assert (refused.status_code, refused.json()["code"]) == (409, "credentials-not-sent")
    assert "gives no secret away" in refused.json()["detail"]
    assert ("hunter2" in refused.text, listed) == (False, [])


async def test_through_the_api_it_is_leased_to_who_has_it(tenant: Tenant):
    made = await tenant.deploy(RICH, wait=20, reputation_floor=0)

    bids = await tenant.read(made, "/bids")

    assert made["status"] == "active"
    assert bids["out"]["resources"] > 0
    assert set(made["costReduction"]["percent_like_for_like"].values()) == {None}
