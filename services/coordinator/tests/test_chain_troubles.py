"""What the chain can do to an attempt: lateness, silence, strangers' doings. Money has one end each time."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import pytest
from fastapi import FastAPI, Request, Response
from mesh_coordinator.repository.attempts import Attempts
from mesh_coordinator.repository.tables import AttemptRow
from mesh_shared.bell import wait
from mesh_shared.chain import keys
from mesh_shared.chain.abi import Function
from mesh_shared.chain.journal import Journal, TransactionRow
from mesh_shared.chain.journal import State as TransactionState
from mesh_shared.database.engine import Database
from sqlalchemy import select, update

if TYPE_CHECKING:
    from pathlib import Path

    from callers import Caller
    from chains import Chain
    from towns import Agent, Town

    from conftest import Calling

PURSE_UNITS = 1_000_000
STEP = {"id": "a", "capability": "work", "timeout_s": 10}
BODY: dict[str, Any] = {"task": "t", "requirements": [STEP]}
TOO_HIGH = {"assertions": [{"at": "/nowhere", "op": "exists"}]}
PAUSE = Function("pause", [])


@pytest.fixture
async def chain(own_chain: Chain) -> Chain:
    """These tests stop the mining and turn the clock."""
    return own_chain


class Worker:
    """Delivers good work, and stops the mining when it is called if it is told to."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.calls = 0
        self.stops_mining = False

    async def __call__(self, request: Request, agent: Agent) -> Response:
        self.calls += 1
        if self.stops_mining:
            await self.town.chain.rpc.request("evm_setAutomine", False)
        return self.town.delivered(request, agent, "good work")


@pytest.fixture
async def worker(town: Town) -> Worker:
    worker = Worker(town)
    await town.move_in("worker", worker)
    return worker


async def mine(chain: Chain, *, later_s: int = 0) -> None:
    if later_s:
        await chain.rpc.request("evm_increaseTime", later_s)
    await chain.rpc.request("evm_mine")


async def mine_on(chain: Chain) -> None:
    await chain.rpc.request("evm_setAutomine", True)
    await mine(chain)


async def is_pending(chain: Chain) -> bool:
    return int((await chain.rpc.request("txpool_status"))["pending"], 16) > 0


async def until(look: Any, timeout_s: float = 60) -> Any:
    async with asyncio.timeout(timeout_s):
        while not (found := await look()):
            await asyncio.sleep(0.02)
        return found


async def attempt_when(caller: Caller, run: dict[str, Any], state: str) -> dict[str, Any]:
    return await caller.attempt_when(run["id"], lambda attempt: attempt["state"] == state)


async def test_a_verdict_that_comes_too_late_leaves_the_provider_paid_as_the_terms_say(
    caller: Caller, town: Town, chain: Chain, payer: str, worker: Worker
):
    worker.stops_mining = True
    run = await caller.start({"task": "t", "requirements": [STEP | {"quality": TOO_HIGH}]})
    await attempt_when(caller, run, "submitting")
    await until(lambda: is_pending(chain))
    await mine(chain)
    await attempt_when(caller, run, "settling")
    await until(lambda: is_pending(chain))

    await mine(chain, later_s=900 + 86_400 + 60)
    await until(lambda: is_pending(chain))
    await mine_on(chain)
    ended = await caller.ended(run["id"])

    (attempt,) = ended["steps"][0]["attempts"]
    assert (attempt["failure"], attempt["outcome"], ended["status"]) == ("poor-quality", "success", "failed")
    assert (await caller.escrow(attempt["escrow_id"]))["state"] == "released"
    assert await chain.units(town.agents["worker"].wallet.address) == 1_000
    assert ended["budget"]["spent"] == "1000"
    assert await chain.ratings(town.agents["worker"].token_id) == (1, 0)


