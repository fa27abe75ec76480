"""The client that everybody may install against the services that it was written for."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from mesh_cli.demo.cast import Player
from mesh_cli.embedded import EmbeddedMesh
from mesh_client import Addresses, Mesh, Problem
from mesh_client.channel import Patience

pytestmark = pytest.mark.xdist_group("mesh")

ROOT = Path(__file__).parents[2]
UV = ROOT / ".tools" / "bin" / "uv"
CONFIG = {
    "name": "web",
    "image": "debian:trixie-slim",
    "port": 8080,
    "cpu_millis": 500,
    "memory_bytes": 512 * 2**20,
    "storage_bytes": 2**30,
    "max_price_uact_per_block": "100",
}
METADATA = {
    "name": "listed",
    "description": "An agent of a client.",
    "endpoint": "https://agent.example",
    "capabilities": ["client.test"],
    "toolDefinitions": [],
    "reputationHistory": [],
}
SUMMARY = [{"id": "it", "capability": "text.summarize", "parameters": {"text": "One. Two."}}]


@pytest.fixture
async def client(mesh: EmbeddedMesh) -> AsyncIterator[Mesh]:
    addresses = Addresses.row(mesh.ports.first)
    async with Mesh.connect(mesh.admin_key_file, addresses, patience=Patience(request_s=60)) as client:
        yield client


async def test_services_are_found_as_the_agents_that_they_are(client: Mesh):
    (agent,) = [agent async for agent in client.registry.agents(capability="workspace.analyze")]

    assert agent.name == "workspace-analyzer"
    assert await client.registry.agent(agent.agent_id) == agent


async def test_an_agent_is_registered_once_the_chain_has_it(client: Mesh):
    operation = await client.registry.register("client/listed", METADATA)

    assert re.fullmatch(r"0x[0-9a-f]{64}", operation.transaction_hash or "")
    assert (await client.registry.agent(operation.agent_id)).capabilities == ["client.test"]


async def test_a_run_is_planned_paid_followed_and_read(client: Mesh, players: list[Player]):
    plan = await client.coordinator.plan("Summarize.", requirements=SUMMARY)

    begun = await client.coordinator.start("Summarize.", requirements=SUMMARY, budget=plan.price)
    names = [message.name async for message in client.coordinator.follow(begun.id)]
    run = await client.coordinator.finished(begun.id)

    (attempt,) = run.steps[0].attempts
    assert run.status == "succeeded"
    assert names
    assert (run.budget.spent, attempt.outcome) == (plan.price, "success")
    assert attempt.escrow_id
    assert (await client.coordinator.escrow(attempt.escrow_id)).amount == plan.price
    assert begun.id in [run.id async for run in client.coordinator.runs(status="succeeded")]


async def test_a_plan_that_cannot_be_is_refused_with_pointers(client: Mesh):
    with pytest.raises(Problem) as caught:
        await client.coordinator.plan("Nothing.", requirements=[{"id": "it"}])

    assert (caught.value.status, caught.value.errors[0].pointer) == (422, "/requirements/0/capability")


async def test_a_deployment_goes_from_a_description_to_its_end(client: Mesh):
    sdl = await client.deployer.sdl(CONFIG)
    assert (await client.deployer.validate(sdl)).ok

    begun = await client.deployer.deploy(sdl, provider="simulated")
    running = await client.deployer.settled(begun.id)
    bids = await client.deployer.bids(begun.id)
    closed = await client.deployer.close(begun.id)

    assert (running.status, closed.status) == ("active", "closed")
    assert [bid.provider for bid in bids.items if bid.accepted]
    assert closed.refunded_uact is not None


async def test_an_sdl_that_does_not_compile_comes_back_with_hints(client: Mesh):
    validation = await client.deployer.validate("version: '2.0'\nservices: {}\n")

    assert not validation.ok
    assert all(issue.code and issue.message for issue in validation.issues)


async def test_a_workspace_is_analysed(client: Mesh, storefront: str):
    analysis = await client.analyzer.analyze(storefront, base="main", head="change")

    assert analysis.text == "Workspace analysis complete. Found 10 projects, 6 affected by recent changes."
    assert "pricing" in [affected.project for affected in analysis.affected_detail]
    assert (await client.analyzer.analysis(analysis.id)).affected_projects == analysis.affected_projects


async def test_the_gateway_gives_keys_and_answers_for_its_audit(client: Mesh, mesh: EmbeddedMesh):
    made = await client.gateway.create_api_key("client/reader", "registry:read")
    verification = await client.gateway.verify_audit()

    assert made.scopes == ["registry:read"]
    assert verification.valid
    async with Mesh.connect(made.key, Addresses.row(mesh.ports.first)) as reader:
        with pytest.raises(Problem) as caught:
            await reader.gateway.verify_audit()
    assert caught.value.status == 403


async def test_events_come_from_the_first_on(client: Mesh):
    async with aclosing(client.registry.events()) as events:
        event = await anext(events)

    assert (event.sequence, event.source[:1]) == (1, "/")


async def test_a_key_that_does_not_do_is_a_problem(mesh: EmbeddedMesh):
    async with Mesh.connect("mesh_wrong", Addresses.row(mesh.ports.first)) as stranger:
        with pytest.raises(Problem) as caught:
            await stranger.gateway.verify_audit()

    assert caught.value.status == 401


async def test_the_python_of_its_page_runs_as_it_stands(mesh: EmbeddedMesh):
    (python,) = re.findall(r"```python\n(.*?)```", (ROOT / "client" / "README.md").read_text(), re.DOTALL)
    here = python.replace(
        'Path(".mesh/dev/security-gateway/admin.key")', f"Path({str(mesh.admin_key_file)!r})"
    )
    here = here.replace(
        "Mesh.connect(ADMIN_KEY)",
        f"Mesh.connect(ADMIN_KEY, __import__('mesh_client').Addresses.row({mesh.ports.first}))",
    )

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", here, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()

    assert "run succeeded for 0 base units" in output.decode()


async def test_its_wheel_stands_alone(tmp_path: Path):
    built = await asyncio.create_subprocess_exec(
        ROOT / ".tools/bin/uv",
        "build",
        "--package",
        "mesh-client",
        "--wheel",
        "--out-dir",
        tmp_path,
        cwd=ROOT,
    )

    assert await built.wait() == 0
    assert [wheel.name for wheel in tmp_path.glob("*.whl")] == ["mesh_client-0.1.0-py3-none-any.whl"]
