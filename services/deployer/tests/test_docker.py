"""Workloads that really run: on a real Docker engine, where one answers and has the image."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import httpx
import pytest
from docker import DockerClient
from mesh_deployer.adapters.containers import ORDER, SERVICE
from mesh_deployer.adapters.engine import Engine
from mesh_deployer.schemas.sdl import HELLO
from mesh_deployer.service.workloads import workload_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from docker.models.containers import Container
    from fastapi import FastAPI

    from conftest import MakeApp, Tenant, TenantOf

IMAGE = "debian:trixie-slim"
TWO = """\
version: "2.0"
services:
  api:
    image: debian:trixie-slim
    command: [perl, -MIO::Socket::INET, -e]
    args:
      - |
        my $s = IO::Socket::INET->new(LocalPort => 9000, Listen => 5, ReuseAddr => 1) or die;
        while (my $c = $s->accept) { print $c "from the api\\n"; close $c }
    expose: [{port: 9000, to: [{service: web}]}]
  web:
    image: debian:trixie-slim
    command: [perl, -MIO::Socket::INET, -e]
    args:
      - |
        my $s = IO::Socket::INET->new(LocalPort => 80, Listen => 5, ReuseAddr => 1) or die;
        while (my $c = $s->accept) {
          while (<$c>) { last if /^\\r?$/ }
          my $a = IO::Socket::INET->new(PeerAddr => "api:9000", Timeout => 5);
          my $t = $a ? <$a> : "no api: $!";
          print $c "HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n$t";
          close $c;
        }
    expose:
      - {port: 80, as: 80, to: [{global: true}]}
      - {port: 5432, to: [{global: true}]}
profiles:
  compute:
    small: {resources: {cpu: {units: 100m}, memory: {size: 64Mi}, storage: {size: 512Mi}}}
  placement:
    dcloud: {pricing: {small: {denom: uact, amount: 100}}}
deployment:
  api: {dcloud: {profile: small, count: 1}}
  web: {dcloud: {profile: small, count: 2}}
"""


@pytest.fixture
def socket(docker_url: str, tmp_path: Path) -> Path:
    """The engine's socket by another name, so that a test can take the engine away and bring it back."""
    link = tmp_path / "engine.sock"
    link.symlink_to(docker_url.removeprefix("unix://"))
    return link


@pytest.fixture
def app(make_app: MakeApp, socket: Path, tmp_path: Path) -> FastAPI:
    return make_app(f"sqlite+aiosqlite:///{tmp_path}/docker.db", docker_url=f"unix://{socket}", watch_s=0.2)


@pytest.fixture
async def tenant(app: FastAPI, tenant_of: TenantOf) -> AsyncIterator[Tenant]:
    async with tenant_of(app) as tenant:
        yield tenant


@pytest.fixture
def docker(docker_url: str) -> Iterator[DockerClient]:
    client = DockerClient(base_url=docker_url)
    yield client
    client.close()


def containers(docker: DockerClient, deployment: dict[str, Any]) -> list[Container]:
    return docker.containers.list(
        all=True, filters={"label": f"{ORDER}={deployment['deploymentId']}"}, ignore_removed=True
    )


async def page(uri: str) -> str:
    async with httpx.AsyncClient(trust_env=False) as http:
        return (await http.get(uri, timeout=10)).text


async def test_the_page_of_the_example_is_served(tenant: Tenant):
    deployment = await tenant.deploy(provider="auto", wait=30)

    assert (deployment["status"], deployment["provider"]) == ("active", "docker")
    assert deployment["providerUri"] == "docker://local"
    assert "really runs" in deployment["provider_reason"]
    (uri,) = deployment["uris"]
    assert await page(uri) == "Hello from the mesh\n"


async def test_a_config_with_a_command_is_served_too(tenant: Tenant):
    script = (
        "my $s = IO::Socket::INET->new(LocalPort => 8080, Listen => 5, ReuseAddr => 1) or die;"
        'while (my $c = $s->accept) { print $c "HTTP/1.1 200 OK\\r\\n\\r\\n$ENV{GREETING}"; close $c }'
    )
    config = tenant.config | {"command": ["perl", "-MIO::Socket::INET", "-e", script], "replicas": 1}

    response = await tenant.ask({"config": config, "provider": "docker"}, wait=30)

    (uri,) = response.json()["uris"]
    assert await page(uri) == "hello"


async def test_a_container_may_do_little_and_is_reached_from_this_machine_only(
    tenant: Tenant, docker: DockerClient
):
    deployment = await tenant.deploy(provider="docker", wait=30)

    (container,) = containers(docker, deployment)
    host = container.attrs["HostConfig"]
    assert (host["NanoCpus"], host["Memory"], host["MemorySwap"]) == (250 * 10**6, 2**27, 2**27)
    assert (host["CapDrop"], host["CapAdd"], host["Privileged"]) == (["ALL"], None, False)
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert (host["PidsLimit"], host["Binds"], host["NetworkMode"] == "host") == (256, None, False)
    assert [b["HostIp"] for bindings in container.ports.values() for b in bindings or ()] == ["127.0.0.1"]


