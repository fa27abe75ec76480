"""Agents are called over MCP as they are over REST: once per key, within the same limits."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from fastapi import Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from hypothesis import given
from hypothesis import strategies as st
from invocations import ESCROW, KEY, LIMIT_BYTES, SIGNATURE, call
from mesh_coordinator.adapters.agents import HttpAgents
from mesh_coordinator.adapters.mcp import LONGEST_RETRY_S, RETRY_S, Events
from mesh_coordinator.domain.attempt import Failure
from mesh_coordinator.domain.selection import Protocol
from mesh_coordinator.ports import Delivery, Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from towns import Town

# The Model Context Protocol: a server as its specification has it (2025-06-18, transports and tools).

STRUCTURED = {"content": [{"type": "text", "text": "{}"}], "structuredContent": {"word": "HELLO"}}


@dataclass(slots=True)
class McpServer:
    """Answers as JSON or as a stream that it leaves open; keeps sessions strictly.

    With `parts` a stream to which it adds one of them each time it is asked to go on.
    """

    result: dict[str, Any] = field(default_factory=lambda: STRUCTURED)
    is_stream: bool = False
    version: str = "2025-06-18"
    session: str = "s-1"
    parts: list[bytes] = field(default_factory=list[bytes])
    seen: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    headers: dict[str, str] = field(default_factory=dict[str, str])

    async def answer(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.seen.append(("DELETE", request.headers["mcp-session-id"]))
            return Response(status_code=204)
        asked = await request.json()
        self.seen.append((asked["method"], asked.get("params")))
        if asked["method"] == "initialize":
            told = {"protocolVersion": self.version, "capabilities": {}, "serverInfo": {}}
            return self._said(asked["id"], told, {"Mcp-Session-Id": self.session})
        if request.headers.get("mcp-session-id") != self.session:
            return Response(status_code=404)
        if request.headers.get("mcp-protocol-version") != self.version:
            return Response(status_code=400)
        if asked["method"] == "notifications/initialized":
            return Response(status_code=202)
        self.headers = dict(request.headers)
        return self._part() if self.parts else self._said(asked["id"], self.result, {})

    async def go_on(self, request: Request) -> Response:
        self.seen.append(("GET", request.headers["last-event-id"]))
        self.headers = dict(request.headers)
        return self._part()

    def _part(self) -> Response:
        if not self.parts:
            return Response(status_code=405)
        return Response(self.parts.pop(0), media_type="text/event-stream")

    def _said(self, id: str, result: dict[str, Any], headers: dict[str, str]) -> Response:
        answer = {"jsonrpc": "2.0", "id": id} | (result if "error" in result else {"result": result})
        if not self.is_stream:
            return JSONResponse(answer, headers=headers)

        async def events() -> AsyncIterator[bytes]:
            yield b": hello\r\n\r\n"
            yield b'event: message\ndata: {"jsonrpc":"2.0","method":"notifications/progress"}\n\n'
            yield b"data: " + orjson.dumps(answer) + b"\n\n"
            await asyncio.sleep(60)

        return StreamingResponse(events(), media_type="text/event-stream", headers=headers)


def open_mcp(town: Town, server: McpServer) -> str:
    town.app.add_route("/tools/mcp", server.answer, methods=["POST", "DELETE"])
    town.app.add_route("/tools/mcp", server.go_on, methods=["GET"])
    return f"{town.url}/tools"


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_tool_is_called_in_a_session_that_is_ended(town: Town, agents: HttpAgents, is_stream: bool):
    server = McpServer(is_stream=is_stream)

    answer = await agents.invoke(call(open_mcp(town, server), Protocol.MCP, "work", escrow_id=ESCROW))

    assert answer == Delivery({"word": "HELLO"}, None)
    assert [method for method, _ in server.seen] == [
        "initialize",
        "notifications/initialized",
        "tools/call",
        "DELETE",
    ]
    assert server.seen[2][1] == {
        "name": "work",
        "arguments": {"word": "hello"},
        "_meta": {"mesh/idempotency-key": KEY, "mesh/escrow-id": ESCROW},
    }
    assert (server.headers["idempotency-key"], server.headers["x-escrow-id"]) == (KEY, ESCROW)


FIRST = b"id: e-1\nretry: 1\ndata:\n\nid: cut\ndata: {"
LAST = b'data: {"id": "tools/call", "result": {"structuredContent": {"word": "HELLO"}}}\n\n'


async def test_a_stream_that_ends_too_soon_goes_on_after_its_last_whole_event(town: Town, agents: HttpAgents):
    server = McpServer(parts=[FIRST, b"id: e-2\ndata:\n\n", LAST])

    answer = await agents.invoke(call(open_mcp(town, server), Protocol.MCP, escrow_id=ESCROW))

    assert answer == Delivery({"word": "HELLO"}, None)
    assert [method for method, _ in server.seen].count("tools/call") == 1
    assert server.seen[3:] == [("GET", "e-1"), ("GET", "e-2"), ("DELETE", "s-1")]
    assert server.headers["mcp-session-id"] == "s-1"
    assert not {"idempotency-key", "x-escrow-id"} & set(server.headers)


@pytest.mark.parametrize(
    ("part", "failure"), [(FIRST, Failure.BAD_STATUS), (b"data:\n\n", Failure.ANSWER_MALFORMED)]
)
async def test_a_stream_that_cannot_go_on_is_no_answer(
    town: Town, agents: HttpAgents, part: bytes, failure: Failure
):
    answered = await agents.invoke(call(open_mcp(town, McpServer(parts=[part])), Protocol.MCP))

    assert isinstance(answered, Refusal)
    assert answered.failure is failure


@pytest.mark.parametrize(
    ("result", "delivery"),
    [
        ({"content": [{"type": "image"}, {"type": "text", "text": '{"a": 1}'}]}, Delivery({"a": 1}, None)),
        ({"content": [{"type": "text", "text": "plain"}]}, Delivery("plain", None)),
        (
            STRUCTURED | {"_meta": {"mesh/delivery-signature": SIGNATURE}},
            Delivery({"word": "HELLO"}, SIGNATURE),
        ),
    ],
)
async def test_what_a_tool_returns_is_the_result(
    town: Town, agents: HttpAgents, result: dict[str, Any], delivery: Delivery
):
    assert await agents.invoke(call(open_mcp(town, McpServer(result)), Protocol.MCP)) == delivery


@pytest.mark.parametrize(
    ("server", "failure"),
    [
        (
            McpServer({"content": [{"type": "text", "text": "broken"}], "isError": True}),
            Failure.ACTION_FAILED,
        ),
        (McpServer({"error": {"code": -32602, "message": "Unknown tool"}}), Failure.ACTION_FAILED),
        (McpServer({"content": []}), Failure.NOTHING_DELIVERED),
        (McpServer({"content": "all of it"}), Failure.ANSWER_MALFORMED),
        (McpServer({"content": [{"text": "x" * LIMIT_BYTES}]}, is_stream=True), Failure.ANSWER_TOO_LARGE),
        (McpServer(version="2024-11-05"), Failure.ACTION_FAILED),
        (McpServer(session="with space"), Failure.ANSWER_MALFORMED),
    ],
)
async def test_every_misdeed_over_mcp_has_the_name_that_it_has_over_rest(
    town: Town, agents: HttpAgents, server: McpServer, failure: Failure
):
    answered = await agents.invoke(call(open_mcp(town, server), Protocol.MCP))

    assert isinstance(answered, Refusal)
    assert answered.failure is failure


EVENT = (
    b': c\r\n\r\nid: e-7\r\nretry: 2500\r\nevent: message\r\ndata: {"id":\r\ndata: "x", "result": {}}\r\n\r\n'
    b'data: {"id": "x", "result": 2}\n\n'
)


@given(st.lists(st.integers(0, len(EVENT)), max_size=8))
def test_an_event_is_understood_however_it_is_cut_to_pieces(cuts: list[int]):
    events, places = Events("x"), [0, *sorted(cuts), len(EVENT)]

    enough = [events.feed(EVENT[start:end]) for start, end in pairwise(places)]

    assert enough[-1]
    assert (events.answer, events.last_id, events.retry_s) == ({"id": "x", "result": {}}, "e-7", 2.5)


@pytest.mark.parametrize(
    "said",
    [b"id: a\0b", b"id: \xc3\xa9", b"id: a\rb", b"id:", b"id: " + b"x" * 2000, b"retry: 1e9", b"retry: -1"],
)
def test_what_is_no_id_and_no_pause_is_passed_over(said: bytes):
    events = Events("x")

    events.feed(said + b"\ndata:\n\n")

    assert (events.last_id, events.retry_s) == (None, 0.1)


@pytest.mark.parametrize(
    ("asked", "pause_s"), [(b"0", RETRY_S), (b"5000", 5.0), (b"999999999", LONGEST_RETRY_S)]
)
def test_a_server_says_how_long_to_wait_within_bounds_of_ours(asked: bytes, pause_s: float):
    events = Events("x")

    events.feed(b"retry: " + asked + b"\n")

    assert events.retry_s == pause_s


def test_a_request_of_the_server_s_is_no_answer_to_ours():
    events = Events("x")

    assert not events.feed(b'data: {"id": "x", "method": "ping"}\n\ndata: [1]\n\ndata: no\n\n')
