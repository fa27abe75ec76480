"""The Console's proxy to providers: what a lease writes, and commands in it, over one WebSocket each.

The proxy checks a provider's certificate against the chain; a token that the Console has signed lets us in.
Words after akash-network/console, apps/provider-proxy and apps/deploy-web (provider-proxy.service.ts).
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from urllib.parse import urlencode

import aiohttp
from mesh_shared import dial
from mesh_shared.wire import ReadModel
from pydantic import Field

from mesh_deployer.adapters.akash import shell
from mesh_deployer.adapters.akash.views import IdView, LineView
from mesh_deployer.adapters.reached import reached
from mesh_deployer.ports import LogLine, Output

TIMEOUT_S = 20
QUIET_S = 3
"""A log that is not followed has ended when so long nothing comes; the Console's own page waits as long."""
_MAX_MESSAGE = 2**20
_NOT_THE_PROVIDER = 1008
"""With which the proxy closes when the provider shows another certificate than it has on the chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A lease, where its provider is met, and the token that it takes."""

    id: IdView
    uri: str
    token: str = field(repr=False)


class _Buffer(ReadModel):
    """Bytes as Node writes them."""

    data: list[int] = Field(max_length=_MAX_MESSAGE)


class _Message(ReadModel):
    message: str | _Buffer = ""
    error: str = ""
    closed: bool = False
    code: int = 1000

    @property
    def content(self) -> bytes:
        """What the provider has sent. Raises `ValueError`."""
        return self.message.encode() if isinstance(self.message, str) else bytes(self.message.data)


@dataclass(frozen=True, slots=True)
class ProviderProxy:
    """The proxy at `url`. Every method raises `Unavailable` when it or the provider does not do its part."""

    url: str
    timeout_s: float = TIMEOUT_S
    quiet_s: float = QUIET_S

    async def logs(self, door: Door, *, tail: int, follow: bool) -> AsyncIterator[LogLine]:
        """What the lease's services write."""
        query = urlencode({"follow": str(follow).lower(), "tail": tail})
        with reached():
            async with aclosing(self._said(door, f"logs?{query}", None if follow else self.quiet_s)) as said:
                async for content in said:
                    yield LineView.model_validate_json(content).line(door.id.gseq)

    async def exec(self, door: Door, service: str, command: Sequence[str]) -> Output:
        """What `command` writes beside the first replica of `service`. Also raises `CommandRefused`."""
        query = urlencode(shell.asked(service, command))
        with reached():
            async with aclosing(self._said(door, f"shell?{query}", None)) as said:
                return await shell.output(said)

    async def _said(self, door: Door, path: str, quiet_s: float | None) -> AsyncGenerator[bytes, None]:
        """What the provider sends until it closes, or is silent for `quiet_s`."""
        asked = {
            "type": "websocket",
            "url": f"{door.uri}{door.id.path}/{path}",
            "auth": {"type": "jwt", "token": door.token},
            "providerAddress": door.id.provider,
            "isBase64": True,
        }
        async with (
            dial.session(allow_private=True, timeout_s=self.timeout_s) as session,
            session.ws_connect(self.url, max_msg_size=_MAX_MESSAGE, timeout=shell.PARTING) as socket,
        ):
            await socket.send_json(asked)
            while (message := await _heard(socket, quiet_s)) is not None:
                yield message.content


async def _heard(socket: aiohttp.ClientWebSocketResponse, quiet_s: float | None) -> _Message | None:
    """The next message, None at the end. Raises `ValueError` where there is none to be had."""
    try:
        frame = await socket.receive(quiet_s)
    except TimeoutError:
        return None
    message = _Message.model_validate_json(frame.data if frame.type is aiohttp.WSMsgType.TEXT else b"")
    if message.error or message.code == _NOT_THE_PROVIDER:
        raise ValueError("the proxy refuses")
    return None if message.closed else message