async def test_a_container_has_no_way_out(tenant: Tenant, docker: DockerClient):
    code = "exit(IO::Socket::INET->new(PeerAddr => '1.1.1.1:53', Timeout => 2) ? 0 : 7)"
    dial = ["perl", "-MIO::Socket::INET", "-e", code]
    deployment = await tenant.deploy(provider="docker", wait=30)
    (ours,) = containers(docker, deployment)
    other = await asyncio.to_thread(docker.containers.run, IMAGE, ["sleep", "60"], detach=True, remove=True)

    outside = await asyncio.to_thread(other.exec_run, dial)
    await asyncio.to_thread(other.kill)
    if outside.exit_code != 0:
        pytest.skip("no container reaches anything outside here, confined or not")

    assert (await asyncio.to_thread(ours.exec_run, dial)).exit_code == 7


async def test_services_reach_each_other_by_name_and_only_what_is_global_is_published(
    tenant: Tenant, docker: DockerClient
):
    deployment = await tenant.deploy(TWO, provider="docker", wait=30)

    assert deployment["explanation"] == "3 container(s) run on the local Docker engine."
    http = [uri for uri in deployment["uris"] if uri.startswith("http://")]
    other = [uri for uri in deployment["uris"] if uri.startswith("tcp://")]
    assert (len(http), len(other)) == (2, 2)
    assert {await page(uri) for uri in http} == {"from the api\n"}
    inside = [c for c in containers(docker, deployment) if c.labels[SERVICE] == "api"]
    assert [c.ports for c in inside] == [{}]


async def test_an_image_that_is_not_at_hand_is_not_pulled(tenant: Tenant):
    absent = tenant.changed(("image: debian:trixie-slim", "image: ghcr.io/nobody/nothing:1"))

    refused = await tenant.ask({"sdl": absent, "provider": "docker"})
    automatic = await tenant.deploy(absent, provider="auto")

    assert (refused.status_code, refused.json()["code"]) == (409, "image-not-present")
    assert automatic["provider"] == "simulated"
    assert "does not have ghcr.io/nobody/nothing:1" in automatic["provider_reason"]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("count: 1", "count: 21", "at most 20 containers"),
        ("units: 250m", "units: 384", "more than the machine's"),
        ("size: 128Mi", "size: 2Ti", "more than the machine's"),
        ("size: 128Mi", "size: 1Mi", "less than 6291456 bytes"),
        (
            "size: 512Mi",
            "- {size: 512Mi, name: data, attributes: {persistent: true}}",
            "mounts no volumes",
        ),
    ],
)
async def test_what_the_machine_does_not_offer_is_refused_before_anything_is_promised(
    tenant: Tenant, old: str, new: str, reason: str
):
    sdl = tenant.changed((old, new))
    if "persistent" in new:
        mount = "    params: {storage: {data: {mount: /data}}}\n    env:"
        sdl = tenant.changed(
            (f"storage:\n          {old}", f"storage:\n          {new}"), ("    env:", mount)
        )

    refused = await tenant.ask({"sdl": sdl, "provider": "docker"})

    assert (refused.status_code, refused.json()["code"]) == (409, "not-on-docker")
    assert reason in refused.json()["detail"]


async def test_a_workload_that_ends_at_once_has_failed_and_says_with_what(app: FastAPI, tenant: Tenant):
    ends = HELLO.replace('"sleep", "infinity"', '"sh", "-c", "exit 3"')

    failed = await tenant.until(await tenant.deploy(ends, provider="docker"), "failed", "active")

    assert (failed["status"], failed["explanation"]) == ("failed", "web ended with exit code 3.")
    assert int(failed["refunded_uact"]) > 0
    assert list(await app.state.service.markets["docker"].held()) == []


async def test_a_command_that_the_image_does_not_have_is_a_refusal(tenant: Tenant):
    no_such = HELLO.replace('"sleep"', '"no-such-program"')

    failed = await tenant.until(await tenant.deploy(no_such, provider="docker"), "failed", "active")

    assert (await tenant.fact("deployment-failed"))["code"] == "manifest-refused"
    assert "no-such-program" in failed["explanation"]


async def test_a_workload_that_dies_later_is_started_again_and_its_address_is_known(
    tenant: Tenant, docker: DockerClient
):
    deployment = await tenant.deploy(provider="docker", wait=30)
    (container,) = containers(docker, deployment)

    await asyncio.to_thread(container.kill)
    again = await noted(tenant, deployment, "All replicas are there again.")

    assert [container.status for container in containers(docker, deployment)] == ["running"]
    assert await page(again["uris"][0]) == "Hello from the mesh\n"


