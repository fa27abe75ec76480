"""`make up` for real: the main job over the published ports, and every container killed in turn."""

import asyncio
import re
from typing import Any
from uuid import uuid4

import pytest
from composed import Stack

pytestmark = [pytest.mark.xdist_group("compose"), pytest.mark.timeout(1800)]

NEWS = (
    "Agents met on a chain. They agreed on prices before any work began. Good work was paid to the last unit."
)
ANALYSIS: dict[str, Any] = {
    "id": "analysis",
    "capability": "workspace.analyze",
    "action": "ANALYZE_WORKSPACE",
    "quality": {"schema": {"type": "object", "required": ["totalProjects"]}},
}
SUMMARY: dict[str, Any] = {
    "id": "summary",
    "capability": "text.summarize",
    "parameters": {"text": NEWS, "sentences": 2},
    "quality": {"assertions": [{"at": "/sentences", "op": "max", "value": 2}]},
    "max_price": "50000",
}
# What the services miss while a container is away; the chain and the store are called by what they are.
MISSED = {"postgres": "database", "anvil": "chain", "kubo": "store"}
KILLED_BY_THE_ENGINE = 137
ANVIL = "/tmp/anvil"  # noqa: S108 - of the container
KILLED = [
    "postgres",
    "redis",
    "anvil",
    "kubo",
    "registry",
    "coordinator",
    "deployer",
    "security-gateway",
    "workspace-analyzer",
    "console",
]


async def start(stack: Stack, *requirements: dict[str, Any]) -> str:
    body = {"task": "Analyze a workspace.", "requirements": list(requirements), "budget": "100000"}
    started = await stack.ask("POST", "coordinator", "/v1/runs", key=str(uuid4()), json=body)
    return started["id"]


