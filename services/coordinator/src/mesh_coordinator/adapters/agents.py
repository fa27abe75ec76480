"""Implements `ports.Agents` over REST: `POST {endpoint}/actions/{NAME}`.

The address, the answer and its size are a stranger's: every fault is a named refusal, and nothing of it is
followed, repeated or believed.
"""

import asyncio
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
from mesh_shared.auth.session import Sessions
from mesh_shared.dial import AddressRefused
from mesh_shared.wire import ReadModel
from pydantic import ValidationError

from mesh_coordinator.domain import references
from mesh_coordinator.domain.attempt import Failure
from mesh_coordinator.ports import Delivery, Invocation, Refusal

CONNECT_TIMEOUT_S = 5.0
CHUNK_BYTES = 65_536
MAX_DEPTH = 64
MAX_SIGNATURE_BYTES = 1024
MAX_PAUSE_S = 5.0
DETAIL_LENGTH = 300
_BUSY = frozenset({HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
"""With `Retry-After` these mean: the same request, later. A call that a crash cut off may still be running."""


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


class _Later(Exception):
    """Worth another try: the agent is busy with this very call, or our token is of a key that is gone."""

    def __init__(self, status: int, pause_s: float) -> None:
        super().__init__(status)
        self.status = status
        self.pause_s = pause_s
        self.is_stale = status == HTTPStatus.UNAUTHORIZED


@dataclass(frozen=True, slots=True)
class HttpAgents:
    """Calls agents through `session`, which checks addresses at the socket and follows no redirect."""

    session: aiohttp.ClientSession
    sessions: Sessions
    max_answer_bytes: int

    async def invoke(self, invocation: Invocation) -> Delivery | Refusal:
        deadline = time.monotonic() + invocation.timeout_s
        audience, is_renewed = origin(invocation.candidate.endpoint), False
        while True:
            token = await self.sessions.token(audience)
            try:
                return await self._post(invocation, token, deadline - time.monotonic())
            except _Later as later:
                is_hopeless = is_renewed if later.is_stale else time.monotonic() + later.pause_s >= deadline
                if is_hopeless:
                    return Refusal(Failure.BAD_STATUS, f"status {later.status} to the last")
                if later.is_stale:
                    self.sessions.forget(audience)
                    is_renewed = True
                await asyncio.sleep(later.pause_s)
            except _Refused as refused:
                return refused.refusal

    async def _post(self, invocation: Invocation, token: str, timeout_s: float) -> Delivery:
        url = f"{invocation.candidate.endpoint.rstrip('/')}/actions/{invocation.candidate.action}"
        body = orjson.dumps({"parameters": invocation.parameters, "context": invocation.context})
        timeout = aiohttp.ClientTimeout(total=timeout_s, connect=CONNECT_TIMEOUT_S)
        try:
            async with self.session.post(
                url, data=body, headers=_headers(invocation, token), timeout=timeout, allow_redirects=False
            ) as response:
                _check_status(response)
                answer = await self._read(response)
                signature = _signature(response.headers.get("X-Delivery-Signature"))
        except TimeoutError:
            raise _Refused(Failure.TIMED_OUT, f"no answer within {invocation.timeout_s:g} s") from None
        except aiohttp.ClientConnectorError as error:
            raise _unreachable(error) from None
        except (aiohttp.ClientError, ValueError) as error:
            raise _Refused(Failure.UNREACHABLE, type(error).__name__) from None
        return Delivery(_result(answer), signature)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        answer = bytearray()
        async for chunk in response.content.iter_chunked(CHUNK_BYTES):
            answer += chunk
            if len(answer) > self.max_answer_bytes:
                raise _Refused(Failure.ANSWER_TOO_LARGE, f"more than {self.max_answer_bytes} bytes")
        return bytes(answer)


def origin(endpoint: str) -> str:
    """`scheme://host[:port]` of an address: the audience of our token there."""
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{parts.netloc}"


def _headers(invocation: Invocation, token: str) -> dict[str, str]:
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Idempotency-Key": invocation.key,
    }
    return headers if invocation.escrow_id is None else headers | {"X-Escrow-Id": invocation.escrow_id}


def _check_status(response: aiohttp.ClientResponse) -> None:
    status, retry_after = response.status, response.headers.get("Retry-After", "")
    if status == HTTPStatus.UNAUTHORIZED:
        raise _Later(status, 0)
    if status in _BUSY and retry_after.isdecimal():
        raise _Later(status, min(max(float(retry_after), 0.1), MAX_PAUSE_S))
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
