"""What a service refuses before there is a request: in a problem document, and the app never hears."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Request
from mesh_shared.testing import heard, served

GET, HOST, END = b"GET / HTTP/1.1\r\n", b"Host: a\r\n", b"Connection: close\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"

Seen = list[tuple[bytes, list[bytes]]]


@pytest.fixture
def seen() -> Seen:
    """The bodies that reached the app, each with the names of the fields that came with it."""
    return []


@pytest.fixture
async def url(seen: Seen) -> AsyncIterator[str]:
    """A service that answers every request with 200."""
    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def keep(request: Request) -> None:
        body = await request.body()
        seen.append((body, sorted(name for name, _ in request.headers.raw)))

    async with served(app) as url:
        yield url


def refusal(raw: bytes) -> tuple[int, str]:
    """Status and code of the only answer in `raw`, which says nothing but what a refusal says."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    assert set(lines) == {
        "content-type: application/problem+json",
        "x-content-type-options: nosniff",
        "connection: close",
        f"content-length: {len(body)}",
    }
    document = json.loads(body)
    assert first.split()[1] == str(document["status"])
    return document["status"], document["code"]


HOSTS = {
    "none": GET,
    "none, as it once was right": GET.replace(b"1.1", b"1.0"),
    "one in the address alone": GET.replace(b"/ ", b"http://a/ "),
    "the same twice": GET + HOST + HOST,
    "two in two cases": GET + HOST + b"HOST: evil.example\r\n",
}


async def test_a_request_has_exactly_one_host(url: str, seen: Seen):
    for name, head in HOSTS.items():
        assert refusal(await heard(url, head + END)) == (400, "host-unclear"), name
    assert seen == []
    assert b" 200 OK" in await heard(url, GET + HOST + END)


async def test_an_address_has_8000_bytes_at_most(url: str, seen: Seen):
    path, query = b"/".ljust(8000, b"a"), b"/?".ljust(8000, b"a")
    for address in (path, query):
        request = GET.replace(b"/ ", address + b" ") + HOST + END
        assert b" 200 OK" in await heard(url, request)

        longer = await heard(url, request.replace(address, address + b"a"))

        assert refusal(longer) == (414, "address-too-long")
    assert len(seen) == 2


LARGE = {
    "a long field": b"A: " + b"b" * (1 << 16) + b"\r\n",
    "many fields": (b"A: " + b"b" * 1000 + b"\r\n") * 66,
}


async def test_a_head_has_64_kib_at_most(url: str, seen: Seen):
    for name, fields in LARGE.items():
        assert refusal(await heard(url, GET + HOST + fields + END)) == (431, "head-too-large"), name
    assert seen == []


async def test_the_head_of_one_request_is_not_counted_for_the_next(url: str, seen: Seen):
    async with httpx.AsyncClient(base_url=url, headers={"A": "b" * 30_000}) as http:
        for _ in range(3):
            assert (await http.get("/")).is_success
    assert len(seen) == 3


ENDLESS = {
    "an address": b"GET /",
    "a field": GET + HOST + b"A: ",
    "a name": GET + HOST,
    "what is said of a piece of a body": CHUNKED + b"\r\n3;",
    "a field after a body": CHUNKED + b"\r\n3\r\nabc\r\n0\r\nX: ",
}


async def test_nobody_listens_to_what_has_no_end(url: str):
    """The connection ends, though nothing that is said does."""
    for name, start in ENDLESS.items():
        assert b" 200 OK" not in await heard(url, start, b"a" * 1_000_000), name


async def test_a_body_may_come_in_any_number_of_pieces(url: str, seen: Seen):
    """What frames the pieces is more than a head may have."""
    assert b" 200 OK" in await heard(url, CHUNKED + END, b"1\r\nx\r\n" * 30_000, b"0\r\n\r\n")
    assert seen[0][0] == b"x" * 30_000


async def test_a_field_after_the_body_is_no_field_of_the_request(url: str, seen: Seen):
    trailers = b"Host: evil.example\r\nX-Role: admin\r\n\r\n"

    assert b" 200 OK" in await heard(url, CHUNKED + END + b"3\r\nabc\r\n0\r\n" + trailers)

    assert seen == [(b"abc", [b"connection", b"host", b"transfer-encoding"])]


async def test_what_is_no_http_is_refused_as_everything_else_is(url: str, seen: Seen):
    two_lengths = CHUNKED + b"Content-Length: 3\r\n\r\n0\r\n\r\n"
    for said in (b"NONSENSE\r\n\r\n", b"FOO / HTTP/1.1\r\n\r\n", two_lengths):
        assert refusal(await heard(url, said)) == (400, "malformed-request")
    assert seen == []
