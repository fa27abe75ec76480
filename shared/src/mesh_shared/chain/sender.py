"""Sends the journal's transactions: one lane per key, in nonce order, never twice and never a guess."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address

from mesh_shared.bell import Bell, wait
from mesh_shared.chain.errors import (
    ChainUnavailable,
    RpcError,
    TransactionRejected,
    TransactionReplaced,
    TransactionReverted,
)
from mesh_shared.chain.journal import OUTSTANDING, REPLACED, Call, Journal, State, TransactionRow
from mesh_shared.chain.rpc import Rpc
from mesh_shared.database.engine import Database
from mesh_shared.gathering import Gathering

BATCH = 50
BUSY_S = 0.1
IDLE_S = 1.0
# What is estimated is the state of now, and what is mined before may turn a slot that is written again
# (5,000 gas) into a new one (22,100, EIP-2929). Gas that is not used is not paid.
GAS_MARGIN_PERCENT = 300
# Nodes accept a replacement only 10 % above; one more covers rounding.
BUMP_PERCENT = 112
REASON_LENGTH = 500
LOOKED_AT = (State.BROADCAST, State.MINED, State.UNKNOWN)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Fees:
    """EIP-1559 prices in wei per gas."""

    max_fee_wei: int
    priority_fee_wei: int


@dataclass(frozen=True, slots=True)
class View:
    """The chain as the lane sees it: its height, and how many of our nonces are used, and used for good."""

    head: int
    nonce: int
    final_nonce: int


@dataclass(slots=True)
class TransactionSender:
    """The lane of one account. All state is in the journal, so that any replica can take the next turn."""

    database: Database
    rpc: Rpc
    account: LocalAccount
    final_depth: int = 12
    """Blocks above a transaction until it counts as final."""
    patience: timedelta = timedelta(seconds=30)
    """After this long without a receipt a transaction is looked for, and priced higher."""
    fee_limit_wei: int = 500 * 10**9
    """Price per gas above which a waiting transaction is not raised; it goes on waiting."""
    changed: Bell = field(default_factory=Bell)
    """Rings when a transaction changed state."""
    _settled: Bell = field(default_factory=Bell)
    """Rings when the outcome of one is known."""
    _looks: Gathering[UUID, TransactionRow | None] = field(init=False)
    _was_away: bool = True
    """We or the node were down since the last look: what was sent before may be forgotten."""

    def __post_init__(self) -> None:
        self._looks = Gathering(self._found)

    @property
    def address(self) -> str:
        return self.account.address

    async def execute(self, key: str, call: Call, timeout_s: float) -> TransactionRow:
        """Prepares `call` under `key` and waits until it is mined.

        Raises what `succeeded` does, or `TimeoutError` when it is still on its way.
        Calling it again with the same key waits for the same transaction.
        """
        async with self.database.write() as session:
            id = await Journal(session).prepare(key, self.address, call)
        return succeeded(await self.settled(id, timeout_s))

    async def settled(self, id: UUID, timeout_s: float) -> TransactionRow:
        """The transaction once its outcome is known. Raises `TimeoutError` after `timeout_s`."""
        async with asyncio.timeout(timeout_s):
            while True:
                ticket = self._settled.ticket()
                row = await self._looks.outcome(id)
                if row is not None and row.is_settled:
                    return row
                await wait(ticket, IDLE_S)

    async def _found(self, close: Callable[[], list[UUID]]) -> Sequence[TransactionRow | None]:
        """Hundreds may wait for one block: they look together."""
        async with self.database.read() as session:
            ids = close()
            found = {row.id: row for row in await Journal(session).all(ids)}
        return [found.get(id) for id in ids]

    async def turn(self) -> None:
        """Moves every transaction of the lane as far as it goes now, then waits for news."""
        ticket = self.database.ordered.ticket()
        try:
            async with self.database.sole(f"sender:{self.address}"):
                unsigned, lane = await self._look()
                lane = [*lane, *await self._sign(unsigned, lane)]
                await self._broadcast([row for row in lane if row.state == State.PREPARED])
                pause_s = await self._observe([row for row in lane if row.state in LOOKED_AT])
                if any(row.nonce is None and row.state == State.PREPARED for row in unsigned):
                    pause_s = min(pause_s, IDLE_S)  # it could not be estimated now
        except ChainUnavailable:
            self._was_away = True
            raise
        await asyncio.sleep(0.01)  # calls that come together are taken together; this bounds the polling
        await wait(ticket, pause_s)

    async def _look(self) -> tuple[Sequence[TransactionRow], Sequence[TransactionRow]]:
        """What waits for its signature, and the lane; once a turn, as every commit is an occasion for one."""
        async with self.database.read() as session:
            journal = Journal(session)
            return await journal.unsigned(self.address, BATCH), await journal.lane(self.address)

    async def _sign(
        self, rows: Sequence[TransactionRow], lane: Sequence[TransactionRow]
    ) -> Sequence[TransactionRow]:
        """Those of `rows` that are signed now and come behind `lane`."""
        if not rows:
            return []
        is_lane_empty = not any(row.state in OUTSTANDING for row in lane)
        async with self.database.read() as session:
            highest = await Journal(session).highest_nonce(self.address)
        estimates = await self.rpc.batch(("eth_estimateGas", [self._request(row), "pending"]) for row in rows)
        nonce = max(await self._chain_nonce(), -1 if highest is None else highest + 1)
        fees = await self._fees()
        async with self.database.write() as session:
            for row, estimate in zip(rows, estimates, strict=True):
                if not isinstance(estimate, RpcError):
                    self._fill(row, nonce, int(estimate, 16) * GAS_MARGIN_PERCENT // 100, fees)
                    nonce, is_lane_empty = nonce + 1, False
                elif estimate.is_revert and is_lane_empty:
                    row.state, row.error = State.REJECTED, (estimate.data or estimate.message)[:REASON_LENGTH]
                else:
                    break  # it may depend on what is on its way; the lane stays in order
                session.add(row)
        self._tell(rows)
        return [row for row in rows if row.nonce is not None]

    def _fill(self, row: TransactionRow, nonce: int, gas: int, fees: Fees) -> None:
        """Signs `row` in place; what it was signed as before stays a hash that may yet be mined."""
        if row.hash is not None:
            row.earlier_hashes = [row.hash, *row.earlier_hashes]
        row.nonce, row.gas = nonce, gas
        row.max_fee_wei, row.priority_fee_wei = fees.max_fee_wei, fees.priority_fee_wei
        signed = self.account.sign_transaction(
            {
                "type": 2,
                "chainId": self.rpc.chain_id,
                "nonce": nonce,
                "to": to_checksum_address(row.to),
                "data": row.data,
                "value": row.value_wei,
                "gas": gas,
                "maxFeePerGas": fees.max_fee_wei,
                "maxPriorityFeePerGas": fees.priority_fee_wei,
            }
        )
        row.raw, row.hash = bytes(signed.raw_transaction), signed.hash.to_0x_hex()

    async def _broadcast(self, rows: Sequence[TransactionRow]) -> None:
        if not rows:
            return
        answers = await self.rpc.batch(
            ("eth_sendRawTransaction", ["0x" + (row.raw or b"").hex()]) for row in rows
        )
        fees = await self._fees() if any(map(_is_refused, answers)) else None
        async with self.database.write() as session:
            for row, answer in zip(rows, answers, strict=True):
                if fees is not None and _is_refused(answer):
                    log.warning("broadcast_refused", hash=row.hash, reason=answer.message)
                    self._raise_fee(row, _above(fees, row) if "underpriced" in answer.message else fees)
                    session.add(row)
                    break  # nothing above this nonce can be mined either
                row.state, row.broadcast_at = State.BROADCAST, datetime.now(UTC)
                session.add(row)
        self.changed.ring()

    async def _observe(self, rows: Sequence[TransactionRow]) -> float:
        """Looks for receipts; returns how many seconds on there may be others."""
        if not rows:
            return self.database.quiet_s
        head = await self.rpc.block_number()
        is_doubtful = any(row.state == State.UNKNOWN for row in rows)
        view = View(head, await self._chain_nonce(), await self._final_nonce(head) if is_doubtful else 0)
        receipts = await self._receipts(rows)  # after the nonce: what has used it by then has a receipt now
        before = [_standing(row) for row in rows]
        for row in rows:
            await self._judge(row, receipts.get(row.id), view)
        self._was_away = False
        await self._store([row for row, was in zip(rows, before, strict=True) if _standing(row) != was])
        return BUSY_S if any(row.state in OUTSTANDING for row in rows) else IDLE_S

    async def _store(self, changed: Sequence[TransactionRow]) -> None:
        # A commit rings for the next turn: one without news would keep the lane turning for ever.
        if changed:
            async with self.database.write() as session:
                session.add_all(changed)
            self._tell(changed)

    def _tell(self, changed: Sequence[TransactionRow]) -> None:
        self.changed.ring()
        if any(row.is_settled for row in changed):
            self._settled.ring()

    async def _receipts(self, rows: Sequence[TransactionRow]) -> dict[UUID, Any]:
        asked = [(row.id, hash) for row in rows for hash in row.hashes]
        answers = await self.rpc.batch(("eth_getTransactionReceipt", [hash]) for _, hash in asked)
        found = zip((id for id, _ in asked), answers, strict=True)
        return {id: receipt for id, receipt in found if receipt and not isinstance(receipt, RpcError)}

    async def _judge(self, row: TransactionRow, receipt: Any | None, view: View) -> None:
        if receipt is not None:
            mined_at = int(receipt["blockNumber"], 16)
            row.block_number, row.block_hash = mined_at, receipt["blockHash"]
            row.hash, row.succeeded = receipt["transactionHash"], receipt["status"] == "0x1"
            row.state = State.FINAL if view.head - mined_at >= self.final_depth else State.MINED
            return
        if row.state == State.UNKNOWN:
            _resolve(row, view)
            return
        if row.state == State.MINED:  # taken back by a reorganisation
            row.state, row.broadcast_at = State.BROADCAST, datetime.now(UTC)
            row.block_number = row.block_hash = row.succeeded = None
        if row.broadcast_at is not None and datetime.now(UTC) - row.broadcast_at > self.patience:
            await self._search(row, view.nonce)
        elif self._was_away and not await self._is_known(row):
            row.state = State.PREPARED

    async def _search(self, row: TransactionRow, chain_nonce: int) -> None:
        """Decides what became of a transaction that has been silent for too long."""
        if row.nonce is not None and row.nonce < chain_nonce:
            row.state = State.UNKNOWN
            return
        if await self._is_known(row):
            self._raise_fee(row, _above(await self._fees(), row))
        row.state = State.PREPARED  # the next turn sends it: the same bytes, or the ones with more fee

    async def _is_known(self, row: TransactionRow) -> bool:
        return await self.rpc.request("eth_getTransactionByHash", row.hash) is not None

    def _raise_fee(self, row: TransactionRow, fees: Fees) -> None:
        """Signs `row` again under its nonce when `fees` are above what it offers and within the limit."""
        is_better = (row.max_fee_wei or 0) < fees.max_fee_wei <= self.fee_limit_wei
        if row.nonce is not None and row.gas is not None and is_better:
            self._fill(row, row.nonce, row.gas, fees)

    async def _final_nonce(self, head: int) -> int:
        """How many nonces are used for good; 0 when the node has forgotten the state of that block."""
        try:
            return await self._chain_nonce(hex(max(head - self.final_depth, 0)))
        except RpcError:
            return 0

    async def _chain_nonce(self, block: str = "latest") -> int:
        return int(await self.rpc.request("eth_getTransactionCount", self.address, block), 16)

    async def _fees(self) -> Fees:
        block, tip = await self.rpc.batch(
            [("eth_getBlockByNumber", ["latest", False]), ("eth_maxPriorityFeePerGas", [])]
        )
        for answer in (block, tip):
            if isinstance(answer, RpcError):
                raise answer
        priority = int(tip, 16)
        return Fees(2 * int(block["baseFeePerGas"], 16) + priority, priority)

    def _request(self, row: TransactionRow) -> dict[str, str]:
        return {
            "from": self.address,
            "to": to_checksum_address(row.to),
            "data": "0x" + row.data.hex(),
            "value": hex(row.value_wei),
        }


def succeeded(row: TransactionRow) -> TransactionRow:
    """`row` when it took effect.

    Raises `TransactionRejected`, `TransactionReverted` or `TransactionReplaced` when it did not, as far as
    anybody knows.
    """
    if row.state == State.REJECTED:
        raise TransactionRejected("The contract refuses this call.", reason=row.error or "")
    if row.succeeded is False:
        raise TransactionReverted("Mined without effect.", transaction_hash=row.hash or "")
    if row.state in (State.UNKNOWN, State.LOST):
        raise TransactionReplaced("Another transaction took its nonce.", transaction_hash=row.hash or "")
    return row


def _resolve(row: TransactionRow, view: View) -> None:
    """Decides about what was replaced: free again after a reorganisation, or never to be mined."""
    if row.nonce is None or row.nonce >= view.nonce:
        row.state = State.PREPARED  # the next turn sends the same bytes
    elif row.nonce < view.final_nonce:
        row.state, row.error = State.LOST, REPLACED


def _standing(row: TransactionRow) -> tuple[object, ...]:
    """What a look at the chain can change."""
    return row.state, row.hash, row.block_hash, row.broadcast_at


def _above(fees: Fees, row: TransactionRow) -> Fees:
    """Prices that a node takes as a replacement for `row`."""
    return Fees(
        max(fees.max_fee_wei, (row.max_fee_wei or 0) * BUMP_PERCENT // 100 + 1),
        max(fees.priority_fee_wei, (row.priority_fee_wei or 0) * BUMP_PERCENT // 100 + 1),
    )


def _is_refused(answer: object) -> bool:
    """A node refuses what it has already, too; receipts tell the rest."""
    return isinstance(answer, RpcError) and not any(
        text in answer.message.lower() for text in ("already known", "nonce too low", "already imported")
    )