async def test_what_we_hand_in_too_late_is_refunded_and_the_agent_is_not_blamed(
    caller: Caller, town: Town, chain: Chain, payer: str, worker: Worker
):
    worker.stops_mining = True
    run = await caller.start(BODY)
    await attempt_when(caller, run, "submitting")
    await until(lambda: is_pending(chain))

    await mine(chain, later_s=900 + 60)
    await attempt_when(caller, run, "settling")
    await mine_on(chain)
    ended = await caller.ended(run["id"])

    (attempt,) = ended["steps"][0]["attempts"]
    assert (attempt["failure"], attempt["outcome"], attempt["state"]) == (
        "handed-in-late",
        "refunded",
        "closed",
    )
    assert await chain.units(payer) == PURSE_UNITS
    assert await chain.ratings(town.agents["worker"].token_id) == (0, 0)


async def test_after_an_outage_longer_than_the_escrow_s_time_nobody_is_called_for_nothing(
    calling: Calling, town: Town, chain: Chain, payer: str
):
    called = asyncio.Event()

    async def silent(request: Request, agent: Agent) -> Response:
        called.set()
        while not await request.is_disconnected():
            await asyncio.sleep(0.02)
        return Response()

    await town.move_in("silent", silent)
    async with calling() as caller:
        run = await caller.start(BODY)
        await called.wait()
    called.clear()
    await let_time_run_out(cast("FastAPI", caller.app))

    async with calling() as caller:
        ended = await caller.ended(run["id"])

    (attempt,) = ended["steps"][0]["attempts"]
    assert (attempt["failure"], attempt["outcome"], attempt["state"]) == (
        "not-called-in-time",
        "refunded",
        "closed",
    )
    assert not called.is_set()
    assert await chain.units(payer) == PURSE_UNITS
    assert await chain.ratings(town.agents["silent"].token_id) == (0, 0)


async def let_time_run_out(app: FastAPI) -> None:
    """Our own clock cannot be turned, so the escrow's last moment is."""
    async with app.state.platform.database.write() as session:
        (terms,) = await session.scalars(select(AttemptRow.terms))
        await session.execute(update(AttemptRow).values(terms=terms | {"submit_by": 1}))


async def test_a_paused_contract_locks_nothing_and_owes_nothing(
    caller: Caller, chain: Chain, payer: str, worker: Worker
):
    await chain.send(chain.minter, "MeshEscrow", PAUSE)

    run = await caller.run(BODY)

    (attempt,) = run["steps"][0]["attempts"]
    assert (attempt["failure"], attempt["state"], run["status"]) == ("escrow-not-opened", "closed", "failed")
    assert await chain.units(payer) == PURSE_UNITS
    assert worker.calls == 0


async def transaction(app: FastAPI, attempt: dict[str, Any]) -> TransactionRow:
    """The transaction that the attempt waits for, once the node has it."""

    async def look() -> TransactionRow | None:
        async with app.state.platform.database.read() as session:
            row = await Attempts(session).get(UUID(attempt["key"]))
            found = row.transaction_id and await Journal(session).get(row.transaction_id)
        return found if found and found.state == TransactionState.BROADCAST else None

    return cast("TransactionRow", await until(look))


async def states(app: FastAPI) -> set[str]:
    """What became of the transactions so far."""
    async with app.state.platform.database.read() as session:
        return set(await session.scalars(select(TransactionRow.state)))


async def lose(chain: Chain, payer: str, lost: TransactionRow) -> None:
    """The node forgets the transaction, and its nonce goes to another one."""
    await chain.rpc.request("anvil_dropTransaction", lost.hash)
    await chain.rpc.request("anvil_impersonateAccount", payer)
    other = {"from": payer, "to": payer, "nonce": hex(lost.nonce or 0), "gas": hex(21_000)}
    await chain.rpc.request("eth_sendTransaction", other)


