import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from eth_account import Account
from mesh_cli import parts
from mesh_cli.processes import Process
from mesh_shared import background
from mesh_shared.bell import wait
from mesh_shared.chain import versions_dir
from mesh_shared.chain.errors import ChainUnavailable, TransactionRejected, TransactionReplaced
from mesh_shared.chain.journal import REPLACED, Call, Journal, State, TransactionRow
from mesh_shared.chain.rpc import Rpc
from mesh_shared.chain.sender import TransactionSender, succeeded
from mesh_shared.database import engine, migrate
from mesh_shared.database.engine import Database

# Adds one to slot 0.
COUNTER = "0x600054600101600055"
# Without call data sets slot 0 to 1; with call data reverts unless that was done.
DOOR = "0x36600a57600160005500" + "5b600054601657600060" + "00fd5b00"
ADDRESS = "0x" + "c0" * 20
KEY = "0x" + "51" * 32
ONE_ETHER = hex(10**18)


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Process]:
    """A chain of one test's own, which mines only when told to."""
    process = parts.anvil(parts.free_port(), tmp_path, "--no-mining")
    yield process
    process.stop()


@pytest.fixture
async def rpc(chain: Process) -> AsyncIterator[Rpc]:
    rpc = Rpc(f"http://127.0.0.1:{port_of(chain)}", parts.CHAIN_ID)
    await rpc.request("anvil_setBalance", Account.from_key(KEY).address, ONE_ETHER)
    yield rpc
    await rpc.close()


def port_of(chain: Process) -> str:
    arguments = chain.popen.args
    assert isinstance(arguments, list)
    return str(arguments[arguments.index("--port") + 1])


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = engine.connect(database_url)
    await migrate.upgrade(database, [versions_dir])
    yield database
    await database.engine.dispose()


@pytest.fixture
def sender(database: Database, rpc: Rpc) -> TransactionSender:
    return TransactionSender(database, rpc, Account.from_key(KEY), patience=timedelta(milliseconds=200))


def working(sender: TransactionSender) -> AbstractAsyncContextManager[None]:
    return background.beside(background.forever("sender", sender.turn))


async def install(rpc: Rpc, code: str) -> None:
    await rpc.request("anvil_setCode", ADDRESS, code)


async def mine_for_ever(rpc: Rpc) -> None:
    while True:
        await rpc.request("evm_mine")
        await asyncio.sleep(0.05)


def mining(rpc: Rpc) -> AbstractAsyncContextManager[None]:
    return background.beside(mine_for_ever(rpc))


async def slot(rpc: Rpc) -> int:
    return int(await rpc.request("eth_getStorageAt", ADDRESS, "0x0", "latest"), 16)


async def prepare(sender: TransactionSender, key: str, data: bytes = b"") -> Any:
    async with sender.database.write() as session:
        return await Journal(session).prepare(key, sender.address, Call(ADDRESS, data))


async def row(sender: TransactionSender, id: Any) -> Any:
    async with sender.database.read() as session:
        return await Journal(session).get(id)


async def until(sender: TransactionSender, id: Any, state: State) -> Any:
    async with asyncio.timeout(60):
        while (found := await row(sender, id)).state != state:
            await asyncio.sleep(0.02)
    return found


async def test_fifty_transactions_at_once_are_all_mined_once(sender: TransactionSender, rpc: Rpc):
    await install(rpc, COUNTER)
    async with working(sender), mining(rpc), asyncio.TaskGroup() as tasks:
        sent = [tasks.create_task(sender.execute(f"count:{n}", Call(ADDRESS, b""), 60)) for n in range(50)]

    assert await slot(rpc) == 50
    assert sorted(task.result().nonce or 0 for task in sent) == list(range(50))


async def test_those_who_wait_for_one_block_look_together(
    sender: TransactionSender, rpc: Rpc, database: Database
):
    await install(rpc, COUNTER)
    calls = {f"together-{n}": Call(ADDRESS, b"") for n in range(40)}
    async with database.write() as session:
        ids = (await Journal(session).prepare_all(sender.address, calls)).values()
    looks: list[int] = []
    all_of = Journal.all

    async def counted(journal: Journal, wanted: Sequence[UUID]) -> Sequence[TransactionRow]:
        looks.append(len(wanted))
        return await all_of(journal, wanted)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "all", counted)
        waiting = asyncio.gather(*(sender.settled(id, 60) for id in ids))
        async with working(sender), mining(rpc):
            rows = await waiting

    assert {row.succeeded for row in rows} == {True}
    assert len(looks) < len(calls)
    assert max(looks) == len(calls)


