"""Keys, addresses and the journal of a lane: what a service knows of the chain without asking it."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_shared.chain import deployment, keys, sender, versions_dir
from mesh_shared.chain.deployment import Deployment
from mesh_shared.chain.errors import (
    RpcError,
    TransactionRejected,
    TransactionReplaced,
    TransactionReverted,
)
from mesh_shared.chain.journal import OPEN, SETTLED, Call, Journal, State, TransactionRow
from mesh_shared.chain.sender import Fees, View
from mesh_shared.database import engine, migrate
from mesh_shared.database.engine import Database
from pydantic import ValidationError

OURS, THEIRS = "0x" + "aa" * 20, "0x" + "bb" * 20
CALL = Call("0x" + "11" * 20, b"\x01\x02")


def test_a_key_is_made_once_and_is_ours_alone(tmp_path: Path):
    first = keys.load_or_create(tmp_path / "chain.key")

    again = keys.load_or_create(tmp_path / "chain.key")

    assert again.address == first.address
    assert (tmp_path / "chain.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["chain.key"]


def test_every_service_has_a_key_of_its_own(tmp_path: Path):
    made = {keys.load_or_create(tmp_path / name).address for name in ("registry", "coordinator")}

    assert len(made) == 2


def test_a_key_that_an_operator_put_there_is_taken_as_it_is(tmp_path: Path):
    (tmp_path / "chain.key").write_text(f"  0x{'01' * 32}\n")

    account = keys.load_or_create(tmp_path / "chain.key")

    assert account.address == "0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1"
    assert (tmp_path / "chain.key").read_text() == f"  0x{'01' * 32}\n"


@pytest.mark.parametrize("text", ["", "0x", "0x" + "01" * 31, "0x" + "00" * 32, "no key"])
def test_a_file_without_a_key_is_not_written_over(tmp_path: Path, text: str):
    (tmp_path / "chain.key").write_text(text)

    with pytest.raises(ValueError):  # noqa: PT011 - from two libraries, each with words of its own
        keys.load_or_create(tmp_path / "chain.key")

    assert (tmp_path / "chain.key").read_text() == text


def test_of_many_that_start_at_once_all_have_the_same_key(tmp_path: Path):
    together = Barrier(8)

    def start(_: int) -> str:
        together.wait(60)
        return keys.load_or_create(tmp_path / "chain.key").address

    with ThreadPoolExecutor(8) as replicas:
        found = list(replicas.map(start, range(8)))

    assert len(set(found)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["chain.key"]


def test_the_addresses_of_a_mesh_are_read_as_they_were_written(tmp_path: Path):
    written = Deployment(chain_id=31337, block=7, contracts={"MeshToken": OURS})
    (tmp_path / "contracts.json").write_text(written.model_dump_json())

    assert deployment.read(tmp_path / "contracts.json") == written
    assert written.address("MeshToken") == OURS
    with pytest.raises(KeyError, match="MeshEscrow"):
        written.address("MeshEscrow")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"chain_id": 1, "block": 0, "contracts": {"MeshToken": "0x12"}}',
        '{"chain_id": 1, "block": 0, "contracts": {}, "more": 1}',
        '{"chain_id": 1, "contracts": {}}',
    ],
)
def test_no_service_starts_without_addresses_that_it_can_read(tmp_path: Path, text: str):
    (tmp_path / "contracts.json").write_text(text)

    with pytest.raises(ValidationError):
        deployment.read(tmp_path / "contracts.json")
    with pytest.raises(FileNotFoundError):
        deployment.read(tmp_path / "none.json")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = engine.connect(f"sqlite+aiosqlite:///{tmp_path}/journal.db")
    await migrate.upgrade(database, [versions_dir])
    yield database
    await database.engine.dispose()


async def prepared(database: Database, sender: str, *names: str) -> list[UUID]:
    async with database.write() as session:
        ids = await Journal(session).prepare_all(sender, dict.fromkeys(names, CALL))
    return [ids[name] for name in names]


async def signed(database: Database, id: UUID, nonce: int, state: State) -> None:
    async with database.write() as session:
        row = await Journal(session).get(id)
        assert row is not None
        row.nonce, row.state = nonce, state


async def test_a_key_stands_for_one_transaction_whoever_asks_for_what_beside_it(database: Database):
    first = await prepared(database, OURS, "a", "b")

    again = await prepared(database, OURS, "c", "b", "a")

    assert again[1:] == first[::-1]
    assert again[0] not in first


async def test_a_transaction_keeps_the_call_that_came_first_under_its_key(database: Database):
    (id,) = await prepared(database, OURS, "a")
    async with database.write() as session:
        await Journal(session).prepare("a", OURS, Call(THEIRS, b"another", 2**255))

    async with database.read() as session:
        row = await Journal(session).get(id)

    assert row is not None
    assert (row.to, row.data, row.value_wei, row.state) == (CALL.to, CALL.data, 0, State.PREPARED)


async def test_what_waits_for_its_nonce_comes_in_the_order_in_which_it_was_asked_for(database: Database):
    ids = await prepared(database, OURS, *"zyxw")
    await prepared(database, THEIRS, "theirs")
    await signed(database, ids[0], 5, State.PREPARED)

    async with database.read() as session:
        waiting = await Journal(session).unsigned(OURS, 2)

    assert [row.id for row in waiting] == ids[1:3]


async def test_a_lane_is_what_may_still_change_by_nonce_and_of_one_account(database: Database):
    ids = await prepared(database, OURS, *State)
    for nonce, (id, state) in enumerate(zip(ids, State, strict=True)):
        await signed(database, id, 100 - nonce, state)
    await signed(database, (await prepared(database, THEIRS, "theirs"))[0], 7, State.BROADCAST)
    await prepared(database, OURS, "not signed yet")

    async with database.read() as session:
        lane = await Journal(session).lane(OURS)
        highest = [await Journal(session).highest_nonce(account) for account in (OURS, THEIRS, "0x")]

    assert {row.state for row in lane} == set(OPEN)
    assert [row.nonce for row in lane] == sorted(row.nonce or 0 for row in lane)
    assert highest == [100, 7, None]


async def test_an_unknown_transaction_is_none(database: Database):
    async with database.read() as session:
        assert await Journal(session).get(uuid4()) is None


def row(**columns: object) -> TransactionRow:
    return TransactionRow(**({"state": State.BROADCAST, "earlier_hashes": []} | columns))


def test_whoever_waits_has_an_answer_in_every_state_but_the_first_two():
    assert {state for state in State if not row(state=state).is_settled} == {State.PREPARED, State.BROADCAST}
    assert set(State) == SETTLED | set(OPEN)


def test_a_transaction_may_be_mined_under_any_hash_that_it_had():
    assert row(hash="0x3", earlier_hashes=["0x2", "0x1"]).hashes == ["0x3", "0x2", "0x1"]
    assert row().hashes == []


@pytest.mark.parametrize(
    ("columns", "outcome"),
    [
        ({"state": State.REJECTED, "error": "no"}, TransactionRejected),
        ({"state": State.MINED, "succeeded": False, "hash": "0x1"}, TransactionReverted),
        ({"state": State.FINAL, "succeeded": False, "hash": "0x1"}, TransactionReverted),
        ({"state": State.UNKNOWN}, TransactionReplaced),
        ({"state": State.LOST}, TransactionReplaced),
    ],
)
def test_what_took_no_effect_is_an_outcome_and_no_success(
    columns: dict[str, object], outcome: type[Exception]
):
    with pytest.raises(outcome):
        sender.succeeded(row(**columns))


@pytest.mark.parametrize("state", [State.MINED, State.FINAL])
def test_what_took_effect_is_given_back(state: State):
    mined = row(state=state, succeeded=True)

    assert sender.succeeded(mined) is mined


@given(*(st.integers(0, 10**13) for _ in range(4)))
def test_a_replacement_is_priced_as_nodes_ask_and_never_below_the_market(
    market: int, tip: int, offered: int, offered_tip: int
):
    fees = sender._above(Fees(market, tip), row(max_fee_wei=offered, priority_fee_wei=offered_tip))

    assert fees.max_fee_wei >= market
    assert fees.priority_fee_wei >= tip
    assert 10 * fees.max_fee_wei >= 11 * offered
    assert 10 * fees.priority_fee_wei >= 11 * offered_tip


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_what_was_replaced_is_lost_only_once_the_other_is_final(nonce: int, used: int, final: int):
    replaced = row(state=State.UNKNOWN, nonce=nonce)

    sender._resolve(replaced, View(head=100, nonce=max(used, final), final_nonce=final))

    if nonce >= max(used, final):
        assert replaced.state == State.PREPARED, "its nonce is free again: the same bytes are sent"
    else:
        assert replaced.state == (State.LOST if nonce < final else State.UNKNOWN)


@pytest.mark.parametrize(
    ("answer", "is_refused"),
    [
        ("0x1234", False),
        (RpcError(-32000, "already known"), False),
        (RpcError(-32000, "Nonce too low: next nonce 5, tx nonce 4"), False),
        (RpcError(-32000, "transaction already imported"), False),
        (RpcError(-32000, "replacement transaction underpriced"), True),
        (RpcError(-32003, "insufficient funds for gas * price + value"), True),
    ],
)
def test_a_node_that_has_it_already_refuses_nothing(answer: object, is_refused: bool):
    assert sender._is_refused(answer) is is_refused


@pytest.mark.parametrize(
    ("error", "is_revert"),
    [
        (RpcError(3, "execution failed", "0x"), True),
        (RpcError(-32000, "execution reverted: MeshEscrow: closed"), True),
        (RpcError(-32000, "VM Exception: Revert"), True),
        (RpcError(-32000, "header not found"), False),
        (RpcError(-32005, "limit exceeded"), False),
    ],
)
def test_a_refusal_of_the_contract_is_told_from_one_of_the_node(error: RpcError, is_revert: bool):
    assert error.is_revert is is_revert
