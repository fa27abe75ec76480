"""Every query on deployments, on both databases."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from mesh_deployer.domain.choice import Choice
from mesh_deployer.domain.deployment import Lease
from mesh_deployer.domain.market import Bid, Declined, ScoredBid
from mesh_deployer.repository.deployments import Deployments, Rest
from sqlalchemy.exc import IntegrityError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from mesh_deployer.domain.deployment import Deployment
    from stage import Stage

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@asynccontextmanager
async def reading(stage: Stage) -> AsyncGenerator[Deployments, None]:
    async with stage.database.read() as session:
        yield Deployments(session)


@asynccontextmanager
async def writing(stage: Stage) -> AsyncGenerator[Deployments, None]:
    async with stage.database.write() as session:
        yield Deployments(session)


async def add(stage: Stage, number: int, created_at: datetime = NOW, owner: str = "alice") -> Deployment:
    deployment = stage.deployment(id=UUID(int=number), owner=owner, created_at=created_at)
    async with writing(stage) as deployments:
        deployments.add(deployment)
    return deployment


async def test_a_deployment_is_read_as_it_was_stored_to_the_last_field(stage: Stage):
    bid = Bid(
        provider="sim1ü",
        uri="https://a.invalid",
        uact_per_block=Decimal("2.798345"),
        reputation=Decimal("0.94"),
        attributes={"region": "eu-west"},
    )
    deployment = await add(stage, 1, NOW + timedelta(microseconds=1))
    seen = deployment.opened(NOW).saw(
        Choice((ScoredBid(bid=bid, rank=1, reason="Cheapest."),), (1,)),
        (Declined(provider="b", reason="Busy."),),
    )
    leased = seen.chose([bid], NOW).got_leases([Lease(lease_id="l/1", provider_uri="https://a.invalid")], NOW)
    running = leased.running(("http://127.0.0.1:1",), "It runs.", NOW)
    async with writing(stage) as deployments:
        assert await deployments.replace(deployment, running)

    async with reading(stage) as deployments:
        found = await deployments.find(deployment.id)

    assert found == running
    assert found is not None
    assert type(found.bids[0].bid.uact_per_block) is Decimal


async def test_nothing_is_stored_over_what_has_changed_meanwhile(stage: Stage):
    deployment = await add(stage, 1)
    async with writing(stage) as deployments:
        assert await deployments.replace(deployment, deployment.opened(NOW))

    async with writing(stage) as deployments:
        assert not await deployments.replace(deployment, deployment.closing(NOW), Rest(NOW, 0))

    async with reading(stage) as deployments:
        assert await deployments.find(deployment.id) == deployment.opened(NOW)


async def test_pages_are_newest_first_and_equal_times_lose_and_repeat_nothing(stage: Stage):
    for number in range(1, 8):
        await add(stage, number, after(number // 3))

    pages: list[list[int]] = []
    before = None
    while not pages or pages[-1]:
        async with reading(stage) as deployments:
            found = await deployments.page("alice", before, 2)
        pages.append([deployment.id.int for deployment in found])
        before = (found[-1].created_at, found[-1].id) if found else None

    assert [number for page in pages for number in page] == [7, 6, 5, 4, 3, 2, 1]


async def test_a_page_is_its_owners_or_everybodys(stage: Stage):
    await add(stage, 1, owner="alice")
    await add(stage, 2, owner="bob")

    async with reading(stage) as deployments:
        owned = [d.id.int for d in await deployments.page("alice", None, 10)]
        all_of_them = [d.id.int for d in await deployments.page(None, None, 10)]

    assert (owned, all_of_them) == ([1], [2, 1])


async def waiting(stage: Stage, *excluded: int, limit: int = 10) -> list[tuple[int, datetime]]:
    async with reading(stage) as deployments:
        queue = await deployments.queue([UUID(int=number) for number in excluded], limit)
    return [(id.int, due_at) for id, due_at in queue]


async def test_what_waits_comes_longest_waiting_first_and_without_what_is_under_way(stage: Stage):
    for number, due in ((1, 3), (2, 1), (3, 2), (4, 99)):
        await add(stage, number, after(due))

    assert await waiting(stage) == [(2, after(1)), (3, after(2)), (1, after(3)), (4, after(99))]
    assert await waiting(stage, 2, 4) == [(3, after(2)), (1, after(3))]
    assert await waiting(stage, limit=1) == [(2, after(1))]
    assert await waiting(stage, 1, 2, 3, 4) == []


async def test_what_is_claimed_is_due_again_only_when_the_claim_ends(stage: Stage):
    id = (await add(stage, 1)).id

    async with writing(stage) as deployments:
        first = await deployments.claim([id], "a", NOW, after(60))
    async with writing(stage) as deployments:
        second = await deployments.claim([id], "b", after(59), after(120))
    async with writing(stage) as deployments:
        late = await deployments.claim([id], "b", after(60), after(120))

    assert (list(first), list(second), list(late)) == ([id], [], [id])


async def test_a_replica_lets_go_of_its_own_and_of_nobody_elses(stage: Stage):
    ids = [(await add(stage, number)).id for number in (1, 2, 3)]
    async with writing(stage) as deployments:
        await deployments.claim(ids[:2], "a", NOW, after(60))
    async with writing(stage) as deployments:
        await deployments.claim(ids[2:], "b", NOW, after(60))

    async with writing(stage) as deployments:
        await deployments.release("a", after(1), only=ids[1:])
    assert await waiting(stage, limit=1) == [(2, after(1))]
    async with writing(stage) as deployments:
        await deployments.release("a", after(1))

    assert {number for number, due_at in await waiting(stage) if due_at == after(1)} == {1, 2}


async def test_what_has_ended_is_never_due_again(stage: Stage):
    deployment = await add(stage, 1)
    closed = deployment.closing(NOW).ended(0, NOW)
    async with writing(stage) as deployments:
        assert await deployments.replace(deployment, closed, Rest(None, 0))
        await deployments.release("a", NOW)

    assert await waiting(stage) == []
    async with reading(stage) as deployments:
        assert list(await deployments.live([deployment.id])) == []
        assert list(await deployments.backends()) == ["simulated"]


async def test_the_attempts_are_remembered_between_looks(stage: Stage):
    deployment = await add(stage, 1)
    async with writing(stage) as deployments:
        await deployments.replace(deployment, deployment, Rest(after(1), 7))

    async with reading(stage) as deployments:
        assert await deployments.look(deployment.id) == (deployment, 7)
        assert await deployments.look(UUID(int=99)) is None


async def test_a_lease_belongs_to_one_deployment(stage: Stage):
    """Whatever goes wrong elsewhere, the table takes no second one."""
    lease = Lease(lease_id="l/1", provider_uri="https://a.invalid")
    bid = Bid(provider="a", uri="u", uact_per_block=Decimal(1), reputation=Decimal(1))
    choice = Choice((ScoredBid(bid=bid, rank=1, reason="Cheapest."),), (1,))
    refused = False
    for number in (1, 2):
        deployment = await add(stage, number)
        leased = deployment.opened(NOW).saw(choice, ()).chose([bid], NOW).got_leases([lease], NOW)
        try:
            async with writing(stage) as deployments:
                await deployments.replace(deployment, leased)
        except IntegrityError:
            refused = number == 2

    assert refused
