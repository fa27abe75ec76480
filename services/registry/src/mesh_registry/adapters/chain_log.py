"""The logs of our contracts, read from a node."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mesh_shared.chain.errors import RpcError
from mesh_shared.chain.rpc import Rpc

from mesh_registry.adapters.chain_events import BY_TOPIC, told
from mesh_registry.domain.chain import Block, Occurrence

MAX_LOGS = 10_000
"""What nodes answer at most, as a rule; ours may answer more than memory is worth."""
TOO_MANY = -32005
"""EIP-1474's "limit exceeded"."""
GONE = -32001
"""EIP-1474's "resource not found"."""


@dataclass(frozen=True, slots=True)
class NodeLog:
    """Implements `ports.ChainLog` with the node behind `rpc`."""

    rpc: Rpc
    addresses: Sequence[str]

    async def head(self) -> int:
        return await self.rpc.block_number()

    async def blocks(self, numbers: Iterable[int]) -> Sequence[Block | None]:
        answers = await self.rpc.batch(("eth_getBlockByNumber", [hex(number), False]) for number in numbers)
        return [_block(answer) for answer in answers]

    async def occurrences(self, first: int, last: int) -> Sequence[Occurrence]:
        wanted = {
            "address": list(self.addresses),
            "topics": [list(BY_TOPIC)],
            "fromBlock": hex(first),
            "toBlock": hex(last),
        }
        logs = await self.rpc.request("eth_getLogs", wanted)
        if len(logs) > MAX_LOGS and first < last:
            raise RpcError(TOO_MANY, "more logs than are read at once")
        times = await self._times(logs)
        return [_occurrence(log, times) for log in logs]

    async def _times(self, logs: Sequence[Any]) -> Mapping[str, str]:
        """When the blocks of `logs` were made, as far as the node does not write it into the logs themselves.

        Raises `RpcError` when a block is gone meanwhile.
        """
        silent = sorted({log["blockNumber"] for log in logs if log.get("blockTimestamp") is None})
        answers = await self.rpc.batch(("eth_getBlockByNumber", [number, False]) for number in silent)
        for answer in answers:
            if not isinstance(answer, dict):
                raise answer if isinstance(answer, RpcError) else RpcError(GONE, "a block of a log is gone")
        return {answer["number"]: answer["timestamp"] for answer in answers}


def _block(answer: Any) -> Block | None:
    if isinstance(answer, RpcError):
        raise answer
    if answer is None:
        return None
    return Block(int(answer["number"], 16), answer["hash"], answer["parentHash"])


def _occurrence(log: Any, times: Mapping[str, str]) -> Occurrence:
    token_id, fact = told(log["topics"], log["data"])
    return Occurrence(
        block_number=int(log["blockNumber"], 16),
        block_hash=log["blockHash"],
        log_index=int(log["logIndex"], 16),
        transaction_hash=log["transactionHash"],
        token_id=token_id,
        fact=fact,
        at=int(log.get("blockTimestamp") or times[log["blockNumber"]], 16),
    )
