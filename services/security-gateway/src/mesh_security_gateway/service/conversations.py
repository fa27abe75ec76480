"""A WebSocket through the gateway: each message is checked by itself, and the end is on record."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from mesh_shared.errors import BodyTooLarge, Forbidden, MeshError, NotFound, Unauthenticated

from mesh_security_gateway.domain.redaction import MessageRedactor, scrubbed
from mesh_security_gateway.errors import Interrupted, SecretRevoked, UpstreamTooLarge
from mesh_security_gateway.ports import Closing, Socket, WaitingSocket
from mesh_security_gateway.service.recording import Pending

CHECK_S = 10.0
"""How often an open socket is checked anew: whoever may not any more is out after so long."""
SWITCHED = 101
_NORMAL, _POLICY, _FAILED, _NONE = 1000, 1008, 1011, 1005
_SENDABLE = (range(1000, 1004), range(1007, 1015), range(3000, 5000))
_LONGEST_REASON = 123
"""Bytes; RFC 6455 §5.5."""

Check = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class _Counted:
    """Bytes that went from the agent to the upstream, and back."""

    out: int = 0
    back: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A call that is a WebSocket: the upstream has agreed to it, and the agent waits."""

    pending: Pending
    upstream: Socket
    needles: tuple[bytes, ...]
    max_bytes: int
    counted: _Counted = field(default_factory=_Counted)

    async def hold(self, agent: WaitingSocket, check: Check) -> None:
        """Carries messages both ways until a side ends it, or `check` raises; then the outcome is on record.

        What breaks is never ended as if it were well: the side that is left gets 1011, or 1008 when the agent
        may not go on.
        """
        code, closing = Interrupted.code(), Closing(_FAILED)
        try:
            await agent.accept(self.upstream.protocol)
            closing = await self._until_over(agent, check)
            code = None
        except MeshError as failure:
            code, closing = failure.code(), _closing(failure)
        finally:
            await asyncio.gather(agent.close(closing), self.upstream.close(closing), return_exceptions=True)
            await self.pending.settle(code, SWITCHED, self.counted.back)

    async def _until_over(self, agent: Socket, check: Check) -> Closing:
        """How the first of the two that ended it did so."""
        ways = [asyncio.create_task(way) for way in (self._back(agent), self._out(agent), _watch(check))]
        try:
            over, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        return next(way.result() for way in ways if way in over)

    async def _out(self, agent: Socket) -> Closing:
        while not isinstance(message := await agent.receive(), Closing):
            self.counted.out += len(message)
            if self.counted.out > self.max_bytes:
                raise BodyTooLarge(self.max_bytes)
            await self.upstream.send(message)
        return _sendable(message, message.reason)

    async def _back(self, agent: Socket) -> Closing:
        redactor = MessageRedactor(self.needles)
        while not isinstance(message := await self.upstream.receive(), Closing):
            said = message.encode() if isinstance(message, str) else message
            self.counted.back += len(said)
            if self.counted.back > self.max_bytes:
                raise UpstreamTooLarge
            clean = redactor.clean(said)
            await agent.send(clean.decode() if isinstance(message, str) else clean)
        return _sendable(message, scrubbed(message.reason.encode(), self.needles).decode())


async def _watch(check: Check) -> Closing:
    while True:
        await asyncio.sleep(CHECK_S)
        await check()


def _sendable(closing: Closing, reason: str) -> Closing:
    """As it may be passed on: some codes only say what a side found (RFC 6455 §7.4.1)."""
    if closing.code == _NONE:
        return Closing(_NORMAL)
    code = closing.code if any(closing.code in codes for codes in _SENDABLE) else _FAILED
    return Closing(code, reason.encode()[:_LONGEST_REASON].decode(errors="ignore"))


def _closing(failure: MeshError) -> Closing:
    may_not = isinstance(failure, Forbidden | NotFound | Unauthenticated | SecretRevoked)
    return Closing(_POLICY if may_not else _FAILED, failure.code())
