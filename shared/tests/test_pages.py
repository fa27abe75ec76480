"""Cursors are ours, for one list, and opaque: whatever else comes is no cursor of that list."""

from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import FastAPI, Request, Response
from hypothesis import given
from hypothesis import strategies as st
from mesh_shared.errors import CursorNotFound
from mesh_shared.web import pages
from mesh_shared.web.pages import CURSOR_LENGTH, CURSOR_PATTERN
from pydantic import TypeAdapter, ValidationError

keys = st.lists(st.text(max_size=60) | st.integers(-(2**53), 2**53) | st.none(), min_size=1, max_size=3)
fits = TypeAdapter(pages.Cursor)


def request(path: str = "/v1/agents", query: str = "", owner: str = "us") -> Request:
    app = FastAPI()
    app.state.platform = SimpleNamespace(secret=owner)
    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "app": app}
    return Request(
        scope | {"query_string": query.encode(), "server": ("mesh.example", 443), "scheme": "https"}
    )


def cursor_after(key: list[Any], asked: Request) -> str:
    cursor = pages.page(asked, Response(), ["item"], 1, key).next_cursor
    assert cursor is not None
    return cursor


@given(keys)
def test_a_cursor_says_what_it_was_made_of(key: list[Any]):
    assert pages.position(request(), cursor_after(key, request())) == key


@given(keys)
def test_a_cursor_is_made_of_what_the_route_lets_in(key: list[Any]):
    cursor = cursor_after(key, request())

    assert fits.validate_python(cursor) == cursor


@given(keys, st.data())
def test_a_cursor_with_any_character_changed_is_none(key: list[Any], data: st.DataObject):
    cursor = cursor_after(key, request())
    place = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.sampled_from("ABCXYZabcxyz0189-_."))
    forged = cursor[:place] + other + cursor[place + 1 :]

    try:
        found = pages.position(request(), forged)
    except CursorNotFound:
        return
    assert found == key  # the spare bits of base64's last character say nothing


@pytest.mark.parametrize(
    "asked",
    [request("/v1/tasks"), request("/v1/agents/"), request(owner="another")],
    ids=["of another list", "of another path", "of another service"],
)
def test_a_cursor_of_elsewhere_is_none(asked: Request):
    with pytest.raises(CursorNotFound):
        pages.position(asked, cursor_after(["a"], request()))


@pytest.mark.parametrize("text", ["", ".", "a.b", "W10", "W10.", ".eJyLBgAA_wD_.x", "a" * CURSOR_LENGTH])
def test_what_is_no_cursor_is_not_found(text: str):
    with pytest.raises(CursorNotFound):
        pages.position(request(), text)


def test_no_cursor_is_the_beginning():
    assert pages.position(request(), None) is None


@pytest.mark.parametrize("text", ["a b", "a\0", "é", "a\n", "a" * (CURSOR_LENGTH + 1)])
def test_what_cannot_be_a_cursor_is_told_by_the_schema(text: str):
    with pytest.raises(ValidationError):
        fits.validate_python(text)


def test_the_page_that_is_not_full_is_the_last():
    response = Response()

    page = pages.page(request(), response, ["a"], 2, ["a"])

    assert (page.items, page.next_cursor) == (["a"], None)
    assert "link" not in response.headers


def test_the_link_to_the_next_page_keeps_what_was_asked_for():
    response = Response()
    asked = request(query="capability=text.summarize&cursor=old&limit=7&order=a%26b")

    page = pages.page(asked, response, ["a", "b"], 2, ["b"])

    target, _, relation = response.headers["link"].partition(">")
    assert relation == '; rel="next"'
    address = urlsplit(target.removeprefix("<"))
    assert (address.scheme, address.netloc, address.path) == ("", "", "/v1/agents")
    assert parse_qs(address.query) == {
        "capability": ["text.summarize"],
        "order": ["a&b"],
        "limit": ["2"],
        "cursor": [page.next_cursor],
    }


def test_the_pattern_of_a_cursor_is_published():
    schema = fits.json_schema()["anyOf"][0]

    assert (schema["pattern"], schema["maxLength"]) == (CURSOR_PATTERN, CURSOR_LENGTH)
