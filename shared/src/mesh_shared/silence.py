"""Hanging up on who falls silent in the middle of a request: each would hold a socket for good.

uvicorn waits without end for the rest of a request, be it of its head or its body.
"""

import asyncio

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

QUIET_S = 60.0
"""How long a caller may say nothing while it is their turn, as nginx has it (`client_body_timeout`)."""
LOOKED_EVERY = 50
"""Ticks of uvicorn, ten a second, between two looks."""


class Connection(HttpToolsProtocol):
    """One connection; `end_if_silent` is to be asked from time to time."""

    heard_at = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.heard_at = self.loop.time()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self.heard_at = self.loop.time()
        super().data_received(data)

    def _unsupported_upgrade_warning(self) -> None:
        """None: who asks for another protocol is answered in ours (RFC 9110 §7.8), however often."""

    @property
    def waits_for_caller(self) -> bool:
        """True in the middle of a request, and before one, while we would read on."""
        request = self.cycle
        is_whole = request and not request.response_complete and not request.more_body
        return not is_whole and not self.flow.read_paused

    def end_if_silent(self, now: float) -> None:
        """Ends the connection at `now`, of the loop's clock, when its caller said nothing for too long."""
        if not self.waits_for_caller:
            self.heard_at = now
        elif now - self.heard_at > QUIET_S:
            self.transport.close()


class Server(uvicorn.Server):
    """Looks from time to time at who has fallen silent; WebSockets have pings of their own."""

    async def on_tick(self, counter: int) -> bool:
        if counter % LOOKED_EVERY == 0:
            self.end_silent(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    def end_silent(self, now: float) -> None:
        """Asks every connection."""
        for connection in [each for each in self.server_state.connections if isinstance(each, Connection)]:
            connection.end_if_silent(now)