async def test_the_same_key_is_one_transaction(sender: TransactionSender, rpc: Rpc):
    await install(rpc, COUNTER)
    async with working(sender), mining(rpc):
        first = await sender.execute("count", Call(ADDRESS, b""), 10)
        second = await sender.execute("count", Call(ADDRESS, b""), 10)

    assert first.hash == second.hash
    assert await slot(rpc) == 1


async def test_what_the_contract_refuses_is_never_sent(sender: TransactionSender, rpc: Rpc):
    await install(rpc, DOOR)
    async with working(sender), mining(rpc):
        with pytest.raises(TransactionRejected):
            await sender.execute("enter", Call(ADDRESS, b"1"), 10)

    assert await rpc.request("eth_getTransactionCount", sender.address, "pending") == "0x0"


async def test_what_depends_on_an_earlier_transaction_waits_for_it(sender: TransactionSender, rpc: Rpc):
    await install(rpc, DOOR)
    opened, entered = await prepare(sender, "open"), await prepare(sender, "enter", b"1")
    async with working(sender), mining(rpc):
        await until(sender, opened, State.MINED)
        found = await until(sender, entered, State.MINED)

    assert found.succeeded


async def test_bytes_signed_before_a_crash_are_the_bytes_sent_after_it(
    sender: TransactionSender, rpc: Rpc, chain: Process
):
    await install(rpc, COUNTER)
    id = await prepare(sender, "count")
    await sender._sign(*await sender._look())
    signed = await row(sender, id)

    async with working(sender), mining(rpc):
        found = await until(sender, id, State.MINED)

    assert found.raw == signed.raw
    assert await slot(rpc) == 1


async def test_a_transaction_that_the_node_forgot_is_sent_again(sender: TransactionSender, rpc: Rpc):
    await install(rpc, COUNTER)
    id = await prepare(sender, "count")
    async with working(sender):
        sent = await until(sender, id, State.BROADCAST)
        await rpc.request("anvil_dropTransaction", sent.hash)
        async with mining(rpc):
            found = await until(sender, id, State.MINED)

    assert found.hash == sent.hash
    assert await slot(rpc) == 1


async def test_what_a_node_forgot_while_we_were_away_is_sent_at_once(
    sender: TransactionSender, rpc: Rpc, database: Database
):
    await install(rpc, COUNTER)
    id = await prepare(sender, "count")
    async with working(sender):
        forgotten = await until(sender, id, State.BROADCAST)
    await rpc.request("anvil_dropTransaction", forgotten.hash)
    patient = TransactionSender(database, rpc, sender.account, patience=timedelta(hours=1))

    async with working(patient), mining(rpc):
        found = await patient.settled(id, 10)

    assert (found.hash, found.state, await slot(rpc)) == (forgotten.hash, State.MINED, 1)


async def test_a_lane_without_news_writes_nothing(sender: TransactionSender, rpc: Rpc, database: Database):
    await install(rpc, COUNTER)
    async with working(sender):
        id = await prepare(sender, "count")
        await until(sender, id, State.BROADCAST)
        await rpc.request("evm_mine")
        await until(sender, id, State.MINED)
        ticket = database.committed.ticket()

        is_rung = await wait(ticket, 1.5)

    assert not is_rung


async def test_a_transaction_that_became_too_cheap_is_replaced_under_its_nonce(
    sender: TransactionSender, rpc: Rpc
):
    await install(rpc, COUNTER)
    id = await prepare(sender, "count")
    async with working(sender):
        cheap = await until(sender, id, State.BROADCAST)
        await rpc.request("anvil_setNextBlockBaseFeePerGas", hex((cheap.max_fee_wei or 0) * 2))
        await rpc.request("evm_mine")
        async with asyncio.timeout(60):
            while (await row(sender, id)).hash == cheap.hash:
                await asyncio.sleep(0.02)
        async with mining(rpc):
            found = await until(sender, id, State.MINED)

    assert found.nonce == cheap.nonce
    assert found.max_fee_wei > cheap.max_fee_wei
    assert await slot(rpc) == 1


async def replace(sender: TransactionSender, rpc: Rpc, id: Any) -> Any:
    """Another transaction of the account takes the nonce of this one, which the node forgets."""
    sent = await until(sender, id, State.BROADCAST)
    await rpc.request("anvil_dropTransaction", sent.hash)
    await rpc.request("anvil_impersonateAccount", sender.address)
    other = {"from": sender.address, "to": sender.address, "nonce": hex(sent.nonce), "gas": hex(21_000)}
    await rpc.request("eth_sendTransaction", other)
    await rpc.request("evm_mine")
    return sent


async def test_a_nonce_that_somebody_else_used_leaves_the_outcome_unknown(
    sender: TransactionSender, rpc: Rpc
):
    await install(rpc, COUNTER)
    id = await prepare(sender, "count")
    async with working(sender):
        await replace(sender, rpc, id)
        found = await until(sender, id, State.UNKNOWN)

    assert found.succeeded is None
    with pytest.raises(TransactionReplaced):
        succeeded(found)


