"""What a proxy is measured with: an origin, a caller, and the smallest pass-through in the same language.

    python benchmarks/http_load.py origin PORT
    python benchmarks/http_load.py bare PORT ORIGIN_PORT

The origin answers `/large` with 10 MB, everything else with 1 KB once it has the whole request.
"""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

import aiohttp
import uvloop

LARGE = 10_000_000
SMALL = b'{"padding":"' + b"x" * 1000 + b'"}'
END = b"\r\n\r\n"


class Origin(asyncio.Protocol):
    """Reads requests with a length or without a body, one after the other."""

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport
        self._head, self._rest = b"", 0

    def data_received(self, data: bytes) -> None:
        if self._rest:
            self._body(data)
            return
        self._head += data
        head, end, body = self._head.partition(END)
        if end:
            self._rest, self._is_large = _length(head), head.startswith(b"GET /large")
            self._body(body)

    def _body(self, data: bytes) -> None:
        self._rest -= len(data)
        if self._rest == 0:
            self._head = b""
            self._answer()

    def _answer(self) -> None:
        size = LARGE if self._is_large else len(SMALL)
        fields = b"content-type: application/json\r\ncontent-length: %d" % size
        self._transport.write(b"HTTP/1.1 200 OK\r\n" + fields + END)
        self._transport.write(bytes(LARGE) if self._is_large else SMALL)


def _length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0


async def origin(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Origin, "127.0.0.1", port)
    await server.serve_forever()


class Caller(asyncio.Protocol):
    """Asks the same again and again over one connection, and notes how long each answer took.

    The next question follows the answer, but not within `every_s` of the one before.
    """

    def __init__(self, request: bytes, until: float, every_s: float) -> None:
        self._request, self._until, self._every_s = request, until, every_s
        self.took: list[float] = []
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport
        self._ask()

    def _ask(self) -> None:
        self._head, self._size, self._received, self._tail = b"", -1, 0, b""
        self._began = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._size < 0:
            self._head += data
            head, end, data = self._head.partition(END)
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 200"):
                self._stop(RuntimeError(head.decode(errors="replace")))
                return
            self._size = _length(head)  # 0 for chunks
        self._received += len(data)
        self._tail = (self._tail + data)[-5:]
        if self._tail == b"0" + END if self._size == 0 else self._received == self._size:
            self._note()

    def _note(self) -> None:
        now = time.perf_counter()
        self.took.append(now - self._began)
        if (rest_s := self._began + self._every_s - now) > 0:
            asyncio.get_running_loop().call_later(rest_s, self._go_on)
        else:
            self._go_on()

    def _go_on(self) -> None:
        if time.perf_counter() < self._until:
            self._ask()
        else:
            self._stop(None)

    def _stop(self, failure: Exception | None) -> None:
        self._transport.close()
        if not self.ended.done():
            self.ended.set_exception(failure) if failure else self.ended.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop(exc or RuntimeError("the server closed the connection"))


@dataclass(frozen=True)
class Load:
    """What came of it: requests a second, and seconds an answer took."""

    per_s: float
    p50_s: float
    p99_s: float


def load(
    port: int, request: bytes, connections: int, seconds: float, most_per_s: float | None = None
) -> Load:
    """Asks for `seconds` over so many connections at once, as fast as it can or so often together."""
    return uvloop.run(_load(port, request, connections, seconds, most_per_s))


async def _load(
    port: int, request: bytes, connections: int, seconds: float, most_per_s: float | None
) -> Load:
    loop, began = asyncio.get_running_loop(), time.perf_counter()
    every_s = 0.0 if most_per_s is None else connections / most_per_s
    callers = [Caller(request, began + seconds, every_s) for _ in range(connections)]
    for caller in callers:
        await loop.create_connection(lambda caller=caller: caller, "127.0.0.1", port)
        await asyncio.sleep(every_s / connections)  # their questions are spread over the time between
    await asyncio.gather(*(caller.ended for caller in callers))
    took = [each for caller in callers for each in caller.took]
    p99 = quantiles(took, n=100)[98] if len(took) > 1 else took[0]
    return Load(len(took) / (time.perf_counter() - began), median(took), p99)


class Bare:
    """An ASGI application that passes requests on and answers back, and does nothing else."""

    def __init__(self, origin_port: int) -> None:
        self._origin = f"http://127.0.0.1:{origin_port}"
        self._client: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._client is None:
            connector = aiohttp.TCPConnector(limit=0)
            self._client = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        fields = [
            (name.decode(), value.decode())
            for name, value in scope["headers"]
            if name not in (b"host", b"connection", b"authorization")
        ]
        fields.append(("authorization", "Bearer the-secret"))
        sized = any(name == "content-length" for name, _ in fields)
        async with self._client.request(
            scope["method"],
            self._origin + scope["path"],
            headers=fields,
            data=_body(receive) if sized else None,
            allow_redirects=False,
        ) as answer:
            await send(
                {"type": "http.response.start", "status": answer.status, "headers": answer.raw_headers}
            )
            async for piece in answer.content.iter_any():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _body(receive: Any) -> AsyncGenerator[bytes, None]:
    while True:
        message = await receive()
        yield message["body"]
        if not message["more_body"]:
            return


def bare(port: int, origin_port: int) -> None:
    import uvicorn  # noqa: PLC0415 - the others have no use for it

    app: Any = Bare(origin_port)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", lifespan="off", access_log=False)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["origin", port]:
            uvloop.run(origin(int(port)))
        case ["bare", port, origin_port]:
            bare(int(port), int(origin_port))
        case _:
            raise SystemExit(__doc__)
