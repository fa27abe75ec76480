"""One call of an agent over HTTP, whatever it speaks: within its time and bytes, every fault by its name.

The address, the answer and its size are a stranger's: nothing of it is followed or believed, and a request is
repeated only when the agent asks for that.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
import orjson
from mesh_shared.agents.gateway import AUDIENCE as GATEWAY
from mesh_shared.agents.gateway import MARK
from mesh_shared.errors import Unavailable
from mesh_shared.x402.wire import MAX_HEADER, REQUIRED
from mesh_shared.x402.wire import SIGNATURE as PAYMENT

from mesh_coordinator.adapters.ways import Way
from mesh_coordinator.domain import references
from mesh_coordinator.domain.attempt import Failure
from mesh_coordinator.ports import Delivery, Invocation, Refusal

CHUNK_BYTES = 65_536
MAX_DEPTH = 64
MAX_SIGNATURE_BYTES = 1024
MAX_PAUSE_S = 5.0
DETAIL_LENGTH = 300
SIGNATURE = "X-Delivery-Signature"
_FINE = frozenset({HTTPStatus.OK})
_BUSY = frozenset({HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
"""With `Retry-After` these mean: the same request, later. A call that a crash cut off may still run."""
_GIVES_ANSWER = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""With these the gateway speaks of our token, our pace or its upstream: an answer like an agent's own."""


class Refused(Exception):
    """The agent delivers nothing."""

    def __init__(self, failure: Failure, detail: str, *, may_pass: bool = False) -> None:
        super().__init__(detail)
        self.refusal = Refusal(failure, detail[:DETAIL_LENGTH], may_pass)


class Demanded(Exception):
    """The agent wants to be paid first; the header that says how is its word."""

    def __init__(self, header: str) -> None:
        super().__init__("402")
        self.header = header


class Stale(Exception):
    """The agent does not take our token: the gateway may have changed its keys since."""


class _Busy(Exception):
    """The agent asks for the same request again, after a pause."""

    def __init__(self, status: int, pause_s: float) -> None:
        super().__init__(status)
        self.status = status
        self.pause_s = pause_s


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back with a status that was asked for."""

    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """The requests that make one invocation; `deadline` is of `time.monotonic`."""

    invocation: Invocation
    way: Way
    token: str
    deadline: float
    max_bytes: int

    async def send(
        self,
        url: str,
        body: object = None,
        *,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        accepted: frozenset[HTTPStatus] = _FINE,
        is_enough: Callable[[bytes], bool] = lambda chunk: False,
    ) -> Answer:
        """One request, again while the agent asks for that and has time left.

        `is_enough` is told each piece of the answer, and true ends the reading. Raises `Refused`, `Stale`,
        or `Unavailable` for a fault of the mesh's own.
        """
        while True:
            try:
                return await self._once(url, body, method, headers or {}, accepted, is_enough)
            except _Busy as busy:
                if time.monotonic() + busy.pause_s >= self.deadline:
                    detail = f"status {busy.status} to the last"
                    raise Refused(Failure.BAD_STATUS, detail, may_pass=True) from None
                await asyncio.sleep(busy.pause_s)

    @property
    def once(self) -> dict[str, str]:
        """The headers of the one request that makes the agent work."""
        asked = self.invocation
        told = {"Idempotency-Key": asked.key, "X-Escrow-Id": asked.escrow_id, PAYMENT: asked.payment}
        return {name: value for name, value in told.items() if value is not None}

    async def _once(
        self,
        url: str,
        body: object,
        method: str,
        headers: Mapping[str, str],
        accepted: frozenset[HTTPStatus],
        is_enough: Callable[[bytes], bool],
    ) -> Answer:
        async with self.way.session.request(
            method,
            url,
            data=None if body is None else orjson.dumps(body),
            headers={**self._headers(), **headers},
            allow_redirects=False,
            auto_decompress=False,  # a few bytes can be made to swell to any size
        ) as response:
            if self.way.audience == GATEWAY:
                _check_gateway(response)
            _check_status(response, accepted)
            return Answer(await self._read(response, is_enough), response.headers)

    def _headers(self) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }

    async def _read(self, response: aiohttp.ClientResponse, is_enough: Callable[[bytes], bool]) -> bytes:
        answer = bytearray()
        async for chunk in response.content.iter_chunked(CHUNK_BYTES):
            answer += chunk
            if len(answer) > self.max_bytes:
                raise Refused(Failure.ANSWER_TOO_LARGE, f"more than {self.max_bytes} bytes")
            if is_enough(chunk):
                break
        return bytes(answer)


def json_of(data: bytes) -> Any:
    """JSON as RFC 8259 has it: NaN and lone surrogates are none. Raises `Refused`."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Refused(Failure.ANSWER_NOT_JSON, error.msg) from None


def delivery(result: Any, signature: object) -> Delivery:
    """`result` when it can be worked with. Raises `Refused`.

    A signature is kept when it looks like one; whether it holds is for the contract to say.
    """
    if result is None:
        raise Refused(Failure.NOTHING_DELIVERED, "a success without data")
    if references.depth(result) > MAX_DEPTH:
        raise Refused(Failure.ANSWER_MALFORMED, f"nested deeper than {MAX_DEPTH} levels")
    return Delivery(result, _signature(signature))


def text(error: Any) -> str:
    """What an agent says of its failure, as JSON."""
    return orjson.dumps(error).decode() if references.depth(error) <= MAX_DEPTH else ""


def _signature(said: object) -> str | None:
    try:
        signature = bytes.fromhex(str(said or "").removeprefix("0x"))
    except ValueError:
        return None
    return f"0x{signature.hex()}" if 0 < len(signature) <= MAX_SIGNATURE_BYTES else None


def _check_gateway(response: aiohttp.ClientResponse) -> None:
    """Tells the gateway's own refusals from the agent's answers.

    For one that it could not reach the agent answers; for a missing grant or a spent budget it does not.
    """
    if (code := response.headers.get(MARK)) is None or response.status in _GIVES_ANSWER:
        return
    if response.status == HTTPStatus.SERVICE_UNAVAILABLE:
        raise Unavailable(GATEWAY)
    raise Refused(Failure.NOT_LET_THROUGH, f"the gateway says {code}")


def _check_status(response: aiohttp.ClientResponse, accepted: frozenset[HTTPStatus]) -> None:
    status, retry_after = response.status, response.headers.get("Retry-After", "")
    if status == HTTPStatus.UNAUTHORIZED:
        raise Stale
    if status in _BUSY and retry_after.isdecimal():
        raise _Busy(status, min(max(float(retry_after), 0.1), MAX_PAUSE_S))
    if status == HTTPStatus.PAYMENT_REQUIRED and REQUIRED in response.headers:
        raise Demanded(response.headers[REQUIRED][:MAX_HEADER])
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        raise Refused(Failure.REDIRECTED, f"status {status}")
    if status not in accepted:
        may_pass = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        raise Refused(Failure.BAD_STATUS, f"status {status}", may_pass=may_pass)
