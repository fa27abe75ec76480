"""Cards are looked for where an address leads, and no host answers more or longer than it may."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import Any, cast

import aiohttp
import orjson
import pytest
from fastapi import FastAPI, Response
from fastapi.responses import StreamingResponse
from mesh_registry.adapters import cards as adapter
from mesh_registry.adapters.cards import UNREACHABLE, HttpCards
from mesh_registry.domain.cards import CARD_PATH, Verdict, card_url
from mesh_registry.errors import CardUnavailable
from mesh_registry.schemas.cards import FromCardRequest
from mesh_registry.service.importing import Importer
from mesh_shared.testing import served
from pydantic import ValidationError

LIMIT = 1000
NEITHER = cast("Any", None)
CARD = {
    "name": "Summarizer",
    "description": "Summarizes text.",
    "version": "1.0.0",
    "supportedInterfaces": [
        {"url": "https://agent.example/a2a/", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
    ],
    "capabilities": {},
    "defaultInputModes": ["text/plain"],
    "defaultOutputModes": ["text/plain"],
    "skills": [{"id": "summarize", "name": "Summarize", "description": "Shortens.", "tags": ["text"]}],
}


class Pages:
    """Implements `ports.CardSource` with pages in memory, and keeps what was asked for."""

    def __init__(self, **pages: bytes) -> None:
        self.pages = {f"https://{name}": data for name, data in pages.items()}
        self.asked: list[str] = []

    async def fetch(self, url: str, limit_bytes: int) -> bytes:
        self.asked.append(url)
        if url not in self.pages:
            raise CardUnavailable(UNREACHABLE)
        return self.pages[url]


def importer(pages: Pages) -> Importer:
    """Looking at a card needs no database and registers nothing."""
    return Importer(NEITHER, NEITHER, pages, allow_private=False)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://agent.example", f"https://agent.example{CARD_PATH}"),
        ("https://agent.example/", f"https://agent.example{CARD_PATH}"),
        ("https://agent.example:8443", f"https://agent.example:8443{CARD_PATH}"),
        ("http://[2001:db8::1]/", f"http://[2001:db8::1]{CARD_PATH}"),
        ("https://agent.example/my/card.json", "https://agent.example/my/card.json"),
        ("https://agent.example/agents/", "https://agent.example/agents/"),
    ],
)
def test_an_address_without_a_path_leads_to_the_well_known_one(url: str, expected: str):
    assert card_url(url) == expected


async def test_a_card_is_found_by_its_host_alone():
    pages = Pages(**{f"agent.example{CARD_PATH}": orjson.dumps(CARD)})

    evidence, metadata = await importer(pages).look("https://agent.example", None)

    assert (evidence.url, evidence.card) == (f"https://agent.example{CARD_PATH}", CARD)
    assert (evidence.verdict, evidence.key) == (Verdict.UNSIGNED, None)
    assert metadata.capabilities == ["summarize", "text"]


async def test_nobody_is_asked_for_the_keys_of_an_unsigned_card():
    pages = Pages(**{"agent.example/card": orjson.dumps(CARD)})

    await importer(pages).look("https://agent.example/card", None)

    assert pages.asked == ["https://agent.example/card"]


async def test_a_signed_card_whose_host_publishes_no_keys_is_looked_at_all_the_same():
    signed = CARD | {"signatures": [{"protected": "eyJhbGciOiJFUzI1NiJ9", "signature": "AA"}]}
    pages = Pages(**{"agent.example/card": orjson.dumps(signed)})

    evidence, _ = await importer(pages).look("https://agent.example/card", None)

    assert evidence.verdict is Verdict.UNTRUSTED_KEY
    assert pages.asked[1:] == ["https://agent.example:443/.well-known/jwks.json"]


@pytest.fixture
async def host() -> AsyncIterator[str]:
    """A host with answers that are as large as they may be, and larger, each in its own way."""
    app = FastAPI()

    async def stream(size: int) -> AsyncIterator[bytes]:
        for _ in range(size):
            yield b"x"

    @app.get("/plain/{size}")
    async def plain(size: int) -> Response:
        return Response(b"x" * size)

    @app.get("/stream/{size}")
    async def streamed(size: int) -> StreamingResponse:
        return StreamingResponse(stream(size))

    @app.get("/packed/{size}")
    async def packed(size: int) -> Response:
        return Response(gzip.compress(b"x" * size), headers={"Content-Encoding": "gzip"})

    @app.get("/status/{status}")
    async def status(status: int) -> Response:
        return Response(status_code=status)

    @app.get("/garbled")
    async def garbled() -> Response:
        return Response(b"no gzip", headers={"Content-Encoding": "gzip"})

    async with served(app) as url:
        yield url


@pytest.fixture
async def source() -> AsyncIterator[HttpCards]:
    async with aiohttp.ClientSession() as session:
        yield HttpCards(session)


@pytest.mark.parametrize("way", ["plain", "stream", "packed"])
async def test_an_answer_may_have_the_last_byte_of_its_limit_and_not_one_more(
    host: str, source: HttpCards, way: str
):
    whole = await source.fetch(f"{host}/{way}/{LIMIT}", LIMIT)

    assert whole == b"x" * LIMIT
    with pytest.raises(CardUnavailable, match="too large"):
        await source.fetch(f"{host}/{way}/{LIMIT + 1}", LIMIT)


async def test_a_small_answer_that_unpacks_into_a_large_one_is_too_large(host: str, source: HttpCards):
    with pytest.raises(CardUnavailable, match="too large"):
        await source.fetch(f"{host}/packed/50000000", LIMIT)


@pytest.mark.parametrize("status", [204, 301, 404, 500])
async def test_a_host_that_answers_anything_but_200_has_no_card(host: str, source: HttpCards, status: int):
    with pytest.raises(CardUnavailable, match=f"answers {status}"):
        await source.fetch(f"{host}/status/{status}", LIMIT)


@pytest.mark.parametrize("address", ["/garbled", ":99999/", "\\@x"])
async def test_what_fails_below_http_fails_in_one_way(host: str, source: HttpCards, address: str):
    with pytest.raises(CardUnavailable) as refused:
        await source.fetch(f"{host.rpartition(':')[0] if address[0] == ':' else host}{address}", LIMIT)

    assert refused.value.detail == UNREACHABLE


async def test_a_host_that_says_nothing_is_given_up(source: HttpCards, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(adapter, "WITHIN_S", 0.05)
    app = FastAPI()

    async def silent() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    @app.get("/")
    async def half() -> StreamingResponse:
        return StreamingResponse(silent())

    async with served(app) as url:
        with pytest.raises(CardUnavailable):
            await source.fetch(url, LIMIT)


@pytest.mark.parametrize(
    "change",
    [
        {"url": "https://agent.example?card=1"},
        {"url": "https://agent.example/#card"},
        {"url": "https://Agent.example"},
        {"url": f"https://{'a' * 201}"},
        {"url": "https://agent.example\n"},
        {"capabilities": []},
        {"capabilities": ["text"] * 33},
        {"id": "Acme"},
        {"did": "did:web:"},
        {"stake": "-1"},
        {"stake": 1},
        {"unknown": 1},
    ],
    ids=str,
)
def test_what_is_no_request_to_register_by_a_card_is_refused(change: dict[str, Any]):
    good = {"id": "acme/one", "url": "https://agent.example"}

    assert FromCardRequest.model_validate(good).wish().stake_units == 0
    with pytest.raises(ValidationError):
        FromCardRequest.model_validate(good | change)