async def test_a_workload_that_ends_by_itself_is_started_again_by_the_engine(
    tenant: Tenant, docker: DockerClient
):
    brief = HELLO.replace('"sleep", "infinity"', '"sleep", "1.5"')
    deployment = await tenant.deploy(brief, provider="docker", wait=30)

    async with asyncio.timeout(60):
        while not containers(docker, deployment)[0].attrs["RestartCount"]:
            await asyncio.sleep(0.1)

    assert (await tenant.read(deployment))["status"] == "active"


async def test_a_workload_that_somebody_removed_is_made_again(tenant: Tenant, docker: DockerClient):
    deployment = await tenant.deploy(provider="docker", wait=30)
    (container,) = containers(docker, deployment)

    await asyncio.to_thread(container.remove, force=True)
    again = await noted(tenant, deployment, "All replicas are there again.")

    assert again["status"] == "active"
    assert [other.id == container.id for other in containers(docker, deployment)] == [False]


async def noted(tenant: Tenant, deployment: dict[str, Any], note: str) -> dict[str, Any]:
    """The deployment once that has happened to it."""
    async with asyncio.timeout(60):
        while (found := await tenant.read(deployment))["explanation"] != note:
            await asyncio.sleep(0.05)
    return found


async def test_an_engine_that_goes_away_and_comes_back_costs_a_running_workload_nothing(
    tenant: Tenant, socket: Path
):
    deployment = await tenant.deploy(provider="docker", wait=30)

    away = socket.with_name("away.sock")
    socket.rename(away)
    automatic = await tenant.deploy(provider="auto")
    closing = await tenant.http.post(f"/v1/deployments/{deployment['deploymentId']}/close")
    away.rename(socket)
    ended = await tenant.until(deployment, "closed")

    assert automatic["provider_reason"].startswith("No Docker engine answers here")
    assert closing.json()["status"] == "closing"
    assert ended["status"] == "closed"


async def test_an_engine_that_stays_away_ends_the_start_at_its_deadline_and_nothing_is_left(
    make_app: MakeApp, tenant_of: TenantOf, socket: Path, tmp_path: Path
):
    app = make_app(
        f"sqlite+aiosqlite:///{tmp_path}/away.db", docker_url=f"unix://{socket}", manifest_deadline_s=0.5
    )
    async with tenant_of(app) as tenant:
        accepted = await tenant.deploy(provider="docker")
        away = socket.with_name("away.sock")
        socket.rename(away)
        closing = await tenant.until(accepted, "closing")
        away.rename(socket)
        failed = await tenant.until(accepted, "failed")
        held = list(await app.state.service.markets["docker"].held())

    assert closing["explanation"] == failed["explanation"] == "The workload did not start in time."
    assert held == []


async def test_what_is_left_on_the_engine_for_nobody_is_removed_and_what_is_a_strangers_is_not(
    make_app: MakeApp, tenant_of: TenantOf, docker_url: str, tmp_path: Path
):
    app = make_app(f"sqlite+aiosqlite:///{tmp_path}/left.db", docker_url=docker_url, sweep_s=0.2)
    workload, stranger = workload_of(HELLO), Engine(docker_url, owner=uuid4().hex)
    async with tenant_of(app) as tenant:
        ended = await tenant.close(await tenant.deploy(HELLO, provider="docker", wait=30))
        ended_id, strangers_id = UUID(ended["deploymentId"]), uuid4()
        ours: Engine = app.state.service.markets["docker"].engine
        await stranger.ask(lambda containers: containers.run(strangers_id, workload))

        # comes through late, as a start does whose answer nobody waited for
        await ours.ask(lambda containers: containers.run(ended_id, workload))
        async with asyncio.timeout(60):
            while await ours.ask(lambda containers: containers.held()):
                await asyncio.sleep(0.05)

    assert await stranger.ask(lambda containers: containers.held()) == [strangers_id]
    await stranger.ask(lambda containers: containers.remove(strangers_id))
    stranger.close()


async def test_two_deployers_on_one_engine_may_have_orders_of_the_same_id(docker_url: str):
    """Ids follow from caller and key, so two meshes that are told the same make the same ones."""
    engines, id, workload = (
        [Engine(docker_url, owner=uuid4().hex) for _ in range(2)],
        uuid4(),
        workload_of(HELLO),
    )

    for engine in engines:
        await engine.ask(lambda containers: containers.run(id, workload))
    await engines[0].ask(lambda containers: containers.remove(id))

    assert [await engine.ask(lambda containers: containers.held()) for engine in engines] == [[], [id]]
    await engines[1].ask(lambda containers: containers.remove(id))
    for engine in engines:
        engine.close()
