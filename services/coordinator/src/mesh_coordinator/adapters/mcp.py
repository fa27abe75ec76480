"""The Model Context Protocol over streamable HTTP: `tools/call` at `{endpoint}/mcp`.

MCP has no word for idempotency: the attempt's key is in `_meta` and in the header `Idempotency-Key`.
"""

import asyncio
import re
import time
from contextlib import suppress
from http import HTTPStatus
from typing import Any, cast

import aiohttp
import orjson
from mesh_shared.wire import ReadModel
from pydantic import Field, ValidationError

from mesh_coordinator.adapters import jsonrpc
from mesh_coordinator.adapters.exchange import (
    SIGNATURE,
    Answer,
    Exchange,
    Refused,
    Stale,
    delivery,
    json_of,
    text,
)
from mesh_coordinator.domain.attempt import Failure
from mesh_coordinator.ports import Delivery, Invocation

PATH = "/mcp"
VERSION = "2025-06-18"
SPOKEN = frozenset({"2025-03-26", VERSION, "2025-11-25"})
"""Versions whose `tools/call` over streamable HTTP is the same."""
KEY, ESCROW, SIGNED = "mesh/idempotency-key", "mesh/escrow-id", "mesh/delivery-signature"
LEAVE_S = 1.0
RETRY_S = 0.1
"""Before a stream is asked to go on, at least; a server says how much more."""
LONGEST_RETRY_S = 30.0
"""At most, whatever a server says: its answer is not to lie there until the attempt's time is over."""
SESSION = "Mcp-Session-Id"
_EVENT_ID = re.compile(rb"[\x20-\x7e]{1,1024}")
_PAUSE_MS = re.compile(rb"[0-9]{1,9}")
_SESSION_ID = re.compile(r"[\x21-\x7e]{1,256}")
_STREAM = "text/event-stream"
_BOTH = {"Accept": f"application/json, {_STREAM}"}
_NOTED = frozenset({HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT})

Headers = dict[str, str]


async def call(exchange: Exchange) -> Delivery:
    """Calls the tool in a session of its own. Raises `Refused`, `Stale` or `Unavailable`."""
    url = f"{exchange.way.url.rstrip('/')}{PATH}"
    session = await _begun(exchange, url)
    tool = _tool(exchange.invocation)
    answer, called = await _asked(exchange, url, "tools/call", tool, session, exchange.once)
    delivered = _delivery(called, answer)
    await _leave(exchange, url, session)
    return delivered


async def _begun(exchange: Exchange, url: str) -> Headers:
    """Begins a session; returns the headers that belong to it."""
    hello = {
        "protocolVersion": VERSION,
        "capabilities": {},
        "clientInfo": {"name": "371-mesh-coordinator", "version": "1"},
    }
    answer, said = await _asked(exchange, url, "initialize", hello, {}, {})
    version, id = said.get("protocolVersion"), answer.headers.get(SESSION)
    if version not in SPOKEN:
        raise Refused(Failure.ACTION_FAILED, "it speaks no version of MCP that we do")
    if id is not None and not _SESSION_ID.fullmatch(id):
        raise Refused(Failure.ANSWER_MALFORMED, "the session's id has characters that none has")
    session = {"MCP-Protocol-Version": str(version)} | ({} if id is None else {SESSION: id})
    note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    await exchange.send(url, note, headers=_BOTH | session, accepted=_NOTED)
    return session


async def _leave(exchange: Exchange, url: str, session: Headers) -> None:
    """A session that is not ended is the server's to forget: what was delivered does not wait for that."""
    if SESSION in session and exchange.deadline - time.monotonic() > LEAVE_S:
        with suppress(Refused, Stale, aiohttp.ClientError, TimeoutError):
            await exchange.send(url, method="DELETE", headers=session, accepted=_NOTED)


def _tool(invocation: Invocation) -> dict[str, Any]:
    about = {KEY: invocation.key}
    if invocation.escrow_id is not None:
        about[ESCROW] = invocation.escrow_id
    return {"name": invocation.candidate.action, "arguments": invocation.parameters, "_meta": about}


