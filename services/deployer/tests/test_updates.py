"""An update replaces the manifest on the same lease; whatever goes wrong, something that ran before runs."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from mesh_deployer.adapters.simulated import SimulatedMarketplace
from mesh_deployer.domain.deployment import MAX_STEPS, Deployment, IllegalTransition, State
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.errors import ManifestRefused
from mesh_deployer.ports import Condition
from mesh_deployer.repository.tables import SimulatedOrderRow
from mesh_deployer.schemas.sdl import HELLO
from sqlalchemy import select

if TYPE_CHECKING:
    from uuid import UUID

    from mesh_deployer.domain.workload import Workload
    from stage import Stage

    from conftest import Tenant, TenantOf

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NEWER = HELLO.replace("trixie", "bookworm")
BROKEN = HELLO.replace("debian:trixie-slim", "broken:1")


def hash_of(sdl: str) -> str:
    return compile_sdl(sdl).version_hash or ""


class Picky(SimulatedMarketplace):
    """A market whose providers refuse one image, and on which another one ends at once."""

    async def send_manifest(self, order_id: UUID, workload: Workload) -> None:
        if "broken:1" in workload.images:
            raise ManifestRefused("The image cannot be pulled.")
        await super().send_manifest(order_id, workload)

    async def status(self, order_id: UUID) -> Condition:
        condition = await super().status(order_id)
        async with self.database.read() as session:
            row = await session.get_one(SimulatedOrderRow, order_id)
        is_ending = "ending:1" in str(row.manifest)
        return Condition("exited", "It has ended with 1.") if is_ending else condition


def updating(deployment: Deployment, sdl: str) -> Deployment:
    return deployment.updated(sdl, hash_of(sdl), None, datetime.now(UTC))


async def update(tenant: Tenant, made: dict[str, Any], sdl: str, *, wait: int = 20) -> Any:
    path = f"/v1/deployments/{made['deploymentId']}/update"
    return await tenant.http.post(path, json={"sdl": sdl}, headers={"Prefer": f"wait={wait}"})


async def test_an_update_runs_on_the_same_lease(tenant: Tenant):
    made = await tenant.deploy(wait=30)
    newer = tenant.changed(("Hello from the mesh", "Hello again"))

    response = await update(tenant, made, newer)

    updated = response.json()
    assert (response.status_code, updated["status"]) == (202, "active")
    assert (updated["leaseId"], updated["version_hash"]) == (made["leaseId"], hash_of(newer))
    assert [step["status"] for step in updated["history"]][-3:] == ["active", "leased", "active"]
    fact = await tenant.fact("deployment-updated")
    assert (fact["version_hash"], fact["former_version_hash"]) == (hash_of(newer), made["version_hash"])


async def test_the_same_sdl_again_changes_nothing(tenant: Tenant):
    made = await tenant.deploy(wait=30)

    again = (await update(tenant, made, f"# the same\n{tenant.hello_web}")).json()

    assert (again["revision"], again["status"]) == (made["revision"], "active")


async def test_what_the_order_says_is_refused_with_every_change(tenant: Tenant):
    made = await tenant.deploy(wait=30)
    larger = tenant.changed(("size: 128Mi", "size: 256Mi"), ("Hello from the mesh", "Hello again"))

    refusal = await update(tenant, made, larger)

    problem = refusal.json()
    assert (refusal.status_code, problem["code"]) == (409, "update-needs-deployment")
    assert "for memory" in problem["detail"]
    assert {(c["what"], c["carried_by"]) for c in problem["changes"]} == {
        ("memory", "deployment"), ("env GREETING", "update")
    }  # fmt: skip
    assert (await tenant.read(made))["version_hash"] == made["version_hash"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ([("size: 128Mi", "size: 128MB")], "sdl-invalid"),
        ([("GREETING=Hello", "API_TOKEN=Hello")], "secret-in-sdl"),
        ([("debian:trixie-slim", "../etc")], "image-not-a-reference"),
    ],
)
async def test_what_is_never_deployed_is_no_update_either(
    tenant: Tenant, changes: list[tuple[str, str]], code: str
):
    made = await tenant.deploy(wait=30)

    refusal = await update(tenant, made, tenant.changed(*changes))

    assert (refusal.status_code, refusal.json()["code"]) == (409, code)


async def test_what_has_ended_is_not_updated(tenant: Tenant):
    made = await tenant.deploy(wait=30)
    await tenant.close(made)

    refusal = await update(tenant, made, tenant.changed(("Hello from", "Bye from")))

    assert (refusal.status_code, refusal.json()["code"], refusal.json()["state"]) == (
        409, "not-running", "closed"
    )  # fmt: skip


async def test_nobody_updates_what_belongs_to_somebody_else(
    sqlite_app: Any, tenant_of: TenantOf, issuer: Any
):
    other = issuer.headers("deployer:deploy", audience="deployer", subject="stranger")
    async with tenant_of(sqlite_app) as tenant:
        made = await tenant.deploy(wait=30)
        path = f"/v1/deployments/{made['deploymentId']}/update"
        refusal = await tenant.http.post(path, json={"sdl": HELLO}, headers=other)
        nothing = await tenant.http.post(f"/v1/deployments/{uuid4()}/update", json={"sdl": HELLO})

    assert (refusal.status_code, nothing.status_code) == (404, 404)


@pytest.mark.parametrize("sdl", [BROKEN, HELLO.replace("debian:trixie-slim", "ending:1")])
async def test_what_does_not_start_is_replaced_by_the_version_before(sqlite_stage: Stage, sdl: str):
    inner = sqlite_stage.simulated
    sqlite_stage.market.market = Picky(inner.database, inner.seed, inner.inputs)
    id = await sqlite_stage.accept()

    async with sqlite_stage.replica().working():
        first = await sqlite_stage.until(id, State.ACTIVE)
        await sqlite_stage.change(id, lambda d: updating(d, sdl))
        await sqlite_stage.until(id, State.LEASED, State.ACTIVE)
        async with asyncio.timeout(60):
            while (back := await sqlite_stage.find(id)).former or back.state is not State.ACTIVE:
                await asyncio.sleep(0.01)

    assert (back.sdl, back.version_hash, back.leases) == (HELLO, first.version_hash, first.leases)
    assert any("Back to" in step.note for step in back.history)
    async with sqlite_stage.database.read() as session:
        order = await session.get_one(SimulatedOrderRow, id)
    assert "debian:trixie-slim" in str(order.manifest)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("verb", ["send_manifest", "status"])
async def test_a_death_in_an_update_only_takes_longer(sqlite_stage: Stage, verb: str, moment: str):
    id = await sqlite_stage.accept()
    async with sqlite_stage.replica().working():
        first = await sqlite_stage.until(id, State.ACTIVE)
    await sqlite_stage.change(id, lambda d: updating(d, NEWER))
    call = len(sqlite_stage.market.asked) + (1 if verb == "send_manifest" else 2)
    sqlite_stage.market.deadly = (call, moment)
    async with sqlite_stage.replica().working(), asyncio.timeout(60):
        await sqlite_stage.market.died.wait()
    sqlite_stage.market.deadly = None

    async with sqlite_stage.replica().working():
        async with asyncio.timeout(60):
            while (active := await sqlite_stage.find(id)).state is not State.ACTIVE:
                await asyncio.sleep(0.01)

    assert sqlite_stage.market.asked[call - 1] == verb
    assert (active.sdl, active.leases, active.former) == (NEWER, first.leases, None)
    async with sqlite_stage.database.read() as session:
        order = await session.scalar(select(SimulatedOrderRow))
    assert order is not None
    assert "bookworm" in str(order.manifest)


def running(stage_deployment: Deployment) -> Deployment:
    """As far as `updated` asks."""
    return replace(stage_deployment, state=State.ACTIVE)


async def test_an_update_that_is_late_falls_back_and_one_that_was_first_ends(sqlite_stage: Stage):
    updated = running(sqlite_stage.deployment(created_at=NOW)).updated(NEWER, "b" * 64, None, NOW)
    late = NOW + timedelta(seconds=sqlite_stage.deployment().deadlines.start_s)

    back = updated.in_time(late)

    assert (back.state, back.sdl, back.former) == (State.LEASED, HELLO, None)
    assert back.in_time(late) is back
    ended = back.in_time(late + timedelta(seconds=300))
    assert ended.ending is not None
    assert (ended.state, ended.ending.code) == (State.CLOSING, "manifest-timeout")


async def test_an_update_is_for_what_runs(sqlite_stage: Stage):
    with pytest.raises(IllegalTransition):
        sqlite_stage.deployment().updated(NEWER, "b" * 64, None, NOW)


async def test_a_deployment_that_is_updated_for_years_keeps_the_end_of_its_history(sqlite_stage: Stage):
    deployment = running(sqlite_stage.deployment())
    for number in range(MAX_STEPS):
        deployment = deployment.updated(NEWER, f"{number:064}", None, NOW).running((), "Runs.", NOW)

    assert len(deployment.history) == MAX_STEPS
    assert deployment.explanation == "Runs."