@pytest.mark.parametrize("state", ["opening", "submitting", "settling", "released"])
async def test_a_transaction_whose_outcome_is_unknown_is_looked_up_and_repeated(
    caller_that_looks: Caller, town: Town, chain: Chain, payer: str, worker: Worker, state: str
):
    caller = caller_that_looks
    await chain.rpc.request("evm_setAutomine", False)
    run = await caller.start(BODY)
    await mine_until(caller, chain, run, state)
    attempt = await attempt_when(caller, run, state)

    await lose(chain, payer, await transaction(cast("FastAPI", caller.app), attempt))
    await mine_on(chain)
    ended = await caller.ended(run["id"])

    assert await states(cast("FastAPI", caller.app)) & {TransactionState.UNKNOWN, TransactionState.LOST}
    assert (ended["status"], worker.calls) == ("succeeded", 1)
    assert await chain.units(town.agents["worker"].wallet.address) == 1_000
    assert await chain.units(payer) == PURSE_UNITS - 1_000
    assert await chain.ratings(town.agents["worker"].token_id) == (1, 100)
    (fact,) = await caller.facts("escrow-unknown")
    assert (fact["data"]["escrow_id"], fact["data"]["state"]) == (attempt["escrow_id"], state)


@pytest.mark.parametrize("state", ["submitting", "settling"])
async def test_what_somebody_else_has_brought_to_the_chain_is_not_done_again(
    caller_that_looks: Caller, town: Town, chain: Chain, payer: str, worker: Worker, state: str
):
    caller = caller_that_looks
    await chain.rpc.request("evm_setAutomine", False)
    run = await caller.start(BODY)
    await mine_until(caller, chain, run, state)
    attempt = await attempt_when(caller, run, state)
    lost = await transaction(cast("FastAPI", caller.app), attempt)

    relayed = {"from": chain.minter, "to": lost.to, "data": "0x" + lost.data.hex(), "gas": hex(500_000)}
    await chain.rpc.request("eth_sendTransaction", relayed)
    await lose(chain, payer, lost)
    await mine_on(chain)
    ended = await caller.ended(run["id"])

    assert await states(cast("FastAPI", caller.app)) & {TransactionState.UNKNOWN, TransactionState.LOST}
    assert (ended["status"], worker.calls) == ("succeeded", 1)
    assert await chain.units(town.agents["worker"].wallet.address) == 1_000
    assert await chain.ratings(town.agents["worker"].token_id) == (1, 100)


def first_attempts(run: dict[str, Any]) -> set[str]:
    """The state of each step's first attempt."""
    return {attempt["state"] for step in run["steps"] for attempt in step["attempts"][:1]}


async def mine_until(caller: Caller, chain: Chain, run: dict[str, Any], state: str) -> None:
    """A block at a time, until an attempt waits for its next transaction in `state`."""

    async def look() -> bool:
        if state in first_attempts(await caller.get(run["id"])):
            return True
        if await is_pending(chain):
            await mine(chain)
        return False

    await until(look)


async def test_cancelling_returns_money_that_is_locked_for_an_agent_who_was_not_called(
    caller: Caller, town: Town, chain: Chain, payer: str, worker: Worker
):
    await chain.rpc.request("evm_setAutomine", False)
    run = await caller.start(BODY)
    await mine_until(caller, chain, run, "opening")
    await until(lambda: is_pending(chain))

    await caller.post(f"/v1/runs/{run['id']}/cancel")
    await mine_on(chain)
    ended = await caller.ended(run["id"])

    (attempt,) = ended["steps"][0]["attempts"]
    assert (attempt["failure"], attempt["outcome"], attempt["called_at"]) == ("withdrawn", "refunded", None)
    assert (await caller.escrow(attempt["escrow_id"]))["state"] == "refunded"
    assert await chain.units(payer) == PURSE_UNITS
    assert worker.calls == 0
    assert await chain.ratings(town.agents["worker"].token_id) == (0, 0)


def stages(run: dict[str, Any]) -> list[str]:
    """Where the attempts of a run are, whichever step they are for."""
    return sorted(attempt["state"] for step in run["steps"] for attempt in step["attempts"])


