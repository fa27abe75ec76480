"""Another deployment takes the place of one: it runs first, and then the other goes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from mesh_deployer.domain.deployment import State
from mesh_deployer.domain.succession import MAX_FAIL_OVERS, elsewhere, rescued, scaled
from mesh_deployer.errors import ServiceUnknown, TooFewReplicas, TooManyReplicas
from mesh_deployer.ports import Condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from httpx import Response as Answer
    from stage import Stage

    from conftest import Tenant

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE = timedelta(minutes=5)
MISSING = Condition("starting", "A replica is gone.")


async def act(tenant: Tenant, deployment: dict[str, Any], verb: str, key: str = "", **body: Any) -> Answer:
    headers = {"Idempotency-Key": key or str(uuid4()), "Prefer": "wait=20"}
    path = f"/v1/deployments/{deployment['deploymentId']}/{verb}"
    return await tenant.http.post(path, json=body or None, headers=headers)


async def test_other_replicas_take_another_lease_and_the_first_is_closed_when_that_runs(tenant: Tenant):
    first = await tenant.deploy(wait=20)

    answer = await act(tenant, first, "scale", replicas={"web": 3})
    second = answer.json()
    ended = await tenant.until(first, "closed")

    assert answer.headers["location"] == f"/v1/deployments/{second['deploymentId']}"
    assert (second["status"], second["replaces"]) == ("active", first["deploymentId"])
    assert second["leaseId"] != first["leaseId"]
    assert second["version_hash"] != first["version_hash"]
    assert (ended["replaced_by"], ended["explanation"]) == (
        second["deploymentId"],
        f"Replaced by {second['deploymentId']}.",
    )


async def test_the_first_is_served_until_the_second_is(tenant: Tenant):
    first = await tenant.deploy(wait=20)

    second = (await act(tenant, first, "scale", replicas={"web": 2})).json()
    ended = await tenant.until(first, "closed")

    began = next(step["at"] for step in second["history"] if step["status"] == "active")
    left = next(step["at"] for step in ended["history"] if step["status"] == "closing")
    assert began <= left


async def test_a_fail_over_goes_to_somebody_else(tenant: Tenant):
    first = await tenant.deploy(wait=20, reputation_floor=0)

    second = (await act(tenant, first, "fail-over")).json()

    assert second["chosen"]["provider"] != first["chosen"]["provider"]
    assert second["version_hash"] == first["version_hash"]
    assert (await tenant.until(first, "closed"))["replaced_by"] == second["deploymentId"]


async def test_a_successor_that_nobody_takes_fails_and_the_first_runs_on(tenant: Tenant):
    sdl = tenant.with_attributes(region="eu-west")
    first = await tenant.deploy(sdl, wait=20, reputation_floor=0)
    last = deployment = first
    providers = 0
    while deployment["status"] == "active":
        last, providers = deployment, providers + 1
        deployment = await tenant.until(
            (await act(tenant, deployment, "fail-over")).json(), "active", "failed"
        )

    assert providers > 1
    assert (await tenant.read(last))["status"] == "active"
    assert deployment["replaces"] == last["deploymentId"]
    assert (await act(tenant, last, "scale", replicas={"web": 2})).status_code == 202


async def test_the_same_key_is_the_same_successor_and_another_one_has_to_wait(sqlite_stage: Stage):
    stage = sqlite_stage
    deployment = stage.deployment()

    ids = {elsewhere(deployment, key, NOW).id for key in ("a", "a", "b")}

    assert len(ids) == 2
    assert deployment.id not in ids


async def test_asking_twice_with_one_key_begins_one(tenant: Tenant):
    first = await tenant.deploy(wait=20)

    answers = [(await act(tenant, first, "scale", "once", replicas={"web": 2})).json() for _ in range(2)]

    assert len({answer["deploymentId"] for answer in answers}) == 1
    assert len((await tenant.http.get("/v1/deployments")).json()["items"]) == 2


async def test_as_many_as_there_are_is_the_same_deployment(tenant: Tenant):
    first = await tenant.deploy(wait=20)

    answer = await act(tenant, first, "scale", replicas={"web": 1})

    assert answer.json()["deploymentId"] == first["deploymentId"]


@pytest.mark.parametrize(
    ("replicas", "code"), [({"web": 11}, "too-many-replicas"), ({"nobody": 2}, "service-unknown")]
)
async def test_replicas_are_bounded_and_for_services_that_there_are(
    tenant: Tenant, replicas: dict[str, int], code: str
):
    first = await tenant.deploy(wait=20)

    refused = await act(tenant, first, "scale", replicas=replicas)

    assert (refused.status_code, refused.json()["code"]) == (409, code)


async def test_a_whole_number_may_be_written_with_a_point(tenant: Tenant):
    first = await tenant.deploy(wait=20)

    answer = await act(tenant, first, "scale", replicas={"web": 1.0})

    assert (answer.status_code, answer.json()["deploymentId"]) == (202, first["deploymentId"])


@pytest.mark.parametrize(
    "replicas", [{}, {"web": 1.5}, {"web": True}, {"web": 0}, {"web": -1}, {"web": "2"}, {"WEB": 2}]
)
async def test_what_is_no_number_of_replicas_does_not_fit(tenant: Tenant, replicas: dict[str, Any]):
    first = await tenant.deploy()

    assert (await act(tenant, first, "scale", replicas=replicas)).status_code == 422


async def test_what_has_ended_has_no_successor(tenant: Tenant):
    first = await tenant.deploy(wait=20)
    await tenant.close(first)

    refused = await act(tenant, first, "fail-over")

    assert (refused.status_code, refused.json()["code"]) == (409, "not-running")


async def test_a_deployment_of_somebody_else_is_not_found(tenant: Tenant):
    unknown = {"deploymentId": str(uuid4())}

    assert (await act(tenant, unknown, "fail-over")).status_code == 404


async def test_a_deposit_that_raises_itself_is_asked_for_at_once_and_is_inherited(tenant: Tenant):
    first = await tenant.deploy(wait=20, top_up_to_uact="900000")

    second = (await act(tenant, first, "scale", replicas={"web": 2})).json()

    assert [d["funds"]["top_up_to_uact"] for d in (first, second)] == ["900000"] * 2


def change(**given: Any) -> Callable[[Stage], Any]:
    return lambda stage: stage.deployment(state=State.ACTIVE, **given)


async def test_what_is_scaled_pays_more_and_is_of_another_size(sqlite_stage: Stage):
    before = sqlite_stage.deployment()

    after = scaled(before, {"web": 4}, range(2, 11), "k", NOW)

    assert (
        after.terms.placements[0].ceiling_uact_per_block
        == 4 * before.terms.placements[0].ceiling_uact_per_block
    )
    assert after.shape.memory_bytes == 4 * before.shape.memory_bytes
    assert (after.state, after.replaces, after.history) == (State.CREATED, before.id, ())
    with pytest.raises(TooManyReplicas):
        scaled(before, {"web": 11}, range(2, 11), "k", NOW)
    with pytest.raises(TooFewReplicas):
        scaled(before, {"web": 1}, range(2, 11), "k", NOW)
    with pytest.raises(ServiceUnknown):
        scaled(before, {"other": 1}, range(2, 11), "k", NOW)


@pytest.mark.parametrize(
    ("given", "is_rescued"),
    [
        ({"fail_overs": 0, "unready_since": NOW - PATIENCE}, True),
        ({"fail_overs": 0, "unready_since": NOW}, False),
        ({"fail_overs": 0, "unready_since": None}, False),
        ({"fail_overs": None, "unready_since": NOW - PATIENCE}, False),
        ({"fail_overs": MAX_FAIL_OVERS, "unready_since": NOW - PATIENCE}, False),
        ({"fail_overs": 0, "unready_since": NOW - PATIENCE, "replaced_by": UUID(int=1)}, False),
    ],
)
async def test_only_what_was_asked_for_and_is_missing_for_long_is_begun_elsewhere(
    sqlite_stage: Stage, given: dict[str, Any], is_rescued: bool
):
    successor = rescued(change(**given)(sqlite_stage), PATIENCE, NOW)

    assert (successor is not None) is is_rescued
    assert successor is None or successor.fail_overs == 1


async def test_missing_replicas_are_noticed_and_what_stays_where_it_is_runs_on(sqlite_stage: Stage):
    stage = sqlite_stage
    async with stage.replica(watch_s=0.05).working():
        id = await stage.accept()
        await stage.until(id, State.ACTIVE)
        stage.market.condition = MISSING
        while (seen := await stage.find(id)).unready_since is None:
            await stage.until(id, State.ACTIVE)
        stage.market.condition = None
        while (again := await stage.find(id)).unready_since is not None:
            await stage.until(id, State.ACTIVE)

    assert seen.explanation == "Not all replicas are there."
    assert (again.explanation, again.state) == ("All replicas are there again.", State.ACTIVE)


async def test_a_workload_whose_replicas_stay_away_is_begun_elsewhere_by_itself(sqlite_stage: Stage):
    stage = sqlite_stage
    driver = stage.replica(watch_s=0.05)
    driver.fail_over_s = 0
    async with driver.working():
        id = await stage.accept(fail_overs=0)
        await stage.until(id, State.ACTIVE)
        stage.market.condition = MISSING
        while (first := await stage.find(id)).replaced_by is None:
            await stage.until(id, State.ACTIVE, State.CLOSING, State.CLOSED)
        stage.market.condition = None
        second = await stage.until(first.replaced_by, State.ACTIVE)
        ended = await stage.until(id, State.CLOSED)

    assert [bid.provider for bid in second.chosen] != [bid.provider for bid in first.chosen]
    assert ended.ending is not None
    assert ended.ending.text == f"Replaced by {second.id}."


async def test_what_died_between_the_start_of_one_and_the_end_of_the_other_is_done_at_the_next_look(
    sqlite_stage: Stage,
):
    stage = sqlite_stage
    async with stage.replica().working():
        id = await stage.accept()
        await stage.until(id, State.ACTIVE)
        successor = await stage.accept(replaces=id)
        await stage.until(successor, State.ACTIVE)
        await stage.until(id, State.CLOSED)
    assert len(await stage.market.held()) == 1
