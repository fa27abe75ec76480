"""Implements `ports.Agents` over REST: `POST {endpoint}/actions/{NAME}`.

The address, the answer and its size are a stranger's: every fault is a named refusal, and nothing of it is
followed, repeated or believed.
"""

import asyncio
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
import orjson
from mesh_shared.agents.gateway import AUDIENCE as GATEWAY
from mesh_shared.agents.gateway import MARK
from mesh_shared.auth.session import Sessions
from mesh_shared.dial import AddressRefused
from mesh_shared.errors import Unavailable
from mesh_shared.wire import ReadModel
from pydantic import ValidationError

from mesh_coordinator.adapters.ways import Way, Ways
from mesh_coordinator.domain import references
from mesh_coordinator.domain.attempt import Failure
from mesh_coordinator.ports import Delivery, Invocation, Refusal

CHUNK_BYTES = 65_536
MAX_DEPTH = 64
MAX_SIGNATURE_BYTES = 1024
MAX_PAUSE_S = 5.0
DETAIL_LENGTH = 300
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


class _ContentBody(ReadModel):
    success: bool
    data: Any = None
    error: Any = None


class _ReplyBody(ReadModel):
    """The part of an action's answer that we read."""

    content: _ContentBody


class _Refused(Exception):
    def __init__(self, failure: Failure, detail: str) -> None:
        super().__init__(detail)
        self.refusal = Refusal(failure, detail[:DETAIL_LENGTH])


class _Stale(Exception):
    """The agent does not take our token: the gateway may have changed its keys since."""


class _Busy(Exception):
    """The agent asks for the same request again, after a pause."""

    def __init__(self, status: int, pause_s: float) -> None:
        super().__init__(status)
        self.status = status
        self.pause_s = pause_s


@dataclass(frozen=True, slots=True)
class HttpAgents:
    """Calls agents in the way that leads to each, and follows no redirect."""

    ways: Ways
    sessions: Sessions
    max_answer_bytes: int

    async def invoke(self, invocation: Invocation) -> Delivery | Refusal:
        way = self.ways.to(invocation.candidate.endpoint)
        try:
            try:
                return await self._patiently(invocation, way)
            except _Stale:
                self.sessions.forget(way.audience)
                return await self._patiently(invocation, way)
        except _Stale:
            return Refusal(Failure.BAD_STATUS, "status 401, with a fresh token too")
        except _Refused as refused:
            return refused.refusal

    async def _patiently(self, invocation: Invocation, way: Way) -> Delivery:
        """Repeats the call while the agent asks for that and has time left; the gateway's is not counted."""
        token = await self.sessions.token(way.audience)
        deadline = time.monotonic() + invocation.timeout_s
        while True:
            try:
                return await self._in_time(invocation, way, token, deadline)
            except _Busy as busy:
                if time.monotonic() + busy.pause_s >= deadline:
                    raise _Refused(Failure.BAD_STATUS, f"status {busy.status} to the last") from None
                await asyncio.sleep(busy.pause_s)

    async def _in_time(self, invocation: Invocation, way: Way, token: str, deadline: float) -> Delivery:
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                return await self._post(invocation, way, token)
        except TimeoutError:
            raise _Refused(Failure.TIMED_OUT, f"no answer within {invocation.timeout_s:g} s") from None
        except aiohttp.ClientConnectorError as error:
            if way.audience == GATEWAY:
                raise Unavailable(GATEWAY) from None
            raise _unreachable(error) from None
        except (aiohttp.ClientError, ValueError) as error:
            raise _Refused(Failure.UNREACHABLE, type(error).__name__) from None

    async def _post(self, invocation: Invocation, way: Way, token: str) -> Delivery:
        async with way.session.post(
            f"{way.url.rstrip('/')}/actions/{invocation.candidate.action}",
            data=orjson.dumps({"parameters": invocation.parameters, "context": invocation.context}),
            headers=_headers(invocation, token),
            allow_redirects=False,
            auto_decompress=False,  # a few bytes can be made to swell to any size
        ) as response:
            if way.audience == GATEWAY:
                _check_gateway(response)
            _check_status(response)
            answer = await self._read(response)
            return Delivery(_result(answer), _signature(response.headers.get("X-Delivery-Signature")))

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        answer = bytearray()
        async for chunk in response.content.iter_chunked(CHUNK_BYTES):
            answer += chunk
            if len(answer) > self.max_answer_bytes:
                raise _Refused(Failure.ANSWER_TOO_LARGE, f"more than {self.max_answer_bytes} bytes")
        return bytes(answer)


def _headers(invocation: Invocation, token: str) -> dict[str, str]:
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Idempotency-Key": invocation.key,
    }
    return headers if invocation.escrow_id is None else headers | {"X-Escrow-Id": invocation.escrow_id}


def _check_gateway(response: aiohttp.ClientResponse) -> None:
    """Tells the gateway's own refusals from the agent's answers.

    For one that it could not reach the agent answers; for a missing grant or a spent budget it does not.
    """
    if (code := response.headers.get(MARK)) is None or response.status in _GIVES_ANSWER:
        return
    if response.status == HTTPStatus.SERVICE_UNAVAILABLE:
        raise Unavailable(GATEWAY)
    raise _Refused(Failure.NOT_LET_THROUGH, f"the gateway says {code}")


def _check_status(response: aiohttp.ClientResponse) -> None:
    status, retry_after = response.status, response.headers.get("Retry-After", "")
    if status == HTTPStatus.UNAUTHORIZED:
        raise _Stale
    if status in _BUSY and retry_after.isdecimal():
        raise _Busy(status, min(max(float(retry_after), 0.1), MAX_PAUSE_S))
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        raise _Refused(Failure.REDIRECTED, f"status {status}")
    if status != HTTPStatus.OK:
        raise _Refused(Failure.BAD_STATUS, f"status {status}")


def _result(answer: bytes) -> Any:
    """What was delivered. JSON as RFC 8259 has it: NaN and lone surrogates are none."""
    try:
        reply = _ReplyBody.model_validate(orjson.loads(answer))
    except orjson.JSONDecodeError as error:
        raise _Refused(Failure.ANSWER_NOT_JSON, error.msg) from None
    except ValidationError:
        raise _Refused(Failure.ANSWER_MALFORMED, "no content with a success of true or false") from None
    if not reply.content.success:
        raise _Refused(Failure.ACTION_FAILED, _text(reply.content.error))
    if reply.content.data is None:
        raise _Refused(Failure.NOTHING_DELIVERED, "a success without data")
    if references.depth(reply.content.data) > MAX_DEPTH:
        raise _Refused(Failure.ANSWER_MALFORMED, f"nested deeper than {MAX_DEPTH} levels")
    return reply.content.data


def _text(error: Any) -> str:
    return orjson.dumps(error).decode() if references.depth(error) <= MAX_DEPTH else ""


def _signature(header: str | None) -> str | None:
    """The signature when it is one by its looks; whether it holds is for the contract to say."""
    text = (header or "").removeprefix("0x")
    try:
        signature = bytes.fromhex(text)
    except ValueError:
        return None
    return f"0x{signature.hex()}" if 0 < len(signature) <= MAX_SIGNATURE_BYTES else None


def _unreachable(error: aiohttp.ClientConnectorError) -> _Refused:
    if isinstance(error.os_error, AddressRefused):
        return _Refused(Failure.ADDRESS_REFUSED, "agents on private addresses are not called")
    return _Refused(Failure.UNREACHABLE, "no connection")
