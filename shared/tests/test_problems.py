"""Outcomes and their documents: a name for programs, words for people, and nothing of what was sent."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from hypothesis import given
from hypothesis import strategies as st
from mesh_shared import errors
from mesh_shared.content.errors import ContentTooLarge, StoreUnavailable
from mesh_shared.errors import Conflict, MeshError, NotFound, Unavailable, known_errors
from mesh_shared.web import problems
from starlette.types import Message

OURS = [error for error in known_errors() if error.__module__.startswith("mesh_shared")]


class NoteTooLong(Conflict, title="Note too long"):
    """The note has <more> lines & words than there is room for."""


def rendered(error: MeshError, path: str = "/v1/notes") -> dict[str, Any]:
    return json.loads(bytes(problems.render(path, error).body))


def fault(kind: str, *loc: str | int, msg: str = "Wrong.") -> dict[str, Any]:
    return {"type": kind, "loc": loc, "msg": msg, "input": "sk-sent", "ctx": {"error": "sk-sent"}}


def outcome(*faults: dict[str, Any]) -> MeshError:
    return problems.invalid(RequestValidationError(list(faults)))


def test_an_error_is_named_for_programs_after_its_class():
    assert (NoteTooLong.code(), NoteTooLong.status) == ("note-too-long", HTTPStatus.CONFLICT)


def test_no_two_errors_have_one_code():
    codes = [error.code() for error in OURS]

    assert len(codes) > 20
    assert sorted(codes) == sorted(set(codes))


@pytest.mark.parametrize("error", OURS, ids=lambda error: error.__name__)
def test_an_outcome_says_of_itself_what_it_is(error: type[MeshError]):
    assert error.status >= HTTPStatus.BAD_REQUEST
    assert error.status != HTTPStatus.INTERNAL_SERVER_ERROR
    assert error.title != MeshError.title


def test_a_subclass_keeps_the_status_and_the_title_that_it_does_not_say():
    class Quiet(NoteTooLong): ...

    assert (Quiet.status, Quiet.title) == (HTTPStatus.CONFLICT, "Note too long")


def test_a_problem_is_the_document_of_its_error():
    problem = rendered(NoteTooLong("At most 3 lines.", limit=3), "/v1/notes/a")

    trace_id = problem.pop("trace_id")
    assert len(trace_id) == 32
    assert problem == {
        "type": "/problems/note-too-long",
        "title": "Note too long",
        "status": 409,
        "detail": "At most 3 lines.",
        "instance": "/v1/notes/a",
        "code": "note-too-long",
        "limit": 3,
    }


@given(
    st.dictionaries(st.sampled_from(["type", "status", "code", "title", "instance", "more"]), st.integers())
)
def test_no_member_takes_the_place_of_one_that_every_problem_has(members: Mapping[str, Any]):
    problem = problems.document("/v1/notes", 409, "note-too-long", "Note too long", "No.", members)

    assert (problem["type"], problem["status"], problem["code"]) == (
        "/problems/note-too-long",
        409,
        "note-too-long",
    )
    assert (problem["title"], problem["instance"]) == ("Note too long", "/v1/notes")
    assert problem.get("more") == members.get("more")


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (Unavailable("redis", "chain"), {"retry-after": "2"}),
        (StoreUnavailable(), {"retry-after": "2"}),
        (errors.IdempotentRequestRunning("It runs."), {"retry-after": "1"}),
        (errors.Unauthenticated("Who?"), {"www-authenticate": 'Bearer realm="mesh"'}),
        (NotFound("No."), {}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_outcome_brings_the_fields_that_belong_to_it(error: MeshError, headers: dict[str, str]):
    response = problems.render("/", error)

    common = {"content-type": problems.MEDIA_TYPE, "content-length": str(len(response.body))}
    assert dict(response.headers) == common | headers


def test_what_is_down_is_named_and_nothing_was_changed():
    problem = rendered(Unavailable("redis", "chain"))

    assert (problem["status"], problem["down"]) == (503, ["redis", "chain"])
    assert problem["detail"] == "Not available now: redis, chain. Nothing was changed."


@pytest.mark.parametrize("error", [errors.BodyTooLarge(10), ContentTooLarge(10)])
def test_a_limit_is_told_as_a_number(error: MeshError):
    problem = rendered(error)

    assert (problem["status"], problem["limit_bytes"]) == (413, 10)


@pytest.mark.parametrize(
    ("loc", "part", "pointer"),
    [
        (("body", "name"), "body", "/name"),
        (("body", "steps", 0, "name"), "body", "/steps/0/name"),
        (("body", "a/b", "c~d", "~1"), "body", "/a~1b/c~0d/~01"),
        (("body", ""), "body", "/"),
        (("query", "limit"), "query", "/limit"),
        (("body",), "body", ""),
        ((), "body", ""),
    ],
)
def test_a_fault_points_where_it_is(loc: tuple[str | int, ...], part: str, pointer: str):
    (told,) = rendered(outcome(fault("int_type", *loc)))["errors"]

    assert told == {"part": part, "pointer": pointer, "detail": "Wrong."}


def test_every_fault_is_told_at_once_and_no_value_is():
    problem = rendered(outcome(fault("int_type", "body", "pages"), fault("missing", "body", "name")))

    assert (problem["code"], problem["status"]) == ("invalid-request", 422)
    assert problem["detail"] == "2 field(s) do not fit the schema."
    assert [told["pointer"] for told in problem["errors"]] == ["/pages", "/name"]
    assert "sk-sent" not in json.dumps(problem)


@pytest.mark.parametrize(
    ("header", "status", "code"),
    [
        ("Idempotency-Key", 400, "idempotency-key-required"),
        ("if-match", 428, "precondition-required"),
    ],
)
def test_a_header_that_is_needed_is_named_before_other_faults(header: str, status: int, code: str):
    problem = rendered(outcome(fault("int_type", "body", "pages"), fault("missing", "header", header)))

    assert (problem["status"], problem["code"]) == (status, code)


def test_what_is_no_json_is_told_before_anything_else():
    problem = rendered(outcome(fault("missing", "header", "if-match"), fault("json_invalid", "body", 7)))

    assert (problem["status"], problem["code"]) == (400, "malformed-request")


async def test_every_problem_has_a_page_that_explains_it_and_is_no_script():
    page = await problems.problem_page("note-too-long")

    text = bytes(page.body).decode()
    assert "<h1>409 Note too long</h1>" in text
    assert "&lt;more&gt; lines &amp; words" in text
    for error in OURS:
        assert (await problems.problem_page(error.code())).status_code == 200


@pytest.mark.parametrize("code", ["", "none", "Note-Too-Long", "<script>"])
async def test_what_is_no_code_has_no_page(code: str):
    with pytest.raises(NotFound, match="No problem has that code"):
        await problems.problem_page(code)


async def test_who_hangs_up_in_the_middle_of_a_body_is_no_bug_of_ours(capsys: pytest.CaptureFixture[str]):
    app, sent = FastAPI(), list[Message]()
    problems.install(app)
    coming: list[Message] = [
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.disconnect"},
    ]

    @app.post("/v1/notes")
    async def _(request: Request) -> None:
        await request.body()

    async def receive() -> Message:
        return coming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/notes", "headers": [], "query_string": b""}
    await app(scope, receive, send)

    assert [message["status"] for message in sent if "status" in message] == [400]
    assert "unhandled" not in "".join(capsys.readouterr())
