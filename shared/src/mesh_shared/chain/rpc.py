"""JSON-RPC to an Ethereum node over web3's provider, without its per-call formatting."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

from aiohttp import ClientError, ClientTimeout
from eth_utils.address import to_checksum_address
from web3 import AsyncHTTPProvider
from web3.types import RPCEndpoint

from mesh_shared.chain.abi import Function
from mesh_shared.chain.errors import ChainUnavailable, RpcError

TIMEOUT_S = 10.0

Request = tuple[str, Sequence[Any]]


class Rpc:
    """One node. Raises `ChainUnavailable` when it does not answer, `RpcError` when it answers one."""

    def __init__(self, url: str, chain_id: int) -> None:
        self.chain_id = chain_id
        # No hidden retries: repeating a send is the transaction sender's decision.
        self._provider = AsyncHTTPProvider(
            url, {"timeout": ClientTimeout(total=TIMEOUT_S, connect=2)}, exception_retry_configuration=None
        )
        self._is_checked = False

    async def request(self, method: str, *params: Any) -> Any:
        """The `result` of one call."""
        await self._check_chain()
        return _result(await self._ask(self._provider.make_request(RPCEndpoint(method), list(params))))

    async def batch(self, requests: Iterable[Request]) -> list[Any]:
        """Results in order, one per request; an element is an `RpcError` where that request failed."""
        calls = [(RPCEndpoint(method), list(params)) for method, params in requests]
        if not calls:
            return []
        await self._check_chain()
        answers = await self._ask(self._provider.make_batch_request(calls))
        if not isinstance(answers, list):
            raise _error(answers)
        return [
            _error(answer) if "error" in answer else answer["result"] for answer in cast("list[Any]", answers)
        ]

    async def call(self, to: str, function: Function, *values: Any, block: str = "latest") -> tuple[Any, ...]:
        """What a view function returns."""
        data = "0x" + function.encode(*values).hex()
        returned = await self.request("eth_call", {"to": to_checksum_address(to), "data": data}, block)
        return function.decode(bytes.fromhex(returned[2:]))

    async def block_number(self) -> int:
        return int(await self.request("eth_blockNumber"), 16)

    async def ping(self) -> None:
        await self.block_number()

    async def close(self) -> None:
        await self._provider.disconnect()

    async def _check_chain(self) -> None:
        """A node of another chain is as good as none, and much more dangerous."""
        if not self._is_checked:
            answer = await self._ask(self._provider.make_request(RPCEndpoint("eth_chainId"), []))
            if int(_result(answer), 16) != self.chain_id:
                raise ChainUnavailable
            self._is_checked = True

    async def _ask(self, asked: Any) -> Any:
        try:
            return await asked
        except (ClientError, TimeoutError, ValueError, OSError):
            self._is_checked = False
            raise ChainUnavailable from None


def _result(answer: Any) -> Any:
    if "error" in answer:
        raise _error(answer)
    return answer["result"]


def _error(answer: Any) -> RpcError:
    error = answer["error"]
    return RpcError(int(error["code"]), str(error["message"]), error.get("data"))
