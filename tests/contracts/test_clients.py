"""Each hand-written client against the service that it was written for: a renamed field breaks one here."""

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest
from mesh_cli.embedded import EmbeddedMesh
from mesh_coordinator.adapters.agents import HttpAgents
from mesh_coordinator.adapters.registry import RegistryDirectory
from mesh_coordinator.adapters.ways import Ways
from mesh_coordinator.domain.selection import Candidate
from mesh_coordinator.errors import AgentNotFound
from mesh_coordinator.ports import Delivery, Invocation, Refusal
from mesh_deployer.adapters.gateway import GatewayProfiles
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.domain.workload import Workload
from mesh_deployer.schemas.sdl import HELLO
from mesh_shared import dial, http
from mesh_shared.auth.keys import RemoteKeys
from mesh_shared.auth.session import Sessions
from mesh_shared.auth.tokens import TokenVerifier
from mesh_shared.errors import Unauthenticated

pytestmark = pytest.mark.xdist_group("mesh")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with http.client() as client:
        yield client


def sessions_of(mesh: EmbeddedMesh, client: httpx.AsyncClient, service: str) -> Sessions:
    """The sessions of one of the services itself, with its own key."""
    return Sessions(client, mesh.url("security-gateway"), mesh.service_key_file(service))


@pytest.fixture
def directory(mesh: EmbeddedMesh, client: httpx.AsyncClient) -> RegistryDirectory:
    return RegistryDirectory(client, mesh.url("registry"))


async def test_the_coordinator_reads_the_registry_s_listings(directory: RegistryDirectory):
    listings = await directory.offering("workspace.analyze")

    assert [listing.name for listing in listings] == ["workspace-analyzer"]
    assert [tool.name for tool in listings[0].tools if tool.capability == "workspace.analyze"] == [
        "ANALYZE_WORKSPACE"
    ]


async def test_the_coordinator_reads_one_agent_of_the_registry(directory: RegistryDirectory):
    (listed,) = await directory.offering("workspace.analyze")

    assert await directory.agent(listed.agent_id) == listed


async def test_an_agent_that_is_not_listed_is_told_apart(directory: RegistryDirectory):
    with pytest.raises(AgentNotFound):
        await directory.agent("0x" + "00" * 32)


async def test_the_coordinator_sees_that_the_registry_lives(directory: RegistryDirectory):
    await directory.ping()


def invocation(mesh: EmbeddedMesh, capability: str) -> Invocation:
    candidate = Candidate(
        agent_id="0x" + "11" * 32,
        token_id=1,
        name="registry",
        owner="0x" + "22" * 20,
        endpoint=mesh.url("registry"),
        action="DISCOVER_UNIVERSAL_TOOLS",
        price_units=0,
        reputation=0.5,
    )
    return Invocation(
        candidate=candidate,
        parameters={"capability": capability},
        key=str(uuid4()),
        escrow_id=None,
        timeout_s=10,
        context={},
    )


@pytest.fixture
async def agents(mesh: EmbeddedMesh, client: httpx.AsyncClient) -> AsyncIterator[HttpAgents]:
    """The coordinator's caller of agents, each at its own address."""
    gateway_url = mesh.url("security-gateway")
    async with dial.session(allow_private=True, timeout_s=10) as session:
        ways = Ways(strangers=session, gateway=session, gateway_url=gateway_url, connections={})
        yield HttpAgents(ways, sessions_of(mesh, client, "coordinator"), 1 << 18)


async def test_the_coordinator_hires_a_service_of_the_mesh_like_any_agent(
    mesh: EmbeddedMesh, agents: HttpAgents
):
    done = await agents.invoke(invocation(mesh, "workspace-optimization"))

    assert isinstance(done, Delivery)
    assert done.result["count"] == 1


async def test_parameters_that_do_not_fit_are_the_agent_s_refusal(mesh: EmbeddedMesh, agents: HttpAgents):
    refused = await agents.invoke(invocation(mesh, "Not A Capability"))

    assert isinstance(refused, Refusal)
    assert "422" in refused.detail


async def test_the_deployer_has_the_gateway_compile_a_profile(mesh: EmbeddedMesh, client: httpx.AsyncClient):
    auth = sessions_of(mesh, client, "deployer").auth("security-gateway")
    profiles = GatewayProfiles(client, mesh.url("security-gateway"), auth)
    workload = Workload(compile_sdl(HELLO).groups)

    profile = await profiles.compile("zero-trust", "SOC2", "eu-west", uuid4(), workload)

    assert profile.security_endpoint == f"{mesh.url('security-gateway')}/v1/proxy"
    assert profile.policies
    assert profile.controls


async def test_a_token_of_the_gateway_is_taken_by_its_audience_alone(
    mesh: EmbeddedMesh, client: httpx.AsyncClient
):
    keys = RemoteKeys(client, f"{mesh.url('security-gateway')}/.well-known/jwks.json")
    token = await sessions_of(mesh, client, "coordinator").token("registry")

    caller = await TokenVerifier(keys, frozenset({"registry"})).verify(token)

    assert caller.subject == "coordinator"
    with pytest.raises(Unauthenticated):
        await TokenVerifier(keys, frozenset({"deployer"})).verify(token)


async def test_every_service_lists_itself_in_the_registry(mesh: EmbeddedMesh, client: httpx.AsyncClient):
    found = (await client.get(f"{mesh.url('registry')}/v1/agents", params={"limit": 100})).json()["items"]

    endpoints = {agent["name"]: agent["endpoint"] for agent in found}
    assert {mesh.url(service) for service in mesh.ports.services} <= set(endpoints.values())
