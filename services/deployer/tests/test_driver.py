"""What moves deployments: when the market is silent, when there are two replicas, when it is stopped."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from mesh_deployer.domain.deployment import Deadlines, State
from mesh_deployer.ports import Condition
from mesh_deployer.repository.deployments import Deployments
from mesh_deployer.service.leftovers import Leftovers
from mesh_deployer.service.steps import Steps

if TYPE_CHECKING:
    from stage import Stage


async def test_a_silent_market_holds_a_deployment_up_and_costs_it_nothing(sqlite_stage: Stage):
    sqlite_stage.market.is_down = True
    id = await sqlite_stage.accept()

    async with sqlite_stage.replica().working():
        async with asyncio.timeout(60):
            while (await sqlite_stage.find(id)).state is not State.CREATED or not await _attempts(
                sqlite_stage, id
            ):
                await asyncio.sleep(0.01)
        sqlite_stage.market.is_down = False
        active = await sqlite_stage.until(id, State.ACTIVE)

    assert [step.state for step in active.history] == ["open", "chosen", "leased", "active"]


async def _attempts(stage: Stage, id: UUID) -> int:
    async with stage.database.read() as session:
        looked = await Deployments(session).look(id)
    return looked[1] if looked else 0


@pytest.mark.parametrize(
    ("deadlines", "at", "code"),
    [
        (Deadlines(bid_window_s=0, bid_s=0.3, start_s=300), "create", "market-timeout"),
        (Deadlines(bid_window_s=0, bid_s=0.3, start_s=300), "bids", "no-acceptable-bid"),
        (Deadlines(bid_window_s=0, bid_s=300, start_s=0.3), "send_manifest", "manifest-timeout"),
    ],
)
async def test_a_market_that_stays_silent_ends_a_deployment_at_its_deadline(
    sqlite_stage: Stage, deadlines: Deadlines, at: str, code: str
):
    id = await sqlite_stage.accept(deadlines)
    before = {"create": "", "bids": "create", "send_manifest": "accept"}[at]

    async with sqlite_stage.replica().working():
        async with asyncio.timeout(60):
            while before and before not in sqlite_stage.market.asked:
                await asyncio.sleep(0)
        sqlite_stage.market.is_down = True
        closing = await sqlite_stage.until(id, State.CLOSING)
        sqlite_stage.market.is_down = False
        failed = await sqlite_stage.until(id, State.FAILED)

    assert closing.ending is not None
    assert closing.ending.code == code
    assert failed.refunded_uact == 500_000
    assert await sqlite_stage.market.held() == []


async def test_what_runs_is_looked_at_now_and_then_and_what_has_died_is_started_again(sqlite_stage: Stage):
    stage = sqlite_stage
    id = await stage.accept()

    async with stage.replica(watch_s=0.05).working(), asyncio.timeout(60):
        await stage.until(id, State.ACTIVE)
        started = stage.market.asked.count("send_manifest")
        stage.market.condition = Condition("exited", "It was shot.")
        while (dead := await stage.find(id)).unready_since is None:
            await asyncio.sleep(0.01)
        again = stage.market.asked.count("send_manifest")
        stage.market.condition = Condition("running", "It runs.", ("http://127.0.0.1:7",))
        while (alive := await stage.find(id)).unready_since is not None:
            await asyncio.sleep(0.01)

    assert again > started
    assert (dead.state, dead.explanation) == (State.ACTIVE, "Not all replicas are there.")
    assert (alive.state, alive.uris) == (State.ACTIVE, ("http://127.0.0.1:7",))
    assert alive.explanation == "All replicas are there again."


async def test_what_ends_before_it_ever_ran_has_failed(sqlite_stage: Stage):
    sqlite_stage.market.condition = Condition("exited", "It was shot.")
    id = await sqlite_stage.accept()

    async with sqlite_stage.replica().working():
        failed = await sqlite_stage.until(id, State.FAILED)

    assert failed.explanation == "It was shot."
    assert await sqlite_stage.market.held() == []


async def test_what_runs_and_goes_on_running_is_left_alone(sqlite_stage: Stage):
    id = await sqlite_stage.accept()

    async with sqlite_stage.replica(watch_s=0.02).working():
        active = await sqlite_stage.until(id, State.ACTIVE)
        seen = sqlite_stage.market.asked.count("status")
        async with asyncio.timeout(60):
            while sqlite_stage.market.asked.count("status") < seen + 5:
                await asyncio.sleep(0.01)

    assert await sqlite_stage.find(id) == active


async def test_an_order_that_the_market_closed_by_itself_is_a_failure(sqlite_stage: Stage):
    id = await sqlite_stage.accept()

    async with sqlite_stage.replica(watch_s=0.05).working():
        await sqlite_stage.until(id, State.ACTIVE)
        await sqlite_stage.market.close(id)
        failed = await sqlite_stage.until(id, State.FAILED)

    assert failed.ending is not None
    assert failed.ending.code == "order-not-open"


async def test_a_deposit_that_is_used_up_ends_a_deployment_and_that_is_the_reason(sqlite_stage: Stage):
    id = await sqlite_stage.accept(deposit_uact=1)

    async with sqlite_stage.replica(watch_s=0.01).working():
        failed = await sqlite_stage.until(id, State.FAILED)

    assert failed.ending is not None
    assert (failed.ending.code, failed.refunded_uact) == ("insufficient-funds", 0)
    assert await sqlite_stage.market.held() == []


async def test_two_replicas_share_the_work_and_do_nothing_twice(stage: Stage):
    ids = [await stage.accept() for _ in range(12)]

    async with stage.replica("a", parallel=3).working(), stage.replica("b", parallel=3).working():
        for id in ids:
            await stage.until(id, State.ACTIVE)

    assert stage.market.asked.count("create") == stage.market.asked.count("accept") == 12
    assert (await stage.facts()).count("deployer.lease-created.v1") == 12


async def test_more_deployments_than_places_all_get_their_turn(sqlite_stage: Stage):
    ids = [await sqlite_stage.accept() for _ in range(10)]

    async with asyncio.timeout(60), sqlite_stage.replica(parallel=1).working():
        for id in ids:
            await sqlite_stage.until(id, State.ACTIVE)

    assert sqlite_stage.market.asked.count("accept") == 10


async def test_what_a_dead_replica_had_taken_is_taken_up_at_its_next_start(stage: Stage):
    """It is claimed for a minute; its own next start does not wait for that."""
    id, now = await stage.accept(), datetime.now(UTC)
    async with stage.database.write() as session:
        assert await Deployments(session).claim([id], "dead", now, now + timedelta(seconds=60)) == [id]

    async with stage.replica("dead").working():
        assert (await stage.until(id, State.ACTIVE)).id == id


async def test_what_a_replica_that_stays_dead_had_taken_falls_to_another_when_its_claim_ends(stage: Stage):
    id, now = await stage.accept(), datetime.now(UTC)
    async with stage.database.write() as session:
        await Deployments(session).claim([id], "dead", now, now + timedelta(seconds=0.3))

    async with stage.replica("alive").working():
        assert (await stage.until(id, State.ACTIVE)).id == id


async def test_a_wish_of_its_owner_wins_over_a_step_under_way(stage: Stage):
    """The step's outcome is dropped, and the order that it opened is closed with the rest."""
    id = await stage.accept()
    deployment = await stage.find(id)
    after = await Steps({"simulated": stage.market}).take(deployment)

    await stage.change(id, lambda d: d.closing(datetime.now(UTC)))
    async with stage.database.write() as session:
        assert not await Deployments(session).replace(deployment, after)
    async with stage.replica().working():
        closed = await stage.until(id, State.CLOSED)

    assert closed.refunded_uact == 500_000
    assert await stage.market.held() == []


