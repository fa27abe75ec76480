"""Implements `ports.Sockets` over aiohttp."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Literal

import aiohttp
from aiohttp import WSMsgType
from mesh_shared.serve import MAX_MESSAGE_BYTES
from yarl import URL

from mesh_security_gateway.adapters.upstream import CONNECT_S, Place, outcome, pool
from mesh_security_gateway.errors import (
    UpgradeRefused,
    UpstreamBroken,
    UpstreamTimeout,
    UpstreamTooLarge,
    UpstreamUnreachable,
)
from mesh_security_gateway.ports import Closing, Message, Outgoing

CLOSE_S = 2.0
"""How long an upstream has to say goodbye."""

FindPlace = Callable[[Outgoing, URL], Awaitable[Place]]


class AiohttpSockets:
    """Opens WebSockets at addresses that its policy allows; `place` says where, and how it is verified."""

    def __init__(
        self, public: aiohttp.ClientSession, private: aiohttp.ClientSession, idle_s: float, place: FindPlace
    ) -> None:
        self._public = public
        self._private = private
        self._idle_s = idle_s
        self._place = place

    async def connect(self, request: Outgoing) -> "AiohttpSocket":
        url = URL(request.url, encoded=True)
        try:
            place = await self._place(request, url)
            async with asyncio.timeout(self._idle_s):
                socket = await place.circuit.through(lambda: self._open(request, url, place))
        except aiohttp.WSServerHandshakeError as error:
            raise UpgradeRefused(error.status) from None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise outcome(error) from None
        return AiohttpSocket(socket, self._idle_s)

    async def _open(
        self, request: Outgoing, url: URL, place: Place
    ) -> "aiohttp.ClientWebSocketResponse[Literal[True]]":
        http = self._private if request.allow_private else self._public
        return await http.ws_connect(
            url,
            headers=request.fields,
            protocols=request.protocols,
            ssl=place.ssl,
            timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),  # pyright: ignore[reportCallIssue] - attrs
            autoclose=False,
            autoping=False,
            max_msg_size=MAX_MESSAGE_BYTES,
        )


class AiohttpSocket:
    """Implements `ports.Socket`. `idle_s` is how long the other side may say nothing, not even that it is
    there: after half of it we ask.
    """

    def __init__(self, socket: "aiohttp.ClientWebSocketResponse[Literal[True]]", idle_s: float) -> None:
        self._socket = socket
        self._idle_s = idle_s

    @property
    def protocol(self) -> str | None:
        return self._socket.protocol

    async def receive(self) -> Message | Closing:
        """Raises `UpstreamTimeout`, `UpstreamTooLarge`, and `UpstreamBroken` for what just breaks off."""
        while True:
            came = await self._next()
            match came.type:
                case WSMsgType.TEXT | WSMsgType.BINARY:
                    return came.data
                case WSMsgType.PING:
                    await self._socket.pong(came.data)
                case WSMsgType.PONG:
                    pass
                case WSMsgType.CLOSE:
                    return Closing(came.data, came.extra or "")
                case _:
                    raise _broken(came.data)

    async def _next(self) -> aiohttp.WSMessage:
        for is_asked in (False, True):
            try:
                async with asyncio.timeout(self._idle_s / 2):
                    return await self._socket.receive()
            except TimeoutError:
                if not is_asked:
                    await self._said(self._socket.ping())
        raise UpstreamTimeout

    async def send(self, message: Message) -> None:
        """Raises `UpstreamUnreachable` when nobody is there any more."""
        if isinstance(message, str):
            await self._said(self._socket.send_str(message))
        else:
            await self._said(self._socket.send_bytes(message))

    async def _said(self, sending: Awaitable[None]) -> None:
        try:
            await sending
        except (aiohttp.ClientError, OSError):
            raise UpstreamUnreachable from None

    async def close(self, closing: Closing) -> None:
        await self._socket.close(code=closing.code, message=closing.reason.encode())


def _broken(said: object) -> UpstreamBroken | UpstreamTooLarge:
    is_large = isinstance(said, aiohttp.WebSocketError) and said.code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
    return UpstreamTooLarge() if is_large else UpstreamBroken()


async def _stay(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """No redirect: aiohttp follows them when it opens a WebSocket, with the credential, and has no switch."""
    response = await send(request)
    if HTTPStatus.MULTIPLE_CHOICES <= response.status < HTTPStatus.BAD_REQUEST:
        response.close()
        raise UpgradeRefused(response.status)
    return response


def _client(*, allow_private: bool, idle_s: float) -> aiohttp.ClientSession:
    """No cookies, no environment proxies, and no tracing: its spans would carry the address with an injected
    key.
    """
    return aiohttp.ClientSession(
        connector=pool(allow_private=allow_private),
        timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_S, sock_read=idle_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("User-Agent", "Accept", "Content-Type"),
        auto_decompress=False,
        trust_env=False,
        middlewares=(_stay,),
    )


@asynccontextmanager
async def open_sockets(idle_s: float, place: FindPlace) -> AsyncGenerator[AiohttpSockets, None]:
    """WebSockets for the lifetime of the block."""
    public, private = (_client(allow_private=allowed, idle_s=idle_s) for allowed in (False, True))
    async with public, private:
        yield AiohttpSockets(public, private, idle_s, place)
