"""Implements `ports.Agents` over HTTP, in the protocol that each agent's tool is listed with."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import aiohttp
from mesh_shared.agents.gateway import AUDIENCE as GATEWAY
from mesh_shared.auth.session import Sessions
from mesh_shared.dial import AddressRefused
from mesh_shared.errors import Unavailable

from mesh_coordinator.adapters import a2a, mcp, mesh
from mesh_coordinator.adapters.exchange import Demanded, Exchange, Refused, Stale
from mesh_coordinator.adapters.ways import Way, Ways
from mesh_coordinator.domain.attempt import Failure
from mesh_coordinator.domain.selection import Protocol
from mesh_coordinator.ports import Delivery, Demand, Invocation, Refusal

SPEAKERS: Mapping[Protocol, Callable[[Exchange], Awaitable[Delivery]]] = {
    Protocol.MESH: mesh.call,
    Protocol.A2A: a2a.call,
    Protocol.MCP: mcp.call,
}


@dataclass(frozen=True, slots=True)
class HttpAgents:
    """Calls agents in the way that leads to each, and follows no redirect."""

    ways: Ways
    sessions: Sessions
    max_answer_bytes: int

    async def invoke(self, invocation: Invocation) -> Delivery | Refusal | Demand:
        way = self.ways.to(invocation.candidate.endpoint)
        try:
            try:
                return await self._call(invocation, way)
            except Stale:
                self.sessions.forget(way.audience)
                return await self._call(invocation, way)
        except Stale:
            return Refusal(Failure.BAD_STATUS, "status 401, with a fresh token too")
        except Refused as refused:
            return refused.refusal
        except Demanded as demanded:
            return Demand(demanded.header)

    async def _call(self, invocation: Invocation, way: Way) -> Delivery:
        """One try with one token; the time that the gateway takes for that is not the agent's."""
        exchange = Exchange(
            invocation=invocation,
            way=way,
            token=await self.sessions.token(way.audience),
            deadline=time.monotonic() + invocation.timeout_s,
            max_bytes=self.max_answer_bytes,
        )
        try:
            async with asyncio.timeout(invocation.timeout_s):
                return await SPEAKERS[invocation.candidate.protocol](exchange)
        except TimeoutError:
            detail = f"no answer within {invocation.timeout_s:g} s"
            raise Refused(Failure.TIMED_OUT, detail, may_pass=True) from None
        except aiohttp.ClientConnectorError as error:
            if way.audience == GATEWAY:
                raise Unavailable(GATEWAY) from None
            raise _unreachable(error) from None
        except (aiohttp.ClientError, ValueError) as error:
            raise Refused(Failure.UNREACHABLE, type(error).__name__, may_pass=True) from None


def _unreachable(error: aiohttp.ClientConnectorError) -> Refused:
    if isinstance(error.os_error, AddressRefused):
        return Refused(Failure.ADDRESS_REFUSED, "agents on private addresses are not called")
    return Refused(Failure.UNREACHABLE, "no connection", may_pass=True)
