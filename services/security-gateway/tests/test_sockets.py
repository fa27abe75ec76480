"""WebSockets through the gateway: opened under a grant, checked message by message, honest about the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_security_gateway.domain.redaction import MessageRedactor, needles
from mesh_security_gateway.errors import EchoDetected
from mesh_security_gateway.service import conversations
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

if TYPE_CHECKING:
    from conftest import MakeApp, Operator, Origin

MARK = " [***] "


@dataclass
class Speaker:
    """An upstream that speaks WebSocket: says what it was told to, then what it hears, until that ends."""

    url: str = ""
    opened: list[ServerConnection] = field(default_factory=list[ServerConnection])
    says: Callable[[ServerConnection], Awaitable[None]] | None = None
    closed: list[tuple[int | None, str | None]] = field(default_factory=list[tuple[int | None, str | None]])

    async def serve(self, socket: ServerConnection) -> None:
        self.opened.append(socket)
        if self.says is not None:
            await self.says(socket)
        with suppress(ConnectionClosed):
            async for message in socket:
                await socket.send(message)
        self.closed.append((socket.close_code, socket.close_reason))

    def field(self, name: str) -> str | None:
        """A field of the request that opened the last socket."""
        request = self.opened[-1].request
        return request and request.headers.get(name)


@pytest.fixture
async def speaker() -> AsyncIterator[Speaker]:
    speaker = Speaker()

    def agree(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        return next((protocol for protocol in offered if protocol == "chat.v2"), None)

    async with serve(speaker.serve, "127.0.0.1", 0, select_subprotocol=agree, compression=None) as server:
        speaker.url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        yield speaker


@pytest.fixture
def operator(operator_live: Operator) -> Operator:
    return operator_live


@pytest.fixture
async def agent(operator: Operator, speaker: Speaker) -> dict[str, str]:
    await operator.connect(speaker.url, base_path="/v1")
    await operator.grant("agent-7", methods=["WEBSOCKET"], paths=["/live/**"])
    return await operator.agent("agent-7")


def dial(operator: Operator, headers: dict[str, str], path: str = "github/live/a", **more: Any) -> connect:
    url = str(operator.http.base_url).replace("http", "ws", 1)
    return connect(f"{url}/v1/proxy/{path}", additional_headers=headers, compression=None, **more)


async def refusal(dialling: connect) -> tuple[int, str, str]:
    """Status, code and mark of the problem document that it is answered."""
    with pytest.raises(InvalidStatus) as refused:
        await dialling
    response = refused.value.response
    return (
        response.status_code,
        json.loads(response.body or b"{}")["code"],
        response.headers["x-mesh-gateway-error"],
    )


async def end(socket: ClientConnection) -> tuple[int | None, str | None]:
    """How it was ended, whatever else was said before."""
    with suppress(ConnectionClosed):
        async with asyncio.timeout(60):
            while True:
                await socket.recv()
    return socket.close_code, socket.close_reason


async def entries(operator: Operator, count: int) -> list[dict[str, Any]]:
    """The agent's audit, newest first, once it has so many entries."""
    async with asyncio.timeout(60):
        while True:
            found = (await operator.get("/v1/audit", agent="agent-7")).json()["items"]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.02)


async def outcome(operator: Operator) -> str | None:
    return (await entries(operator, 2))[0]["code"]


async def test_messages_go_both_ways_under_a_credential_that_only_the_upstream_sees(
    operator: Operator, speaker: Speaker, agent: dict[str, str], canary: str
):
    async with dial(operator, agent | {"Cookie": "a=b", "X-Api-Key": "own"}) as socket:
        await socket.send("question")
        await socket.send(b"\x00\x01")
        heard = [await socket.recv(), await socket.recv()]

    ended, intent = await entries(operator, 2)
    assert heard == ["question", b"\x00\x01"]
    assert speaker.opened[-1].request is not None
    assert speaker.opened[-1].request.path == "/v1/live/a"
    assert speaker.field("authorization") == f"Bearer {canary}"
    assert speaker.field("cookie") is speaker.field("x-api-key") is None
    assert (intent["method"], intent["path"], intent["decision"]) == ("WEBSOCKET", "/live/a", "allow")
    assert (ended["status"], ended["code"], ended["bytes"]) == (101, None, 10)
    assert speaker.closed == [(1000, "")]


