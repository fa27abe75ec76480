"""Versions of what was read: RFC 9110 §13.1 compares weakly for reading, and strongly for changing."""

import pytest
from fastapi import Request, Response
from hypothesis import given
from hypothesis import strategies as st
from mesh_shared.errors import PreconditionFailed
from mesh_shared.web import conditional
from mesh_shared.web.conditional import NotModified

versions = st.text("aZ0-", min_size=1, max_size=4)


def asked(if_none_match: str | None) -> Request:
    headers = [] if if_none_match is None else [(b"if-none-match", if_none_match.encode())]
    return Request({"type": "http", "headers": headers})


def is_sent(version: object, if_none_match: str | None) -> bool:
    try:
        conditional.tag(asked(if_none_match), Response(), version)
    except NotModified as known:
        return known.etag != f'"{version}"'
    return True


def is_let_through(version: object, if_match: str) -> bool:
    try:
        conditional.require_match(if_match, version)
    except PreconditionFailed:
        return False
    return True


@given(versions, st.lists(versions, max_size=3))
def test_what_is_among_the_versions_that_a_caller_has_is_not_sent(version: str, others: list[str]):
    known = ", ".join(f'"{each}"' for each in others)

    assert is_sent(version, known) is (version not in others)
    assert not is_sent(version, f'{known},"{version}"')


@pytest.mark.parametrize("spelled", ['W/"7"', '"6" , W/"7"', "*", '"7"'])
def test_a_reader_s_version_is_compared_weakly(spelled: str):
    assert not is_sent(7, spelled)


@pytest.mark.parametrize("spelled", [None, "", "7", '"77"', '"7', "W/7", 'w/"7"'])
def test_what_names_no_version_of_this_gets_it(spelled: str | None):
    assert is_sent(7, spelled)


def test_what_is_sent_has_its_version_and_is_for_this_caller_alone():
    response = Response()

    conditional.tag(asked(None), response, "v-3")

    assert response.headers["etag"] == '"v-3"'
    assert response.headers["cache-control"] == "private, no-cache"


@given(versions, versions)
def test_a_change_is_of_the_version_that_the_caller_saw(seen: str, present: str):
    assert is_let_through(present, f'"{seen}"') is (seen == present)


@pytest.mark.parametrize("spelled", ["*", '"7"', '"6", "7"', ' "7" '])
def test_a_change_may_name_any_version_or_several(spelled: str):
    assert is_let_through(7, spelled)


@pytest.mark.parametrize("spelled", ["", "7", 'W/"7"', '"77"', "W/*"])
def test_a_change_takes_no_weak_and_no_half_a_version(spelled: str):
    assert not is_let_through(7, spelled)
