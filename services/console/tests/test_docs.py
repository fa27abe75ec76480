"""The API documents of all services on one page, and their events on another."""

import gzip
import hashlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mesh_console.adapters.mesh import SERVICES
from mesh_console.api.docs import EVENTS
from mesh_console.app import create_app
from mesh_console.domain.facts import Field, channels, kind
from mesh_console.settings import Settings
from visiting import Browser, Streets, Town, browsing

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def declared() -> dict[str, Any]:
    return json.loads(EVENTS.read_text())


@pytest.fixture
async def passer_by(tmp_path: Path) -> AsyncIterator[Browser]:
    """Somebody who has not signed in, while no service is there."""
    settings = Settings(state_dir=tmp_path)
    async with browsing(create_app(settings, httpx.AsyncClient(transport=Streets()))) as browser:
        yield browser


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string"}, "string"),
        ({"type": "string", "format": "uuid"}, "string (uuid)"),
        ({"type": "array", "items": {"type": "integer"}}, "list of integer"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string or null"),
        ({"enum": ["paid", "refunded"]}, "'paid' or 'refunded'"),
        ({"const": "1.0"}, "'1.0'"),
        ({"$ref": "#/components/messages/x/payload/$defs/Money"}, "Money"),
        ({"type": "object", "properties": {}}, "object"),
        ({}, "anything"),
    ],
)
def test_a_type_is_told_in_words(schema: dict[str, Any], words: str):
    assert kind(schema) == words


def test_every_event_of_the_document_is_one_of_its_service_s_channel(declared: dict[str, Any]):
    told = channels(declared)

    assert [channel.service for channel in told] == list(SERVICES)
    assert {channel.address for channel in told} == {f"mesh.events.{service}" for service in SERVICES}
    topics = [fact.topic for channel in told for fact in channel.facts]
    assert sorted(topics) == sorted(declared["components"]["messages"])


def test_an_event_has_a_sentence_and_fields(declared: dict[str, Any]):
    facts = [fact for channel in channels(declared) for fact in channel.facts]

    assert [fact.topic for fact in facts if not fact.summary.endswith(".")] == []
    changed = next(fact for fact in facts if fact.topic == "registry.reputation-changed.v1")
    assert Field("block_number", "integer", is_required=True, description="") in changed.fields
    assert Field("reverted", "boolean", is_required=False, description="") in changed.fields


def test_the_events_that_are_served_are_the_ones_that_are_committed():
    assert EVENTS.read_bytes() == (ROOT / "docs" / "asyncapi.json").read_bytes()


async def test_programs_get_the_asyncapi_document(passer_by: Browser, declared: dict[str, Any]):
    answer = await passer_by.http.get("/asyncapi.json")

    assert (answer.headers["content-type"], answer.json()) == ("application/json", declared)


async def test_a_page_has_every_event(passer_by: Browser, declared: dict[str, Any]):
    page = await passer_by.open("/docs/events")

    assert [topic for topic in declared["components"]["messages"] if topic not in page] == []


async def test_the_portal_has_the_documents_of_all_services(passer_by: Browser):
    page = await passer_by.open("/docs")

    assert [service for service in SERVICES if f"/docs/openapi/{service}.json" not in page] == []
    assert page.count("http://127.0.0.1:837") == len(SERVICES)


async def test_a_document_is_what_its_service_says(stranger: Browser, town: Town):
    own = await town.services["security-gateway"].get("/openapi.json")

    shown = await stranger.http.get("/docs/openapi/security-gateway.json")

    assert (shown.headers["content-type"], shown.content) == ("application/json", own.content)


async def test_a_service_that_is_away_is_named(passer_by: Browser):
    assert "The deployer does not answer." in await passer_by.open("/docs/openapi/deployer.json", 502)


@pytest.mark.parametrize("service", ["console", "..%2Fadmin", "registry%00"])
async def test_there_is_no_document_of_anything_else(passer_by: Browser, service: str):
    await passer_by.open(f"/docs/openapi/{service}.json", 404)


async def test_styles_of_a_page_are_let_in_by_the_portal_alone(passer_by: Browser):
    policies = {
        path: (await passer_by.http.get(path)).headers["content-security-policy"]
        for path in ("/docs", "/docs/events", "/static/portal.js", "/login")
    }

    assert [path for path, policy in policies.items() if "unsafe" in policy] == ["/docs"]
    assert "script-src 'self';" in policies["/docs"]
    assert "style-src 'self' 'unsafe-inline';" in policies["/docs"]


async def test_the_program_of_the_portal_comes_packed_and_is_fetched_once(passer_by: Browser):
    (program,) = re.findall(r'src="(/static/scalar[^"]+)"', await passer_by.open("/docs"))
    async with passer_by.http.stream("GET", program) as answer:
        packed = b"".join([piece async for piece in answer.aiter_raw()])

    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert hashlib.sha256(packed).hexdigest()[:12] in program
    assert b"createApiReference" in gzip.decompress(packed)