async def ended(stack: Stack, id: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        run = await stack.ask("GET", "coordinator", f"/v1/runs/{id}")
        return run if run["status"] not in ("running", "waiting") else None

    return await stack.until(look)


async def registered(stack: Stack, name: str) -> str:
    """The id of an agent that is registered and can be found."""
    metadata = {
        "name": name,
        "description": "A test's agent.",
        "endpoint": "https://agent.example",
        "capabilities": [f"test.{name}"],
        "toolDefinitions": [],
        "reputationHistory": [],
    }
    body = {"id": f"test/{name}", "metadata": metadata, "stake": "0"}
    await stack.ask("POST", "registry", "/v1/agents?wait=confirmed", key=name, json=body)
    (found,) = await found_by(stack, name)
    return found


async def found_by(stack: Stack, name: str) -> list[str]:
    page = await stack.ask("GET", "registry", "/v1/agents", params={"capability": f"test.{name}"})
    return [agent["agentId"] for agent in page["items"]]


async def test_a_task_is_planned_hired_for_and_paid_over_the_published_ports(
    stack: Stack, agent: str, workspace: str
):
    run = await ended(stack, await start(stack, ANALYSIS | {"parameters": {"workspace": workspace}}, SUMMARY))

    assert run["status"] == "succeeded", run
    steps = {step["id"]: step for step in run["steps"]}
    assert steps["analysis"]["result"]["totalProjects"] == 10
    assert steps["summary"]["result"]["summary"]
    paid = steps["summary"]["attempts"][-1]["escrow_id"]
    escrow = await stack.ask("GET", "coordinator", f"/v1/escrows/{paid}")
    assert escrow["state"] == "released"


async def test_a_page_is_deployed_on_the_market(stack: Stack):
    config = {
        "name": "web",
        "image": "debian:trixie-slim",
        "port": 8080,
        "cpu_millis": 500,
        "memory_bytes": 512 * 2**20,
        "storage_bytes": 2**30,
        "max_price_uact_per_block": "100",
    }
    body = {"config": config, "provider": "simulated"}
    made = await stack.ask("POST", "deployer", "/v1/deployments", key="page", json=body)

    assert made["leaseId"]


@pytest.mark.parametrize("victim", KILLED)
async def test_a_container_that_is_killed_is_named_by_the_others_and_nothing_is_lost(
    stack: Stack, workspace: str, victim: str
):
    agent_id = await registered(stack, f"before-{victim}")
    run_id = await start(stack, ANALYSIS | {"parameters": {"workspace": workspace}})

    if victim == "anvil":
        await written(stack)

    stack.compose("kill", victim)
    missed = MISSED.get(victim, victim)
    await stack.until(lambda: names(stack, missed))
    stack.compose("start", victim)
    await stack.until(stack.is_whole)

    assert await found_by(stack, f"before-{victim}") == [agent_id]
    run = await ended(stack, run_id)
    assert run["status"] == "succeeded", run


async def test_the_chain_goes_on_when_it_was_killed_while_it_wrote(stack: Stack):
    agent_id = await registered(stack, "half-written")
    await written(stack)
    stack.compose("kill", "anvil")
    cut = f"truncate --size=-1 {ANVIL}/state.json"
    stack.compose("run", "--rm", "--no-deps", "--entrypoint", "sh", "anvil", "-c", cut)

    stack.compose("start", "anvil")
    await stack.until(stack.is_whole)

    assert await found_by(stack, "half-written") == [agent_id]
    assert "goes on from the copy" in stack.compose("logs", "anvil")


async def written(stack: Stack) -> None:
    """Returns when the development chain, which writes itself down once a minute, has what was done on it,
    and a copy of that."""
    # A chain that is younger than a minute has written nothing yet.
    written_at = f"stat --format=%Y {ANVIL}/state.json 2>/dev/null || echo 0"
    is_copied = f"[ {ANVIL}/kept.json -nt {ANVIL}/state.json ] && echo yes || echo no"
    before = int(stack.compose("exec", "--no-TTY", "anvil", "date", "+%s"))

    async def look() -> bool:
        ask = ["exec", "--no-TTY", "anvil", "sh", "-c", f"{written_at}; {is_copied}"]
        at, copied = stack.compose(*ask).split()
        return int(at) > before and copied == "yes"

    await stack.until(look)


async def names(stack: Stack, missed: str) -> bool:
    return missed in await stack.down()


async def test_every_container_stops_when_it_is_asked_to(stack: Stack):
    stack.compose("stop", "--timeout", "2")

    killed = [name for name in KILLED if stack.exit_code(name) == KILLED_BY_THE_ENGINE]
    assert killed == []


async def test_the_console_is_signed_in_to_with_the_key_of_the_admin(stack: Stack):
    page = (await stack.http.get(f"{stack.url('console')}/login")).text
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found is not None

    form = {"csrf": found[1], "key": stack.key_file.read_text().strip(), "next": "/agents"}
    led = await stack.http.post(f"{stack.url('console')}/login", data=form)

    assert (led.status_code, led.headers["location"]) == (303, "/agents")


def test_the_image_of_the_analyzer_has_what_workspaces_call(containers: Stack):
    programs = "node --version && npm --version && git --version && bwrap --version"

    containers.compose("run", "--rm", "--no-deps", "workspace-analyzer", "sh", "-c", programs)


async def test_down_and_up_again_everything_is_there(stack: Stack):
    agent_id = await registered(stack, "kept")

    stack.compose("down", "--timeout", "10")
    stack.up()

    assert await found_by(stack, "kept") == [agent_id]


async def test_a_service_is_replaced_while_runs_go_on(stack: Stack, workspace: str):
    analysis = ANALYSIS | {"parameters": {"workspace": workspace}}
    ids = await asyncio.gather(*(start(stack, analysis) for _ in range(5)))

    stack.compose("up", "--detach", "--no-deps", "--force-recreate", "--wait", "coordinator")

    runs = await asyncio.gather(*(ended(stack, id) for id in ids))
    assert [run["status"] for run in runs] == ["succeeded"] * 5
