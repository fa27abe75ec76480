"""Where a registration stands follows from its transaction and the index, and from nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from mesh_registry.domain import naming
from mesh_registry.domain.agents import Agent
from mesh_registry.domain.chain import Block, Depths
from mesh_registry.domain.intents import Registration, Stake, Switch, Unstake, Update, Withdrawal, claim_of
from mesh_registry.domain.operations import Operation, OperationStatus
from mesh_registry.repository.agents import Agents
from mesh_registry.repository.ledger import Ledger
from mesh_registry.repository.operations import Accepted, Operations
from mesh_shared.chain.journal import REPLACED, Call, Journal, State
from mesh_shared.content import cid
from sqlalchemy.exc import IntegrityError

if TYPE_CHECKING:
    from mesh_shared.database.engine import Database

DEPTHS = Depths(confirmed=2, finalized=4)
OWNER = "0x" + "11" * 20
HASH, EARLIER, FOREIGN = ("0x" + digit * 64 for digit in "abc")
AGENT_ID = naming.agent_id_of("acme/one")
REGISTRATION = Registration(
    owner=OWNER,
    agent_id=AGENT_ID,
    did="did:x:y",
    cid=str(cid.of(b"metadata")),
    stake_units=2**100,
    capabilities=naming.capability_hashes(["b", "a"]),
)
AGENT = Agent(
    token_id=1,
    transaction_hash=HASH,
    registered_in=10,
    changed_in=10,
    stated_in=10,
    agent_id=REGISTRATION.agent_id,
    owner=OWNER,
)


async def accepted(database: Database, intent: Any = REGISTRATION, **transaction: object) -> UUID:
    """An operation whose transaction is as given."""
    id = uuid4()
    async with database.write() as session:
        key = await Journal(session).prepare(f"register:{id}", OWNER, Call(OWNER, b""))
        await session.flush()
        row = await Journal(session).get(key)
        for name, value in transaction.items():
            setattr(row, name, value)
        one = Accepted(
            id=id, claim=claim_of(intent, id), intent=intent, transaction_id=key, requested_by="tester"
        )
        await Operations(session, DEPTHS).add([one])
    return id


async def indexed(database: Database, agent: Agent, head: int) -> None:
    async with database.write() as session:
        await Agents(session).save([(agent, {})])
        await Ledger(session).extend([Block(head, f"0x{head:064x}", f"0x{head - 1:064x}")], [])


async def read(database: Database, id: UUID) -> Operation:
    async with database.read() as session:
        found = await Operations(session, DEPTHS).get(id)
    assert found is not None
    return found


async def test_a_registration_is_kept_as_it_was_asked_for(database: Database):
    id = await accepted(database)

    operation = await read(database, id)

    assert operation.intent == REGISTRATION
    assert (operation.status, operation.transaction_hash) == (OperationStatus.PENDING, None)
    assert (operation.is_signed, operation.is_over, operation.has_failed) == (False, False, False)


@pytest.mark.parametrize(
    ("transaction", "status", "refusal"),
    [
        ({"state": State.PREPARED, "hash": HASH}, OperationStatus.PENDING, None),
        ({"state": State.BROADCAST, "hash": HASH}, OperationStatus.PENDING, None),
        ({"state": State.MINED, "hash": HASH, "succeeded": True}, OperationStatus.PENDING, None),
        ({"state": State.FINAL, "hash": HASH, "succeeded": True}, OperationStatus.PENDING, None),
        ({"state": State.MINED, "hash": HASH, "succeeded": False}, OperationStatus.FAILED, None),
        ({"state": State.REJECTED, "error": "0x12345678"}, OperationStatus.FAILED, "0x12345678"),
        ({"state": State.UNKNOWN, "hash": HASH}, OperationStatus.UNKNOWN, None),
        ({"state": State.LOST, "hash": HASH, "error": REPLACED}, OperationStatus.FAILED, REPLACED),
    ],
    ids=str,
)
async def test_while_the_index_has_no_agent_the_transaction_tells(
    database: Database, transaction: dict[str, object], status: OperationStatus, refusal: str | None
):
    operation = await read(database, await accepted(database, **transaction))

    assert (operation.status, operation.refusal) == (status, refusal)
    assert operation.is_signed
    assert operation.is_over == (status is OperationStatus.FAILED)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (10, OperationStatus.PENDING),
        (11, OperationStatus.CONFIRMED),
        (12, OperationStatus.CONFIRMED),
        (13, OperationStatus.FINALIZED),
    ],
)
async def test_once_the_index_has_the_agent_its_depth_tells(
    database: Database, head: int, status: OperationStatus
):
    id = await accepted(database, state=State.UNKNOWN, hash=HASH)
    await indexed(database, AGENT, head)

    operation = await read(database, id)

    assert operation.status is status
    assert operation.is_over == (status is not OperationStatus.PENDING)


async def test_the_hash_is_that_of_the_price_at_which_it_was_mined(database: Database):
    id = await accepted(database, state=State.BROADCAST, hash=HASH, earlier_hashes=[EARLIER])
    await indexed(database, replace(AGENT, transaction_hash=EARLIER), 11)

    operation = await read(database, id)

    assert (operation.transaction_hash, operation.status) == (EARLIER, OperationStatus.CONFIRMED)


async def test_an_agent_that_somebody_else_registered_is_not_ours(database: Database):
    id = await accepted(database, state=State.MINED, hash=HASH, succeeded=False)
    await indexed(database, replace(AGENT, transaction_hash=FOREIGN), 20)

    assert (await read(database, id)).status is OperationStatus.FAILED


async def test_an_id_is_claimed_by_one_registration_until_that_is_released(database: Database):
    first = await accepted(database)
    with pytest.raises(IntegrityError):
        await accepted(database)

    async with database.write() as session:
        await Operations(session, DEPTHS).release([first])
    second = await accepted(database)

    async with database.read() as session:
        claiming = await Operations(session, DEPTHS).claiming([REGISTRATION.agent_id])
    assert [operation.id for operation in claiming.values()] == [second]
    assert (await read(database, first)).intent == REGISTRATION


CHANGES = [
    Update(agent_id=AGENT_ID, cid=REGISTRATION.cid, capabilities=("0x01",), expected_version=2**53),
    Switch(agent_id=AGENT_ID, expected_version=1, kind="deactivate"),
    Stake(agent_id=AGENT_ID, units=2**127),
    Unstake(agent_id=AGENT_ID, units=1),
    Withdrawal(agent_id=AGENT_ID),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.kind)
async def test_a_change_is_kept_as_it_was_asked_for(database: Database, change: Any):
    operation = await read(database, await accepted(database, change))

    assert operation.intent == change


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (9, OperationStatus.PENDING),
        (10, OperationStatus.PENDING),
        (11, OperationStatus.CONFIRMED),
        (13, OperationStatus.FINALIZED),
    ],
)
async def test_a_change_is_as_sure_as_the_indexed_blocks_above_it(
    database: Database, head: int, status: OperationStatus
):
    mined = {"state": State.MINED, "hash": HASH, "succeeded": True, "block_number": 10}
    id = await accepted(database, Withdrawal(agent_id=AGENT_ID), **mined)
    await indexed(database, AGENT, head)

    operation = await read(database, id)

    assert operation.status is status
    assert operation.is_over == (status is not OperationStatus.PENDING)


async def test_a_change_is_not_taken_for_the_registration_of_its_agent(database: Database):
    id = await accepted(database, Withdrawal(agent_id=AGENT_ID), state=State.BROADCAST, hash=HASH)
    await indexed(database, AGENT, 20)

    assert (await read(database, id)).status is OperationStatus.PENDING


def test_two_changes_of_one_version_claim_the_same_and_two_stakes_do_not():
    update, switch, *others = CHANGES
    ids = [uuid4(), uuid4()]

    claims = {claim_of(replace(update, expected_version=1), ids[0]), claim_of(switch, ids[1])}
    apart = {claim_of(change, id) for change in others for id in ids}

    assert claims == {f"{AGENT_ID}@1"}
    assert apart == {str(id) for id in ids}
