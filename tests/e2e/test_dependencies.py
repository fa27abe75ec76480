"""What the mesh does while something it stands on is really stopped, and when it returns."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from mesh_cli.demo.cast import Player
from mesh_cli.demo.stage import Stage
from mesh_cli.embedded import EmbeddedMesh, is_ready

pytestmark = pytest.mark.xdist_group("mesh")

NOTICED_S = 10.0
NEEDS = {
    "redis": {"registry", "coordinator", "deployer", "security-gateway", "workspace-analyzer"},
    "chain": {"registry", "coordinator"},
}
PARTS = {"redis": "redis", "chain": "anvil"}
WRITES = {
    "registry": ("/v1/agents", {"id": "down/agent", "metadata": {}, "stake": "0"}),
    "coordinator": ("/v1/runs", {"task": "Analyze the storefront workspace."}),
    "deployer": ("/v1/deployments", {"config": {}}),
    "security-gateway": ("/v1/grants", {}),
    "workspace-analyzer": ("/v1/analyses", {"workspace": "storefront"}),
}


def is_down(url: str) -> bool:
    return not is_ready(url)


@contextmanager
def without(mesh: EmbeddedMesh, dependency: str) -> Generator[None, None, None]:
    """Stops the dependency, until who needs it has noticed; the mesh is ready again after the block."""
    part = PARTS[dependency]
    mesh.stop(part)
    try:
        for service in NEEDS[dependency]:
            mesh.running[service].wait_until(partial(is_down, mesh.url(service)), NOTICED_S)
        yield
    finally:
        mesh.start_part(part)
        for service in mesh.ports.services:
            mesh.wait_ready(service)


@pytest.fixture(params=NEEDS)
def dependency(request: pytest.FixtureRequest, mesh: EmbeddedMesh) -> Iterator[str]:
    """A dependency that is stopped while the test runs."""
    with without(mesh, request.param):
        yield request.param


async def token(stage: Stage, service: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {await stage.sessions.token(service)}", "Idempotency-Key": "while-down"}


async def readiness(stage: Stage, service: str) -> httpx.Response:
    return await stage.http.get(f"{stage.mesh.url(service)}/readyz")


async def test_readiness_names_what_is_down_in_those_who_need_it_and_in_nobody_else(
    dependency: str, stage: Stage
):
    answers = {service: await readiness(stage, service) for service in stage.mesh.ports.services}

    named = {s for s, a in answers.items() if a.status_code == HTTPStatus.SERVICE_UNAVAILABLE}
    assert named == NEEDS[dependency]
    assert all(dependency in answers[service].text for service in named)


async def test_reads_are_served(dependency: str, stage: Stage, players: list[Player]):
    found = await stage.http.get(
        f"{stage.mesh.url('registry')}/v1/agents", params={"capability": "text.summarize"}
    )

    assert found.status_code == HTTPStatus.OK
    assert {agent["name"] for agent in found.json()["items"]} >= {player.name for player in players}


async def test_writes_are_refused_with_a_time_to_come_back(dependency: str, stage: Stage):
    for service in NEEDS[dependency]:
        path, body = WRITES[service]

        refused = await stage.http.post(
            f"{stage.mesh.url(service)}{path}", json=body, headers=await token(stage, service)
        )

        assert refused.status_code == HTTPStatus.SERVICE_UNAVAILABLE, (service, refused.text)
        assert int(refused.headers["Retry-After"]) > 0
        assert refused.json()["code"] == "unavailable"
        assert dependency in refused.text


async def test_those_who_do_not_need_the_chain_take_writes_without_it(stage: Stage, storefront: str):
    with without(stage.mesh, "chain"):
        analysed = await stage.ask(
            "POST", "workspace-analyzer", "/v1/analyses", json={"workspace": storefront}
        )

    assert analysed.status == HTTPStatus.CREATED


@pytest.mark.parametrize("dependency", NEEDS)
async def test_a_run_that_was_accepted_ends_well_after_the_dependency_returns(
    stage: Stage, players: list[Player], dependency: str
):
    body = {
        "task": "Have a text summarized.",
        "requirements": [
            {
                "id": "summary",
                "capability": "text.summarize",
                "parameters": {"text": "Agents met. They agreed on a price. Everyone was paid for work."},
                "quality": {"assertions": [{"at": "/summary", "op": "minLength", "value": 20}]},
                "max_price": "50000",
            }
        ],
    }
    accepted = await stage.ask("POST", "coordinator", "/v1/runs", key=f"before-{dependency}", json=body)

    with without(stage.mesh, dependency):
        pass

    run = await stage.until("the run ends", lambda: ended(stage, accepted.body["id"]))
    assert run["status"] == "succeeded"
    assert run["budget"]["reserved"] == "0"


async def ended(stage: Stage, run_id: str) -> dict[str, Any] | None:
    run = (await stage.ask("GET", "coordinator", f"/v1/runs/{run_id}")).body
    return None if run["status"] == "running" else run