async def test_cancelling_withdraws_what_waits_for_room_in_the_budget(
    caller: Caller, chain: Chain, payer: str, worker: Worker
):
    await chain.rpc.request("evm_setAutomine", False)
    steps = [STEP, STEP | {"id": "b", "optional": True}]
    run = await caller.start({"task": "t", "requirements": steps, "budget": "1000"})
    await caller.run_when(run["id"], lambda seen: stages(seen) == ["opening", "reserving"])

    await caller.post(f"/v1/runs/{run['id']}/cancel")
    withdrawn = await caller.run_when(run["id"], lambda seen: stages(seen) == ["closed", "opening"])
    await mine_on(chain)
    ended = await caller.ended(run["id"])

    assert None in [step["attempts"][0]["escrow_id"] for step in withdrawn["steps"]]
    assert ended["budget"] == {"limit": "1000", "reserved": "0", "spent": "0"}
    assert await chain.units(payer) == PURSE_UNITS


async def test_a_reorganisation_that_takes_everything_back_costs_nobody_anything(
    caller_that_looks: Caller, town: Town, chain: Chain, payer: str, worker: Worker
):
    caller = caller_that_looks
    run = await caller.run(BODY)
    (attempt,) = run["steps"][0]["attempts"]
    provider = town.agents["worker"].wallet.address
    assert await chain.units(provider) == 1_000

    await chain.rpc.request("anvil_reorg", 5, [])
    taken_back = await chain.units(provider)
    reconciled = await caller.post(f"/v1/escrows/{attempt['escrow_id']}/reconcile")
    await until(lambda: is_rated(chain, town))

    assert taken_back == 0
    assert reconciled.json()["agreement"] in ("pending", "agrees")
    assert (await caller.escrow(attempt["escrow_id"]))["state"] == "released"
    assert await chain.units(provider) == 1_000
    assert await chain.units(payer) == PURSE_UNITS - 1_000
    assert worker.calls == 1


async def is_rated(chain: Chain, town: Town) -> bool:
    return await chain.ratings(town.agents["worker"].token_id) == (1, 100)


async def test_a_payer_without_ether_waits_and_goes_on_when_it_has_some(
    caller: Caller, town: Town, chain: Chain, payer: str, worker: Worker
):
    await chain.rpc.request("anvil_setBalance", payer, "0x0")
    run = await caller.start(BODY)
    waiting = await attempt_when(caller, run, "opening")

    await chain.enrich(payer)
    ended = await caller.ended(run["id"])

    assert waiting["outcome"] is None
    assert (ended["status"], worker.calls) == ("succeeded", 1)
    assert await chain.units(town.agents["worker"].wallet.address) == 1_000


async def test_another_payer_s_key_gets_an_allowance_of_its_own(
    calling: Calling, town: Town, chain: Chain, payer: str, worker: Worker, state_dir: Path
):
    other = keys.load_or_create(state_dir / "other.key")
    await chain.enrich(other.address, 5_000)

    async with calling() as caller:
        first = await caller.run(BODY, "a")
    async with calling(chain_key_file=state_dir / "other.key") as caller:
        second = await caller.run(BODY, "b")

    assert [first["status"], second["status"]] == ["succeeded", "succeeded"]
    assert await chain.units(payer) == PURSE_UNITS - 1_000
    assert await chain.units(other.address) == 4_000


async def test_who_waits_for_room_in_the_budget_rests(
    caller: Caller, chain: Chain, payer: str, worker: Worker
):
    await chain.rpc.request("evm_setAutomine", False)
    steps = [STEP, STEP | {"id": "b", "optional": True}]
    run = await caller.start({"task": "t", "requirements": steps, "budget": "1000"})
    await mine_until(caller, chain, run, "opening")
    await caller.run_when(run["id"], lambda seen: "reserving" in first_attempts(seen))

    commits = await commits_within(cast("FastAPI", caller.app), 1.5)

    assert commits < 10


async def commits_within(app: FastAPI, seconds: float) -> int:
    database: Database = app.state.platform.database
    count, over = 0, time.monotonic() + seconds
    while (left := over - time.monotonic()) > 0:
        count += await wait(database.committed.ticket(), left)
    return count
