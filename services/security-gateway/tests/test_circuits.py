"""An upstream that cannot be dialled is left alone for a while; no answer that it gives brings that about."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from mesh_cli import parts
from mesh_security_gateway.adapters import upstream
from mesh_security_gateway.adapters.circuits import OPEN_S, TRIES, Circuit
from mesh_security_gateway.adapters.sockets import open_sockets
from mesh_security_gateway.adapters.upstream import open_upstream
from mesh_security_gateway.errors import CircuitOpen, UpstreamTimeout, UpstreamUnreachable
from mesh_security_gateway.ports import Outgoing
from mesh_shared import dial

if TYPE_CHECKING:
    from collections.abc import Generator

    from conftest import Operator, Origin

KEY: Any = None
AWAY = aiohttp.ClientConnectorError(KEY, OSError(111, "refused"))
UNDIALLED = [
    AWAY,
    aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "bad")),
    aiohttp.ClientConnectorDNSError(KEY, OSError(8, "no name")),
    aiohttp.ConnectionTimeoutError(),
]
DIALLED = [
    aiohttp.ServerDisconnectedError(),
    aiohttp.SocketTimeoutError(),
    aiohttp.ClientConnectorError(KEY, dial.AddressRefused("private")),
]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Upstream:
    """Counts who dials it; `failure` is what they meet."""

    def __init__(self) -> None:
        self.dialled = 0
        self.failure: BaseException | None = None

    async def dial(self) -> str:
        self.dialled += 1
        if self.failure is not None:
            raise self.failure
        return "connected"


async def failing(circuit: Circuit, upstream: Upstream, failures: list[Any]) -> None:
    for failure in failures:
        upstream.failure = failure
        with pytest.raises(type(failure)):
            await circuit.through(upstream.dial)
    upstream.failure = None


async def test_after_some_dials_that_failed_in_a_row_nobody_dials_for_a_while():
    clock, upstream = Clock(), Upstream()
    circuit = Circuit(clock)
    await failing(circuit, upstream, [*UNDIALLED, AWAY])
    clock.now += 0.5

    with pytest.raises(CircuitOpen) as refused:
        await circuit.through(upstream.dial)

    assert refused.value.headers() == {"Retry-After": "10"}
    assert upstream.dialled == TRIES
    clock.now += OPEN_S
    assert [await circuit.through(upstream.dial) for _ in range(TRIES)] == ["connected"] * TRIES


async def test_one_caller_tries_for_all_and_if_that_fails_the_wait_begins_anew():
    clock, upstream = Clock(), Upstream()
    circuit = Circuit(clock)
    await failing(circuit, upstream, [AWAY] * TRIES)
    for _ in range(3):
        clock.now += OPEN_S
        trying = asyncio.Event()

        async def fail(trying: asyncio.Event = trying) -> None:
            await trying.wait()
            raise AWAY

        first = asyncio.create_task(circuit.through(fail))
        await asyncio.sleep(0)
        with pytest.raises(CircuitOpen):
            await circuit.through(upstream.dial)
        trying.set()
        with pytest.raises(aiohttp.ClientConnectorError):
            await first
        with pytest.raises(CircuitOpen):
            await circuit.through(upstream.dial)

    assert upstream.dialled == TRIES


async def test_what_an_upstream_that_was_dialled_does_shuts_nobody_out():
    circuit, upstream = Circuit(), Upstream()
    for failure in DIALLED:
        await failing(circuit, upstream, [AWAY] * (TRIES - 1) + [failure] + [AWAY] * (TRIES - 1))

        assert await circuit.through(upstream.dial) == "connected"


async def test_who_gives_up_dialling_says_nothing_of_the_upstream():
    circuit, upstream = Circuit(), Upstream()
    upstream.failure = asyncio.CancelledError()
    for _ in range(2 * TRIES):
        with pytest.raises(asyncio.CancelledError):
            await circuit.through(upstream.dial)
    upstream.failure = None

    assert await circuit.through(upstream.dial) == "connected"


def get(url: str) -> Outgoing:
    return Outgoing(method="GET", url=url, fields=(), body=None, length=None, allow_private=True)


async def test_calls_and_websockets_are_spared_together():
    request = get(f"http://127.0.0.1:{parts.free_port()}/")
    async with open_upstream(5) as upstream, open_sockets(5, upstream.place) as sockets:
        for n in range(TRIES):
            with pytest.raises(UpstreamUnreachable):
                await (sockets.connect(request) if n % 2 else upstream.send(request))

        for send in (sockets.connect, upstream.send):
            with pytest.raises(CircuitOpen):
                await send(request)


async def test_an_upstream_that_never_takes_the_call_up_is_spared_like_one_that_is_away(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(upstream, "_CONNECTING", aiohttp.ClientTimeout(total=None, connect=0.05))
    async with open_upstream(5) as sender:
        with full() as port:
            request = get(f"http://127.0.0.1:{port}/")
            for _ in range(TRIES):
                with pytest.raises(UpstreamTimeout):
                    await sender.send(request)

        with pytest.raises(CircuitOpen):
            await sender.send(request)


@contextmanager
def full() -> Generator[int]:
    """The port of a listener that accepts nobody, and has as many waiting as may wait."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


async def test_an_upstream_that_is_away_is_not_dialled_again_and_costs_no_budget(
    operator: Operator, origin: Origin
):
    port = parts.free_port()
    await operator.connect(f"http://127.0.0.1:{port}")
    grant = await operator.grant("agent-7", budget={"units": str(TRIES + 1), "per_call": "1"})
    agent = await operator.agent("agent-7")
    for _ in range(TRIES):
        away = await operator.http.get("/v1/proxy/github/user", headers=agent)
        assert (away.status_code, away.json()["code"]) == (502, "upstream-unreachable")
    server = await asyncio.start_server(origin.serve, "127.0.0.1", port)

    async with server:
        refused = [await operator.http.get("/v1/proxy/github/user", headers=agent) for _ in range(3)]

    assert {(each.status_code, each.headers["x-mesh-gateway-error"]) for each in refused} == {
        (503, "circuit_open")
    }
    assert 1 <= int(refused[0].headers["retry-after"]) <= OPEN_S
    assert origin.connections == 0
    entry = (await operator.read("/v1/audit", agent="agent-7"))["items"][0]
    assert (entry["phase"], entry["code"]) == ("outcome", "circuit-open")
    told = await operator.read(f"/v1/audit/{entry['id']}/explain")
    assert (told["reached_upstream"], told["result"]) == ("no", "failed")
    (kept,) = (await operator.read("/v1/grants"))["items"]
    assert (kept["id"], kept["budget"]["spent"]) == (grant["id"], str(TRIES))