async def test_a_secret_is_taken_out_of_every_kind_of_message(
    operator: Operator, speaker: Speaker, agent: dict[str, str], canary: str
):
    async def says(socket: ServerConnection) -> None:
        await socket.send(f"<{canary}> é")
        await socket.send(f"<{canary[::-1]}>".encode())
        await socket.send([f"<{canary[:9]}", canary[9:12], f"{canary[12:]}>"])

    speaker.says = says

    async with dial(operator, agent) as socket:
        heard = [await socket.recv() for _ in range(3)]

    assert heard == [f"<{MARK}> é", f"<{MARK}>".encode(), f"<{MARK}>"]


async def test_a_secret_in_pieces_ends_the_conversation_before_its_last_piece(
    operator: Operator, speaker: Speaker, agent: dict[str, str], canary: str
):
    async def says(socket: ServerConnection) -> None:
        for letter in canary:
            await socket.send(letter)

    speaker.says = says
    heard = ""

    async with dial(operator, agent) as socket:
        with suppress(ConnectionClosed):
            async for message in socket:
                heard += str(message)

    assert heard == canary[: len(heard)]
    assert len(heard) < len(canary)
    assert (socket.close_code, socket.close_reason) == (1011, "echo-detected")
    assert await outcome(operator) == "echo-detected"


async def test_how_a_side_ends_it_is_passed_on_without_the_secret(
    operator: Operator, speaker: Speaker, agent: dict[str, str], canary: str
):
    async with dial(operator, agent) as socket:
        await socket.close(4001, "done")
    speaker.says = lambda socket: socket.close(4002, f"bye {canary}")
    async with dial(operator, agent) as socket:
        ended = await end(socket)

    assert ended == (4002, f"bye {MARK}")
    assert speaker.closed[0] == (4001, "done")


async def test_what_both_speak_is_agreed_through_the_gateway(
    operator: Operator, speaker: Speaker, agent: dict[str, str]
):
    offered = [Subprotocol("chat.v1"), Subprotocol("chat.v2")]

    async with dial(operator, agent, subprotocols=offered) as socket:
        agreed = socket.subprotocol

    assert agreed == "chat.v2"
    assert speaker.field("sec-websocket-extensions") is None


async def test_nobody_opens_one_without_a_grant_that_says_so(
    operator: Operator, speaker: Speaker, agent: dict[str, str]
):
    await operator.grant("reader", methods=["GET"], paths=["/**"])
    await operator.grant("asker", methods=["WEBSOCKET"], paths=["/**"], needs_approval=True)
    reader, asker = await operator.agent("reader"), await operator.agent("asker")
    without_scope = await operator.agent("agent-7", "gateway:audit")

    refused = [
        await refusal(dial(operator, reader)),
        await refusal(dial(operator, asker)),
        await refusal(dial(operator, agent, "github/other")),
        await refusal(dial(operator, agent, "nowhere/live/a")),
        await refusal(dial(operator, agent, "github/live/%2e%2e/other")),
        await refusal(dial(operator, without_scope)),
        await refusal(dial(operator, {})),
        await refusal(dial(operator, agent, subprotocols=[Subprotocol(f"p{n}") for n in range(9)])),
    ]

    assert refused == [
        (403, "grant-missing", "grant_missing"),
        (403, "socket-unapprovable", "socket_unapprovable"),
        (403, "grant-missing", "grant_missing"),
        (404, "connection-not-found", "connection_not_found"),
        (400, "path-refused", "path_refused"),
        (403, "forbidden", "forbidden"),
        (401, "unauthenticated", "unauthenticated"),
        (400, "path-refused", "path_refused"),
    ]
    assert speaker.opened == []


async def test_a_plain_call_is_none_under_a_grant_for_sockets(operator: Operator, agent: dict[str, str]):
    answer = await operator.http.get("/v1/proxy/github/live/a", headers=agent)

    assert (answer.status_code, answer.json()["code"]) == (403, "grant-missing")


@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect", "200 OK", "403 Forbidden"])
async def test_an_upstream_that_opens_none_gets_the_secret_once_and_sends_it_nowhere(
    operator: Operator, speaker: Speaker, origin: Origin, status: str
):
    origin.answers(status=status, location=f"{speaker.url}/elsewhere")
    await operator.connect(origin.url)
    await operator.grant("agent-7", methods=["WEBSOCKET"])

    refused = await refusal(dial(operator, await operator.agent("agent-7")))

    assert refused == (502, "upgrade-refused", "upgrade_refused")
    assert (len(origin.seen), speaker.opened) == (1, [])
    assert await outcome(operator) == "upgrade-refused"


async def test_an_upstream_that_breaks_off_is_not_ended_as_if_it_were_well(
    operator: Operator, speaker: Speaker, agent: dict[str, str]
):
    async def says(socket: ServerConnection) -> None:
        await socket.send("half")
        socket.transport.abort()

    speaker.says = says

    async with dial(operator, agent) as socket:
        ended = await end(socket)

    assert ended == (1011, "upstream-broken")
    assert await outcome(operator) == "upstream-broken"