async def _asked(
    exchange: Exchange, url: str, method: str, params: dict[str, Any], session: Headers, once: Headers
) -> tuple[Answer, dict[str, Any]]:
    """The result of a request, whether it comes as JSON or among the events of a stream.

    A stream that ends before its answer goes on after its last event (2025-11-25, transports, "Resumability
    and Redelivery"): the server works on, and to ask for the same again would make it begin anew.
    """
    events = Events(method)
    asked = jsonrpc.request(method, method, params)
    answer = await exchange.send(url, asked, headers=_BOTH | session | once, is_enough=events.feed)
    if not answer.headers.get("Content-Type", "").lower().startswith(_STREAM):
        return answer, jsonrpc.result(json_of(answer.body), method)
    while events.answer is None and events.last_id is not None:
        await asyncio.sleep(events.retry_s)
        resumed = session | {"Accept": _STREAM, "Last-Event-ID": events.resumed()}
        answer = await exchange.send(url, method="GET", headers=resumed, is_enough=events.feed)
    return answer, jsonrpc.result(events.answer, method)


class _ItemBody(ReadModel):
    text: str | None = None


class _CalledBody(ReadModel):
    """The part of a tool's result that we read."""

    content: list[_ItemBody] = Field(default=[])
    structuredContent: Any = None
    isError: bool = False
    about: dict[str, Any] = Field(default={}, validation_alias="_meta")


class Events:
    """Looks for the answer to `id` among server-sent events, as they come in pieces.

    `last_id` is of the last whole event that had one, `retry_s` the pause that the server wants before more.
    """

    def __init__(self, id: str) -> None:
        self.answer: dict[str, Any] | None = None
        self.last_id: str | None = None
        self.retry_s = RETRY_S
        self._id = id
        self._line = bytearray()
        self._data: list[bytes] = []
        self._its_id = b""

    def feed(self, chunk: bytes) -> bool:
        """Takes the next piece; true once the answer is complete."""
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            self._take(bytes(self._line + part).removesuffix(b"\r"))
            self._line.clear()
        self._line += rest
        return self.answer is not None

    def resumed(self) -> str:
        """The id to go on after; what came of the event behind it is forgotten, for it comes again."""
        self._line.clear()
        self._data, self._its_id = [], b""
        return self.last_id or ""

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"id":
            self._its_id = value
        elif name == b"retry" and _PAUSE_MS.fullmatch(value):
            self.retry_s = min(max(RETRY_S, int(value) / 1000), LONGEST_RETRY_S)
        elif not line:
            self._end()

    def _end(self) -> None:
        if _EVENT_ID.fullmatch(self._its_id):
            self.last_id = self._its_id.decode()
        said, self._data, self._its_id = _object(b"\n".join(self._data)), [], b""
        if self.answer is None and said.get("id") == self._id and "method" not in said:
            self.answer = said


def _object(data: bytes) -> dict[str, Any]:
    """The JSON object in an event; empty when there is none."""
    try:
        said = orjson.loads(data)
    except orjson.JSONDecodeError:
        return {}
    return cast("dict[str, Any]", said) if isinstance(said, dict) else {}


def _delivery(called: dict[str, Any], answer: Answer) -> Delivery:
    """The structured content, else the first text: as JSON when it is some, else as it is."""
    try:
        said = _CalledBody.model_validate(called)
    except ValidationError:
        raise Refused(Failure.ANSWER_MALFORMED, "no result of a tool") from None
    first = next((item.text for item in said.content if item.text is not None), None)
    if said.isError:
        raise Refused(Failure.ACTION_FAILED, text(first))
    result = said.structuredContent
    if result is None and first is not None:
        result = _value(first)
    return delivery(result, answer.headers.get(SIGNATURE) or said.about.get(SIGNED))


def _value(said: str) -> Any:
    try:
        return orjson.loads(said)
    except orjson.JSONDecodeError:
        return said
