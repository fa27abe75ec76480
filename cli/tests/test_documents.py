"""The committed documents: complete, fresh, and true of every event and operation."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mesh_cli import documents
from mesh_cli.embedded import PACKAGES
from mesh_cli.parts import ROOT
from openapi_spec_validator import OpenAPIV31SpecValidator

pytestmark = [pytest.mark.xdist_group("documents"), pytest.mark.again]  # in `make check`: fresh ones

OPERATIONS = {"get", "put", "post", "delete", "patch"}
NUMBERS = ("integer", "number")


@pytest.fixture(scope="module")
def made() -> dict[Path, str]:
    return documents.generate()


@pytest.fixture(scope="module")
def pages(made: dict[Path, str]) -> dict[str, dict[str, Any]]:
    """The OpenAPI documents by service."""
    return {name: json.loads(made[documents.DOCS / "openapi" / f"{name}.json"]) for name in PACKAGES}


@pytest.fixture(scope="module")
def asyncapi(made: dict[Path, str]) -> dict[str, Any]:
    return json.loads(made[documents.DOCS / "asyncapi.json"])


def operations(page: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in page["paths"].items()
        for method, operation in methods.items()
        if method in OPERATIONS
    ]


def test_there_is_one_page_for_each_service_and_one_for_all_events(made: dict[Path, str]):
    names = {path.relative_to(documents.DOCS).as_posix() for path in made if path != documents.SERVED_EVENTS}

    assert names == {f"openapi/{service}.json" for service in PACKAGES} | {"asyncapi.json"}
    assert made[documents.SERVED_EVENTS] == made[documents.DOCS / "asyncapi.json"]


def test_what_is_committed_is_what_the_code_says(made: dict[Path, str]):
    assert documents.stale(made) == []


def test_a_document_that_differs_is_stale(tmp_path: Path):
    fresh, changed, missing = tmp_path / "a.json", tmp_path / "b.json", tmp_path / "c.json"
    documents.write({fresh: "same", changed: "old"})

    assert documents.stale({fresh: "same", changed: "new", missing: "new"}) == [changed, missing]


def test_an_event_without_words_of_its_own_is_told_by_its_name(asyncapi: dict[str, Any]):
    messages = asyncapi["components"]["messages"]

    assert messages["registry.reputation-changed.v1"]["summary"] == "Reputation changed."
    assert messages["coordinator.escrow-released.v1"]["summary"] == "The provider was paid."


def test_writing_makes_the_folders_that_are_missing(tmp_path: Path):
    documents.write({tmp_path / "deep" / "down" / "page.json": "{}"})

    assert (tmp_path / "deep" / "down" / "page.json").read_text() == "{}"


@pytest.mark.again  # two seconds each
@pytest.mark.parametrize("service", PACKAGES)
def test_every_document_is_openapi(pages: dict[str, dict[str, Any]], service: str):
    OpenAPIV31SpecValidator(pages[service]).validate()


def test_a_document_says_of_every_operation_who_may(pages: dict[str, dict[str, Any]]):
    for page in pages.values():
        assert page["servers"] == [{"url": "/"}]
        assert [path for path, _, operation in operations(page) if "security" not in operation] == []
        streams = page["paths"]["/v1/events/stream"]["get"]["responses"]["200"]["content"]
        assert streams["text/event-stream"] == {}


@pytest.mark.parametrize("service", PACKAGES)
def test_every_operation_has_a_name_of_its_own(pages: dict[str, dict[str, Any]], service: str):
    names = [operation["operationId"] for _, _, operation in operations(pages[service])]

    assert len(names) == len(set(names))
    assert all(name == name.lower() and "__" not in name for name in names)


@pytest.mark.parametrize("service", PACKAGES)
def test_every_operation_says_what_it_does_and_what_can_go_wrong(
    pages: dict[str, dict[str, Any]], service: str
):
    for path, method, operation in operations(pages[service]):
        refusals = {status for status in operation["responses"] if status >= "400"}
        assert operation.get("summary"), (path, method)
        assert refusals, (path, method)
        for status in refusals - {"4XX", "5XX"}:
            assert "application/problem+json" in operation["responses"][status]["content"], (path, status)


SEARCHES = {"/v1/agents/search", "/search", "/explore"}
"""Reads whose question is too long for an address."""
BEGINNINGS = {"/v1/agents/{agent_id}/challenge"}
"""Where who has no token yet asks for what a wallet has to sign."""
SIGNED = {"/v1/webhooks/github"}
"""Where the body itself is signed, with a secret that its sender shares with us."""


@pytest.mark.parametrize("service", PACKAGES)
def test_every_write_wants_a_token(pages: dict[str, dict[str, Any]], service: str):
    open_to_all = {
        path
        for path, method, operation in operations(pages[service])
        if method != "get" and not operation.get("security")
    }

    assert open_to_all <= SEARCHES | BEGINNINGS | SIGNED


@pytest.mark.parametrize("service", PACKAGES)
def test_no_number_in_a_page_is_too_big_for_a_reader_in_javascript(
    pages: dict[str, dict[str, Any]], service: str
):
    assert not [number for number in numbers(pages[service]) if abs(number) > 2**53]


def nodes(value: Any) -> Iterator[Any]:
    """`value` and all that is in it."""
    yield value
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from nodes(inner)


def numbers(value: Any) -> list[float]:
    return [node for node in nodes(value) if isinstance(node, int | float) and not isinstance(node, bool)]


@pytest.mark.parametrize("service", PACKAGES)
def test_every_number_that_a_caller_sends_has_a_greatest_value(
    pages: dict[str, dict[str, Any]], service: str
):
    """Without one, a page says that 8e20 is fine, and no 64-bit column and no integer parser agrees."""
    page = pages[service]
    sent: list[Any] = [
        [operation.get("parameters"), operation.get("requestBody")] for _, _, operation in operations(page)
    ]
    met: set[str] = set()
    while new := set(references(sent)) - met:
        met |= new
        sent += [page["components"]["schemas"][reference.rsplit("/", 1)[1]] for reference in new]

    shapes = [node for node in nodes(sent) if isinstance(node, dict) and node.get("type") in NUMBERS]
    assert shapes
    assert [shape for shape in shapes if not shape.keys() & {"maximum", "enum"}] == []


def test_every_service_has_a_channel_and_publishes_on_it(asyncapi: dict[str, Any]):
    assert asyncapi["asyncapi"].startswith("3.")
    assert asyncapi["channels"].keys() == PACKAGES.keys()
    for service in PACKAGES:
        assert asyncapi["channels"][service]["address"] == f"mesh.events.{service}"
        assert asyncapi["operations"][f"publish-{service}"]["action"] == "send"


def test_a_topic_names_its_service_and_its_version(asyncapi: dict[str, Any]):
    for service, channel in asyncapi["channels"].items():
        prefix = {"security-gateway": "gateway", "workspace-analyzer": "workspace"}.get(service, service)
        assert channel["messages"], service
        for topic in channel["messages"]:
            assert topic.startswith((f"{prefix}.", f"{service}.")), topic
            assert topic.rsplit(".", 1)[1] == "v1"


def test_every_message_is_a_cloud_event_that_says_what_it_is(asyncapi: dict[str, Any]):
    for topic, message in asyncapi["components"]["messages"].items():
        payload = message["payload"]
        assert payload["properties"]["type"] == {"const": topic}
        assert {"id", "source", "specversion", "sequence", "data"} <= set(payload["required"])
        assert message["summary"], topic


def test_every_reference_of_the_events_leads_somewhere(asyncapi: dict[str, Any]):
    for reference in references(asyncapi):
        target: Any = asyncapi
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]


def references(value: Any) -> list[str]:
    match value:
        case {"$ref": str(reference)}:
            return [reference]
        case dict():
            told = (inner for name, inner in value.items() if name not in ("example", "examples"))
            return [found for inner in told for found in references(inner)]
        case list():
            return [found for inner in value for found in references(inner)]
        case _:
            return []


@pytest.mark.parametrize("service", PACKAGES)
def test_every_reference_of_a_page_leads_somewhere(pages: dict[str, dict[str, Any]], service: str):
    schemas = pages[service]["components"]["schemas"]

    for reference in references(pages[service]):
        assert reference.removeprefix("#/components/schemas/") in schemas, reference


def test_pages_do_not_depend_on_where_they_are_made(pages: dict[str, dict[str, Any]]):
    for page in pages.values():
        assert str(ROOT) not in json.dumps(page)