async def test_an_upstream_that_does_not_even_answer_a_ping_is_given_up(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key"))
        upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        accept = f"Sec-WebSocket-Accept: {accept_key(key.partition(': ')[2])}\r\n\r\n"
        writer.write((upgrade + accept).encode())
        await reader.read()
        writer.close()

    server = await asyncio.start_server(deaf, "127.0.0.1", 0)
    await operator.connect(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", name="deaf")
    await operator.grant("agent-7", connection="deaf", methods=["WEBSOCKET"])

    async with dial(operator, agent, "deaf/") as socket:
        ended = await end(socket)
    server.close()

    assert ended == (1011, "upstream-timeout")
    assert await outcome(operator) == "upstream-timeout"


def accept_key(key: str) -> str:
    from websockets.utils import accept_key  # noqa: PLC0415 - one test's

    return accept_key(key)


@pytest.mark.parametrize("from_agent", [True, False])
async def test_a_message_that_is_too_large_ends_it(
    operator: Operator, speaker: Speaker, agent: dict[str, str], from_agent: bool
):
    large = b"x" * ((1 << 20) + 1)
    if not from_agent:
        speaker.says = lambda socket: socket.send(large)

    async with dial(operator, agent, max_size=None) as socket:
        if from_agent:
            await socket.send(large)
        code, _ = await end(socket)

    assert code == (1009 if from_agent else 1011)
    assert await outcome(operator) == ("interrupted" if from_agent else "upstream-too-large")


async def test_more_than_an_answer_may_have_is_cut_off(
    operator: Operator, speaker: Speaker, agent: dict[str, str]
):
    async def says(socket: ServerConnection) -> None:
        for _ in range(3):
            await socket.send(b"x" * 400_000)

    speaker.says = says

    async with dial(operator, agent) as socket:
        ended = await end(socket)

    assert ended == (1011, "upstream-too-large")


async def test_who_may_not_any_more_is_out(
    operator: Operator, speaker: Speaker, agent: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(conversations, "CHECK_S", 0.05)
    (grant,) = (await operator.get("/v1/grants", subject="agent-7")).json()["items"]

    async with dial(operator, agent) as socket:
        await socket.send("still here")
        assert await socket.recv() == "still here"
        await operator.post(f"/v1/grants/{grant['id']}/revoke", {})
        ended = await end(socket)

    assert ended == (1008, "grant-missing")
    assert (await entries(operator, 2))[0]["code"] == "grant-missing"


async def test_an_agent_that_is_just_gone_is_on_record_as_such(
    operator: Operator, speaker: Speaker, agent: dict[str, str]
):
    async with dial(operator, agent) as socket:
        await socket.send("one")
        await socket.recv()
        socket.transport.abort()

    assert await outcome(operator) == "interrupted"
    assert speaker.closed == [(1011, "interrupted")]


async def test_a_gateway_that_stops_says_so_and_puts_it_on_record(
    make_app: MakeApp, operate_live: Callable[..., Any], speaker: Speaker
):
    app = make_app()
    async with operate_live(app) as operator:
        await operator.connect(speaker.url)
        await operator.grant("agent-7", methods=["WEBSOCKET"])
        socket = await dial(operator, await operator.agent("agent-7"))
    ended = await end(socket)
    async with operate_live(make_app()) as operator:
        code = await outcome(operator)

    assert ended[0] == 1012
    assert code == "interrupted"


@given(secret=st.from_regex(r"\A[!-~]{8,24}\Z"), data=st.data())
def test_no_cutting_into_messages_gets_a_secret_past(secret: str, data: st.DataObject):
    said = f"{data.draw(st.text(max_size=5))}{secret}{data.draw(st.text(max_size=5))}".encode()
    cuts = sorted(data.draw(st.sets(st.integers(1, len(said) - 1), max_size=6)))
    redactor, heard = MessageRedactor(needles([secret])), b""

    try:
        for start, stop in zip([0, *cuts], [*cuts, len(said)], strict=True):
            heard += redactor.clean(said[start:stop])
    except EchoDetected:
        heard += b"\0"  # which is in no secret of these

    assert secret.encode() not in heard


@given(messages=st.lists(st.binary(max_size=20), max_size=8))
def test_what_has_no_secret_in_it_passes_as_it_is(messages: list[bytes]):
    redactor = MessageRedactor(needles(["sk-nobody-says-this"]))

    assert [redactor.clean(message) for message in messages] == messages