async def test_what_was_replaced_is_lost_once_the_other_is_final_and_the_lane_goes_on(
    sender: TransactionSender, rpc: Rpc
):
    await install(rpc, COUNTER)
    id = await prepare(sender, "count")
    async with working(sender):
        await replace(sender, rpc, id)
        await until(sender, id, State.UNKNOWN)
        await rpc.request("anvil_mine", hex(sender.final_depth))
        lost = await until(sender, id, State.LOST)
        async with mining(rpc):
            await sender.execute("next", Call(ADDRESS, b""), 10)

    assert (lost.error, lost.succeeded) == (REPLACED, None)
    assert await slot(rpc) == 1


async def test_what_was_replaced_is_sent_again_when_the_chain_takes_the_other_back(
    sender: TransactionSender, rpc: Rpc
):
    await install(rpc, COUNTER)
    id = await prepare(sender, "count")
    async with working(sender):
        sent = await replace(sender, rpc, id)
        await until(sender, id, State.UNKNOWN)
        await rpc.request("anvil_reorg", 1, [])
        async with mining(rpc):
            found = await until(sender, id, State.FINAL)

    assert (found.succeeded, found.nonce) == (True, sent.nonce)
    assert await slot(rpc) == 1


async def test_what_was_thought_to_be_replaced_is_mined_when_its_receipt_comes(
    sender: TransactionSender, rpc: Rpc
):
    await install(rpc, COUNTER)
    id = await prepare(sender, "count")
    async with working(sender):
        await until(sender, id, State.BROADCAST)
        await rpc.request("evm_mine")
        await until(sender, id, State.MINED)
    async with sender.database.write() as session:  # as a node shows it that has the nonce and no receipt yet
        behind = await Journal(session).get(id)
        assert behind is not None
        behind.state, behind.succeeded = State.UNKNOWN, None
    async with working(sender):
        found = await until(sender, id, State.MINED)

    assert found.succeeded
    assert await slot(rpc) == 1


async def test_a_reorganisation_takes_a_transaction_back_until_it_is_mined_again(
    sender: TransactionSender, rpc: Rpc
):
    await install(rpc, COUNTER)
    id = await prepare(sender, "count")
    async with working(sender):
        await until(sender, id, State.BROADCAST)
        await rpc.request("evm_mine")
        first = await until(sender, id, State.MINED)
        await rpc.request("anvil_reorg", 1, [])
        await until(sender, id, State.BROADCAST)
        async with mining(rpc):
            second = await until(sender, id, State.MINED)

    assert second.block_hash != first.block_hash
    assert await slot(rpc) == 1


async def test_deep_enough_is_final(sender: TransactionSender, rpc: Rpc):
    await install(rpc, COUNTER)
    id = await prepare(sender, "count")
    async with working(sender), mining(rpc):
        found = await until(sender, id, State.FINAL)

    assert found.succeeded


async def test_a_node_of_another_chain_is_as_good_as_none(chain: Process):
    rpc = Rpc(f"http://127.0.0.1:{port_of(chain)}", 1)

    with pytest.raises(ChainUnavailable):
        await rpc.ping()

    await rpc.close()


WORKER = """
import asyncio, sys
from eth_account import Account
from mesh_shared import background
from mesh_shared.bell import wait
from mesh_shared.chain.rpc import Rpc
from mesh_shared.chain.sender import TransactionSender
from mesh_shared.database import engine

async def main():
    database_url, rpc_url, key = sys.argv[1:]
    sender = TransactionSender(engine.connect(database_url), Rpc(rpc_url, 31337), Account.from_key(key))
    print("working", flush=True)
    await background.forever("sender", sender.turn)

asyncio.run(main())
"""


@pytest.mark.parametrize("alive_s", [0.03, 0.15])
async def test_killed_at_any_moment_each_transaction_still_takes_effect_once(
    sender: TransactionSender, rpc: Rpc, chain: Process, database_url: str, alive_s: float
):
    await install(rpc, COUNTER)
    ids = [await prepare(sender, f"count:{n}") for n in range(30)]
    argv = [sys.executable, "-c", WORKER, database_url, f"http://127.0.0.1:{port_of(chain)}", KEY]
    async with mining(rpc):
        worker = await asyncio.create_subprocess_exec(*argv, stdout=subprocess.PIPE)
        assert worker.stdout is not None
        await worker.stdout.readline()
        await asyncio.sleep(alive_s)
        worker.send_signal(signal.SIGKILL)
        await worker.communicate()
        async with working(sender):
            for id in ids:
                await sender.settled(id, 20)

    assert await slot(rpc) == 30
