"""The client of upstreams by itself: it sends what it is given, once, and tells failures apart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_cli import parts
from mesh_security_gateway.adapters.upstream import MOST_INTERIM, READ_AHEAD, AiohttpUpstream, open_upstream
from mesh_security_gateway.domain.paths import canonical_path, checked_query
from mesh_security_gateway.errors import (
    PathRefused,
    UpstreamAddress,
    UpstreamBroken,
    UpstreamStatus,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from mesh_security_gateway.ports import Outgoing
from yarl import URL

if TYPE_CHECKING:
    from conftest import Origin, Seen


@pytest.fixture
async def upstream() -> AsyncIterator[AiohttpUpstream]:
    async with open_upstream(idle_s=0.5) as upstream:
        yield upstream


ONES = (("x-one", "1"), ("x-one", "2"))


def outgoing(
    url: str, method: str = "GET", body: list[bytes] | None = None, length: int | None = None
) -> Outgoing:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in body or ():
            yield piece

    return Outgoing(
        method=method,
        url=url,
        fields=(*ONES, ("authorization", "Bearer sk-0123456789"), ("accept-encoding", "identity")),
        body=None if body is None else pieces(),
        length=length,
        allow_private=True,
    )


async def read(upstream: AiohttpUpstream, request: Outgoing) -> bytes:
    incoming = await upstream.send(request)
    try:
        return b"".join([chunk async for chunk in incoming.chunks()])
    finally:
        incoming.close()


async def test_it_adds_nothing_of_its_own_but_what_http_needs(upstream: AiohttpUpstream, origin: Origin):
    await read(upstream, outgoing(f"{origin.url}/a"))

    (seen,) = origin.seen
    names = sorted(name.lower() for name, _ in seen.headers)
    assert names == ["accept-encoding", "authorization", "host", "x-one", "x-one"]
    assert seen.values("x-one") == ["1", "2"]


async def test_a_body_has_the_length_that_was_declared_or_comes_in_chunks(
    upstream: AiohttpUpstream, origin: Origin
):
    await read(upstream, outgoing(f"{origin.url}/a", "POST", [b"12", b"345"], 5))
    await read(upstream, outgoing(f"{origin.url}/b", "POST", [b"12", b"345"]))

    declared, chunked = origin.seen
    assert (declared.body, declared.values("content-length")) == (b"12345", ["5"])
    assert (chunked.body, chunked.values("transfer-encoding")) == (b"12345", ["chunked"])


PIECES = [
    "/",
    "a",
    "B",
    "-",
    "~",
    ".",
    ":",
    "@",
    ";",
    "=",
    ",",
    "+",
    "'",
    "(",
    "%20",
    "%C3%A9",
    "%2C",
    "%3F",
    "%25",
]


@given(
    st.lists(st.sampled_from(PIECES), max_size=12),
    st.text(st.characters(min_codepoint=33, max_codepoint=126)),
)
def test_an_address_goes_out_byte_for_byte_as_it_was_checked(pieces: list[str], query: str):
    try:
        path = canonical_path(("/" + "".join(pieces)).encode())
        asked = checked_query(query.encode())
    except PathRefused:
        return

    url = URL(f"https://api.example{path}?{asked}" if asked else f"https://api.example{path}", encoded=True)

    assert url.raw_path_qs == (f"{path}?{asked}" if asked else path)
    assert (url.host, url.port, url.user) == ("api.example", 443, None)


async def test_a_request_that_changes_something_is_never_sent_twice(
    upstream: AiohttpUpstream, origin: Origin
):
    """A kept connection dies under the second request, after the upstream has read it."""

    def once(seen: Seen) -> list[bytes]:
        return [b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"] if seen.target == "/first" else [b""]

    origin.says = once
    await read(upstream, outgoing(f"{origin.url}/first"))

    with pytest.raises(UpstreamUnreachable):
        await read(upstream, outgoing(f"{origin.url}/second", "POST", [b"1"], 1))

    assert [seen.target for seen in origin.seen] == ["/first", "/second"]


async def test_a_request_that_changes_nothing_is_repeated_once_when_a_kept_connection_has_died(
    upstream: AiohttpUpstream, origin: Origin
):
    answers = iter([[b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"], [b""]])
    origin.says = lambda seen: next(answers, seen.answer(b"again"))
    await read(upstream, outgoing(f"{origin.url}/first"))

    assert await read(upstream, outgoing(f"{origin.url}/second")) == b"again"

    assert [seen.target for seen in origin.seen] == ["/first", "/second", "/second"]
    origin.says = lambda _: [b""]
    with pytest.raises(UpstreamUnreachable):
        await read(upstream, outgoing(f"{origin.url}/third"))
    assert [seen.target for seen in origin.seen[3:]] == ["/third", "/third"]


async def test_a_request_without_a_body_says_so_where_one_is_usual(upstream: AiohttpUpstream, origin: Origin):
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
        await read(upstream, outgoing(f"{origin.url}/a", method))

    said = {seen.method: seen.values("content-length") for seen in origin.seen}
    bare = {method: ["0"] for method in ("POST", "PUT", "PATCH", "DELETE")}
    assert said == {"GET": [], "HEAD": []} | bare
    assert origin.connections == 1


async def test_a_body_ends_where_its_declared_length_does(upstream: AiohttpUpstream, origin: Origin):
    await read(upstream, outgoing(f"{origin.url}/a", "POST", [b"12", b"345"], 3))
    await read(upstream, outgoing(f"{origin.url}/b"))

    assert [(seen.target, seen.body) for seen in origin.seen] == [("/a", b"123"), ("/b", b"")]


async def test_what_would_begin_another_field_never_goes_out(upstream: AiohttpUpstream, origin: Origin):
    for odd in ("a\r\nx-b: c", "a\nb", "a\0b"):
        request = replace(outgoing(f"{origin.url}/a"), fields=(("x-a", odd),))
        with pytest.raises(ValueError, match="control character") as failure:
            await upstream.send(request)
        assert odd not in str(failure.value)

    assert origin.seen == []


async def test_what_comes_before_the_answer_is_not_the_answer(upstream: AiohttpUpstream, origin: Origin):
    early = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
    origin.says = lambda seen: [b"HTTP/1.1 100 Continue\r\n\r\n", early, *seen.answer(b"at last")]

    assert await read(upstream, outgoing(f"{origin.url}/a")) == b"at last"
    assert await read(upstream, outgoing(f"{origin.url}/b", "POST", [b"1"], 1)) == b"at last"
    assert origin.connections == 1


async def test_an_upstream_that_never_comes_to_its_answer_is_given_up(
    upstream: AiohttpUpstream, origin: Origin
):
    interim = b"HTTP/1.1 102 Processing\r\n\r\n"
    origin.says = lambda seen: [interim] * MOST_INTERIM + seen.answer(b"at last")
    assert await read(upstream, outgoing(f"{origin.url}/slow")) == b"at last"

    origin.says = lambda seen: [interim] * (MOST_INTERIM + 1) + seen.answer(b"too late")
    with pytest.raises(UpstreamStatus):
        await read(upstream, outgoing(f"{origin.url}/endless"))

    origin.answers(b"anew")
    assert await read(upstream, outgoing(f"{origin.url}/b")) == b"anew"
    assert origin.connections == 2


async def test_an_answer_that_does_not_wait_for_the_question_ends_it(upstream: AiohttpUpstream):
    """Its connection is not used again: the rest of the question would be taken for the next one."""
    connections: list[asyncio.StreamWriter] = []
    is_left = asyncio.Event()

    async def impatient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
        await reader.read()
        is_left.set()
        writer.close()

    async def endless() -> AsyncIterator[bytes]:
        yield b"1"
        await asyncio.Event().wait()

    server = await asyncio.start_server(impatient, "127.0.0.1", 0)
    async with server, asyncio.timeout(60):
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert await read(upstream, replace(outgoing(url, "POST"), body=endless())) == b"no"
        await is_left.wait()

    assert len(connections) == 1


async def test_what_is_no_answer_is_told_from_none(upstream: AiohttpUpstream, origin: Origin):
    for said in (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"):
        origin.says = lambda _, said=said: [said]
        with pytest.raises(UpstreamUnreachable):
            await read(upstream, outgoing(f"{origin.url}/a", "POST"))


async def test_public_and_private_requests_share_no_connection(upstream: AiohttpUpstream, origin: Origin):
    await read(upstream, outgoing(f"{origin.url}/a"))

    with pytest.raises(UpstreamAddress):
        await read(upstream, replace(outgoing(f"{origin.url}/b"), allow_private=False))

    assert [seen.target for seen in origin.seen] == ["/a"]


async def test_connections_are_kept(upstream: AiohttpUpstream, origin: Origin):
    for n in range(5):
        await read(upstream, outgoing(f"{origin.url}/{n}"))

    assert origin.connections == 1


async def test_a_reader_that_is_behind_finds_little_more_than_one_read_brought(
    upstream: AiohttpUpstream, origin: Origin
):
    origin.answers(bytes(4_000_000))
    incoming, sizes = await upstream.send(outgoing(f"{origin.url}/a")), list[int]()

    async for chunk in incoming.chunks():
        sizes.append(len(chunk))
        for _ in range(20):  # meanwhile the upstream goes on
            await asyncio.sleep(0)

    assert sum(sizes) == 4_000_000
    assert max(sizes) <= 256 * 1024 + 2 * READ_AHEAD


async def test_an_answer_that_is_dropped_takes_its_connection_along(
    upstream: AiohttpUpstream, origin: Origin
):
    origin.says = lambda _: [b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", *[b"x" * 1000] * 1000]
    incoming = await upstream.send(outgoing(f"{origin.url}/a"))

    incoming.close()

    async with asyncio.timeout(60):
        await origin.left.wait()


async def test_fields_come_back_as_bytes_of_latin_1(upstream: AiohttpUpstream, origin: Origin):
    origin.says = lambda _: [b"HTTP/1.1 200 OK\r\nX-Odd: caf\xe9\r\nx-odd: 2\r\ncontent-length: 0\r\n\r\n"]

    incoming = await upstream.send(outgoing(f"{origin.url}/a"))
    incoming.close()

    assert incoming.fields == (("X-Odd", "caf\xe9"), ("x-odd", "2"), ("content-length", "0"))


async def test_what_the_requests_own_body_raises_comes_out_as_it_is(
    upstream: AiohttpUpstream, origin: Origin
):
    async def pieces() -> AsyncIterator[bytes]:
        yield b"12"
        raise PathRefused

    with pytest.raises(PathRefused):
        await read(upstream, replace(outgoing(f"{origin.url}/a", "POST"), body=pieces()))


async def test_each_kind_of_failure_is_told_by_its_name(upstream: AiohttpUpstream, origin: Origin):
    nobody = f"http://127.0.0.1:{parts.free_port()}/"
    with pytest.raises(UpstreamUnreachable):
        await read(upstream, outgoing(nobody))

    for literal in ("http://1.2.3", "http://0x7f.1", "http://256.1.1.1"):
        with pytest.raises((UpstreamAddress, UpstreamUnreachable, UpstreamTimeout)):
            await read(upstream, outgoing(literal))

    origin.streams(b"half", to_the_end=False)
    with pytest.raises(UpstreamBroken):
        await read(upstream, outgoing(f"{origin.url}/broken"))

    origin.hold = asyncio.Event()
    with pytest.raises(UpstreamTimeout):
        await read(upstream, outgoing(f"{origin.url}/silent"))


async def test_no_failure_repeats_what_was_sent(upstream: AiohttpUpstream):
    secret = "sk-in-the-address-0123456789"
    for url in (f"http://127.0.0.1:1/?key={secret}", f"http://nowhere.invalid/?key={secret}"):
        with pytest.raises(UpstreamUnreachable) as failure:
            await read(upstream, outgoing(url))

        assert secret not in repr(failure.value)
        assert failure.value.__cause__ is None
        assert failure.value.__suppress_context__


def test_a_request_with_its_credential_in_place_is_never_printed():
    request = outgoing("https://api.example/?key=sk-0123456789")

    assert "sk-" not in repr(request)
    assert "sk-" not in f"{request}"
