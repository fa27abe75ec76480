"""Bytes under their CID, on each store: embedded and Kubo."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from mesh_shared.content import cid
from mesh_shared.testing import running, served

if TYPE_CHECKING:
    from pathlib import Path

    from callers_of_registry import Caller
    from unaided import Chain

    from conftest import MakeApp

CHUNK = 262_144
HELLO = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"
# `ipfs add --cid-version=1` of 262,145 zeros
TWO_BLOCKS = "bafybeigllfqgfpqydppr6cmv56g7ax4wyhruzswvcefv6j5kj77nzttfki"
OCTETS = {"Content-Type": "application/octet-stream"}
ABSENT = str(cid.of(b"nobody ever stored this"))


@pytest.fixture(params=["embedded", "kubo"])
async def caller(
    request: pytest.FixtureRequest,
    make_app: MakeApp,
    operator: str,
    writer: dict[str, str],
    caller_of: type[Caller],
) -> AsyncIterator[Caller]:
    """A caller of a service with each store in turn."""
    settings: dict[str, Any] = {}
    if request.param == "kubo":
        settings["kubo_url"] = f"http://127.0.0.1:{request.getfixturevalue('kubo')[1]}"
    async with running(app := make_app(**settings), writer) as http:
        yield caller_of(http, app)


async def test_bytes_come_back_under_the_cid_that_ipfs_gives_them(caller: Caller):
    stored = await caller.post("/v1/content", content=b"hello", headers=OCTETS)
    read = await caller.http.get(stored.headers["location"])

    assert (stored.status_code, stored.json()) == (201, {"cid": HELLO, "size": 5})
    assert read.content == b"hello"
    assert read.headers["content-type"] == "application/octet-stream"


async def test_a_file_of_several_blocks_has_its_cid_from_ipfs_too(caller: Caller):
    data = bytes(CHUNK + 1)

    assert await caller.store(data) == TWO_BLOCKS
    assert (await caller.http.get(f"/v1/content/{TWO_BLOCKS}")).content == data


async def test_the_same_bytes_again_change_nothing(caller: Caller):
    assert await caller.store(b"hello") == await caller.store(b"hello") == HELLO


async def test_no_bytes_are_content_too(caller: Caller):
    where = await caller.store(b"")

    answer = await caller.http.get(f"/v1/content/{where}")

    assert (answer.status_code, answer.content) == (200, b"")


async def test_an_agent_is_registered_and_found_with_its_metadata_there(caller: Caller):
    await caller.registered("acme/one", "test-capability")

    (agent,) = await caller.found("test-capability")
    assert agent["metadataStatus"] == "fetched"
    assert (await caller.http.get(f"/v1/content/{agent['metadataCid']}")).status_code == 200


async def test_what_nobody_stored_is_not_found(caller: Caller):
    answer = await caller.http.get(f"/v1/content/{ABSENT}")

    assert (answer.status_code, answer.json()["code"]) == (404, "content-not-found")


async def test_content_never_changes_so_it_is_sent_once(caller_lite: Caller):
    await caller_lite.store(b"hello")
    first = await caller_lite.http.get(f"/v1/content/{HELLO}")

    again = await caller_lite.http.get(
        f"/v1/content/{HELLO}", headers={"If-None-Match": first.headers["etag"]}
    )
    other = await caller_lite.http.get(f"/v1/content/{HELLO}", headers={"If-None-Match": f'"{ABSENT}"'})

    assert "immutable" in first.headers["cache-control"]
    assert (again.status_code, again.content, other.status_code) == (304, b"", 200)


async def test_a_block_that_does_not_match_its_cid_is_not_passed_on(
    make_app: MakeApp, chain: Chain, writer: dict[str, str], state_dir: Path
):
    first, second = bytes(CHUNK), bytes([1]) * CHUNK
    async with (
        served(make_app()) as url,
        httpx.AsyncClient(base_url=url, headers=writer | OCTETS, timeout=60) as http,
    ):
        root = (await http.post("/v1/content", content=first + second)).json()["cid"]
        (state_dir / "content" / str(cid.of(second))).write_bytes(second[:-1] + b"\2")

        at_once = await http.get(f"/v1/content/{cid.of(second)}")
        with pytest.raises(httpx.RemoteProtocolError):  # cut off: the first block was good
            await read_all(http, root)

    assert (at_once.status_code, at_once.json()["code"]) == (502, "content-corrupt")


async def read_all(http: httpx.AsyncClient, where: str) -> bytes:
    answer = await http.get(f"/v1/content/{where}")
    answer.raise_for_status()
    return answer.content


async def test_more_bytes_than_allowed_are_refused_however_they_come(
    make_app: MakeApp, chain: Chain, writer: dict[str, str]
):
    async def unannounced() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield bytes(CHUNK)

    app = make_app(max_content_bytes=1 << 20)
    async with (
        served(app) as url,
        httpx.AsyncClient(base_url=url, headers=writer | OCTETS, timeout=60) as http,
    ):
        announced = await http.post("/v1/content", content=bytes((1 << 20) + 1))
        streamed = await http.post("/v1/content", content=unannounced())
        most = await http.post("/v1/content", content=bytes(1 << 20))

    assert [answer.status_code for answer in (announced, streamed, most)] == [413, 413, 201]
    assert {answer.json()["code"] for answer in (announced, streamed)} == {"body-too-large"}


async def test_a_file_that_is_larger_than_we_take_is_not_given_out_either(
    make_app: MakeApp, chain: Chain, writer: dict[str, str], state_dir: Path
):
    large = make_app(max_content_bytes=2 << 20)
    async with running(large, writer | OCTETS) as http:
        root = (await http.post("/v1/content", content=bytes(2 << 20))).json()["cid"]
    async with (
        served(make_app(max_content_bytes=1 << 20)) as url,
        httpx.AsyncClient(base_url=url, timeout=60) as http,
    ):
        with pytest.raises(httpx.RemoteProtocolError):
            await read_all(http, root)


async def test_metadata_larger_than_256_kib_is_refused_and_nothing_is_stored(
    caller_lite: Caller, chain: Chain, state_dir: Path
):
    tool = {
        "name": "LONG",
        "description": "x" * 2000,
        "capability": "text.summarize",
        "parameters": {"a": "x" * 8000},
        "price": "0",
    }
    body = caller_lite.wish("acme/one", metadata=caller_lite.metadata(toolDefinitions=[tool] * 30))

    answer = await caller_lite.register(body)

    assert (answer.status_code, answer.json()["code"]) == (413, "content-too-large")
    assert list((state_dir / "content").iterdir()) == []
    assert await chain.total_agents() == 0


async def test_what_is_no_cid_is_refused(caller_lite: Caller):
    none = [HELLO[:-1], HELLO + "a", "b" + HELLO[1:].upper(), "Qm" + "a" * 57, "..%2f..%2fchain.key", "%00"]

    answers = [await caller_lite.http.get(f"/v1/content/{text}") for text in none]

    assert {answer.status_code for answer in answers} <= {400, 404, 422}
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}


async def test_one_content_has_one_address(caller_lite: Caller):
    await caller_lite.store(b"hello")

    answer = await caller_lite.http.get(f"/v1/content/{HELLO[:-1]}r")

    assert answer.status_code == 404


async def test_bytes_are_sent_as_bytes(caller_lite: Caller):
    headers = {"Content-Type": "text/html"}

    answer = await caller_lite.post("/v1/content", content=b"<script>", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


async def test_storing_needs_the_scope_and_reading_does_not(caller_lite: Caller):
    await caller_lite.store(b"hello")
    del caller_lite.http.headers["Authorization"]

    stored = await caller_lite.post("/v1/content", content=b"other", headers=OCTETS)
    read = await caller_lite.http.get(f"/v1/content/{HELLO}")

    assert (stored.status_code, read.status_code) == (401, 200)
