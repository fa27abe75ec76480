"""JSON-RPC 2.0 to an Ethereum node, over one pooled client."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar
from eth_utils.address import to_checksum_address

from mesh_shared.chain.abi import Function
from mesh_shared.chain.errors import ChainUnavailable, RpcError

TIMEOUT_S = 10.0
_HEADERS = {"Content-Type": "application/json"}

Request = tuple[str, Sequence[Any]]


class Rpc:
    """One node. Raises `ChainUnavailable` when it gives no answer of any use, `RpcError` when it refuses.

    Nothing is tried again here: repeating a send is the transaction sender's decision.
    """

    def __init__(self, url: str, chain_id: int) -> None:
        self.chain_id = chain_id
        self._url = url
        self._http: ClientSession | None = None
        self._is_checked = False

    async def request(self, method: str, *params: Any) -> Any:
        """The `result` of one call."""
        await self._check_chain()
        return await self._one(method, params)

    async def batch(self, requests: Iterable[Request]) -> list[Any]:
        """Results in order, one per request; an element is an `RpcError` where that request failed."""
        calls = [_call(id, method, params) for id, (method, params) in enumerate(requests)]
        if not calls:
            return []
        await self._check_chain()
        answers = await self._post(calls)
        if not isinstance(answers, list):
            raise _error(_object(answers).get("error"))
        by_id = {answer.get("id"): answer for answer in map(_object, cast("list[Any]", answers))}
        return [_outcome(by_id.get(call["id"], {})) for call in calls]

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
        if self._http is not None:
            await self._http.close()

    async def _check_chain(self) -> None:
        """A node of another chain is as good as none, and much more dangerous."""
        if not self._is_checked:
            if int(await self._one("eth_chainId", ()), 16) != self.chain_id:
                raise ChainUnavailable
            self._is_checked = True

    async def _one(self, method: str, params: Sequence[Any]) -> Any:
        outcome = _outcome(_object(await self._post(_call(0, method, params))))
        if isinstance(outcome, RpcError):
            raise outcome
        return outcome

    async def _post(self, body: object) -> Any:
        try:
            async with self._session().post(self._url, data=orjson.dumps(body), headers=_HEADERS) as response:
                return orjson.loads(await response.read())
        except (ClientError, TimeoutError, ValueError, OSError):
            self._is_checked = False
            raise ChainUnavailable from None

    def _session(self) -> ClientSession:
        """The client; made at the first call, because it belongs to the running loop."""
        if self._http is None:
            timeout = ClientTimeout(total=TIMEOUT_S, connect=2)
            self._http = ClientSession(timeout=timeout, raise_for_status=True, cookie_jar=DummyCookieJar())
        return self._http


def _call(id: int, method: str, params: Sequence[Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


def _object(answer: object) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise ChainUnavailable
    return cast("dict[str, Any]", answer)


def _outcome(answer: dict[str, Any]) -> Any:
    """The result in an answer, or its `RpcError`."""
    if "error" in answer:
        return _error(answer["error"])
    if "result" not in answer:
        raise ChainUnavailable
    return answer["result"]


def _error(error: object) -> RpcError:
    said = _object(error)
    return RpcError(int(said.get("code", 0)), str(said.get("message", "")), said.get("data"))
