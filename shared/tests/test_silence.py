"""Who falls silent in the middle of a request is hung up on; whoever waits for us is not."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from mesh_shared import silence
from mesh_shared.silence import QUIET_S, Connection
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"
LONG = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"


class Caller:
    """One connection to an app that answers when it is let, seen from both of its ends."""

    def __init__(self) -> None:
        self.state = ServerState()
        self.answers = asyncio.Event()
        self.reader = asyncio.StreamReader()

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.answers.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    def server_side(self) -> Connection:
        config = uvicorn.Config(
            self.app, http=Connection, ws="none", log_config=None, lifespan="off", interface="asgi3"
        )
        config.load()
        return Connection(config=config, server_state=self.state, app_state={})

    @property
    def connection(self) -> Connection:
        (connection,) = self.state.connections
        assert isinstance(connection, Connection)
        return connection

    def later(self, seconds: float) -> None:
        """What the server does after so long a time."""
        self.connection.end_if_silent(asyncio.get_running_loop().time() + seconds)


@asynccontextmanager
async def calling(said: bytes) -> AsyncGenerator[Caller, None]:
    """Somebody who connects, says that, and has been heard."""
    caller = Caller()
    server = await asyncio.get_running_loop().create_server(caller.server_side, "127.0.0.1", 0)
    async with server:
        caller.reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        while not caller.state.connections:
            await asyncio.sleep(0)
        connected_at = caller.connection.heard_at
        writer.write(said)
        while said and caller.connection.heard_at == connected_at:
            await asyncio.sleep(0)
        yield caller
        caller.answers.set()
        writer.close()
        async with asyncio.timeout(60):
            while caller.state.connections:
                await asyncio.sleep(0)


@pytest.mark.parametrize("said", [b"", HEAD[:20], HEAD, HEAD + b"half"])
async def test_who_falls_silent_before_the_end_of_a_request_is_hung_up_on(said: bytes):
    async with calling(said) as caller:
        caller.later(QUIET_S - 1)
        assert not caller.connection.transport.is_closing()

        caller.later(QUIET_S + 1)

        assert await caller.reader.read() == b""


@pytest.mark.parametrize("said", [HEAD + b"the whole", LONG + b"x" * 500_000])
async def test_who_waits_for_us_may_wait(said: bytes):
    async with calling(said) as caller:
        while caller.connection.waits_for_caller:
            await asyncio.sleep(0)

        caller.later(QUIET_S + 1)

        assert not caller.connection.transport.is_closing()


async def test_a_silence_begins_when_we_have_answered():
    async with calling(HEAD + b"the whole") as caller:
        caller.later(QUIET_S)
        caller.answers.set()
        await caller.reader.readuntil(b"\r\n\r\n")

        caller.later(QUIET_S)
        assert not caller.connection.transport.is_closing()

        caller.later(2 * QUIET_S + 1)
        assert await caller.reader.read() == b""


async def test_a_server_looks_at_every_connection_and_passes_over_what_is_no_request():
    async with calling(HEAD) as caller:
        server = silence.Server(uvicorn.Config(caller.app, log_config=None))
        server.server_state.connections = {object(), caller.connection}  # pyright: ignore[reportAttributeAccessIssue]
        caller.connection.heard_at -= QUIET_S

        await server.on_tick(silence.LOOKED_EVERY)

        assert await caller.reader.read() == b""


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c"])
async def test_who_asks_for_a_protocol_that_is_not_spoken_is_answered_and_nothing_is_logged(
    protocol: bytes, caplog: pytest.LogCaptureFixture
):
    async with calling(
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n" % protocol
    ) as caller:
        caller.answers.set()

        assert (await caller.reader.readline()).startswith(b"HTTP/1.1 204")
        assert caplog.records == []