async def test_a_step_that_is_a_bug_of_ours_ends_one_look_and_no_others(sqlite_stage: Stage):
    sick = await sqlite_stage.accept(sdl="no sdl")
    well = await sqlite_stage.accept()

    async with sqlite_stage.replica(parallel=1).working():  # one at a time: the sick one comes first
        active = await sqlite_stage.until(well, State.ACTIVE)

    assert active.id == well
    assert (await sqlite_stage.find(sick)).state is State.CREATED


async def test_stopping_drops_what_is_under_way_and_the_next_start_takes_it_up(sqlite_stage: Stage):
    id = await sqlite_stage.accept()
    async with sqlite_stage.replica().working():
        async with asyncio.timeout(60):
            while "create" not in sqlite_stage.market.asked:
                await asyncio.sleep(0)

    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("deployment ")]
    async with sqlite_stage.replica().working():
        assert (await sqlite_stage.until(id, State.ACTIVE)).id == id


def sweeping(stage: Stage) -> Leftovers:
    return Leftovers(database=stage.database, markets={"simulated": stage.market}, pause_s=0, timeout_s=5)


async def test_what_a_market_holds_for_an_ended_deployment_is_closed_and_nothing_else(sqlite_stage: Stage):
    ended, alive = await sqlite_stage.accept(), await sqlite_stage.accept()
    for id in (ended, alive):
        await Steps({"simulated": sqlite_stage.market}).take(await sqlite_stage.find(id))
    await sqlite_stage.change(ended, lambda d: d.closing(datetime.now(UTC)).ended(0, datetime.now(UTC)))

    await sweeping(sqlite_stage).turn()

    assert await sqlite_stage.market.held() == [alive]


async def test_a_market_that_cannot_be_searched_is_searched_the_next_time(sqlite_stage: Stage):
    id = await sqlite_stage.accept()
    await Steps({"simulated": sqlite_stage.market}).take(await sqlite_stage.find(id))
    await sqlite_stage.change(id, lambda d: d.closing(datetime.now(UTC)).ended(0, datetime.now(UTC)))
    sqlite_stage.market.is_down = True

    await sweeping(sqlite_stage).turn()
    sqlite_stage.market.is_down = False
    await sweeping(sqlite_stage).turn()

    assert await sqlite_stage.market.held() == []


async def test_a_market_that_nobody_used_is_not_searched(sqlite_stage: Stage):
    await sweeping(sqlite_stage).turn()

    assert sqlite_stage.market.asked == []


async def test_more_orders_than_a_query_has_parameters_are_told_apart(stage: Stage):
    alive = await stage.accept()
    strangers = [uuid4() for _ in range(2500)]

    async with stage.database.read() as session:
        live = await Deployments(session).live([*strangers, alive])

    assert list(live) == [alive]
