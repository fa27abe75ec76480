import asyncio
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from mesh_shared.testing import Issuer, running
from mesh_shared.web import openapi


@pytest.fixture
async def http(app: FastAPI, writer: dict[str, str]) -> AsyncIterator[AsyncClient]:
    async with running(app, writer) as http:
        yield http


NOTE = {"name": "shopping", "pages": 2}


async def test_a_problem_names_its_code_its_trace_and_a_page_that_explains_it(http: AsyncClient):
    response = await http.get("/v1/notes/none")

    problem = response.json()
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["code"] == "not-found"
    assert len(problem["trace_id"]) == 32
    assert int(problem["trace_id"], 16) > 0
    assert (await http.get(problem["type"])).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "content", "content_type", "status", "code"),
    [
        ("GET", "/nowhere", b"", "", 404, "route-not-found"),
        ("PUT", "/v1/notes", b"", "", 405, "method-not-allowed"),
        ("POST", "/v1/notes", b"{", "application/json", 400, "malformed-request"),
        ("POST", "/v1/notes", b'{"name": "a", "pages": NaN}', "application/json", 400, "malformed-request"),
        (
            "POST",
            "/v1/notes",
            b'{"name": "\\ud800", "pages": 1}',
            "application/json",
            400,
            "malformed-request",
        ),
        (
            "POST",
            "/v1/notes",
            b'{"name": "\\u0000", "pages": 1}',
            "application/json",
            409,
            "nul-in-text",
        ),
        ("POST", "/v1/notes", b"[" * 5000, "application/json", 400, "malformed-request"),
        (
            "POST",
            "/v1/notes",
            b'{"a":' * 1500 + b"1" + b"}" * 1500,
            "application/json",
            400,
            "malformed-request",
        ),
        (
            "POST",
            "/v1/notes",
            b'{"name": "a", "name": "b", "pages": 1}',
            "application/json",
            400,
            "malformed-request",
        ),
        ("POST", "/v1/notes", b"name=a", "application/x-www-form-urlencoded", 415, "unsupported-media-type"),
        ("POST", "/v1/notes", b"{}", "", 415, "unsupported-media-type"),
        ("POST", "/v1/notes", b"", "application/json", 422, "invalid-request"),
        ("POST", "/v1/notes", b'{"name": "a", "pages": true}', "application/json", 422, "invalid-request"),
        (
            "POST",
            "/v1/notes",
            b'{"name": "a", "pages": 1, "x": 1}',
            "application/json",
            422,
            "invalid-request",
        ),
        ("POST", "/v1/notes", b'"' + b"a" * 20_000 + b'"', "application/json", 413, "body-too-large"),
        ("GET", "/v1/notes/a%00b", b"", "", 400, "malformed-request"),
        ("GET", "/v1/notes?limit=0", b"", "", 422, "invalid-request"),
        ("GET", "/v1/notes?cursor=forged", b"", "", 404, "cursor-not-found"),
        ("GET", "/v1/notes?cursor=no%20cursor", b"", "", 422, "invalid-request"),
        (
            "POST",
            "/v1/payments",
            b'{"name": "a", "pages": 1}',
            "application/json",
            400,
            "idempotency-key-required",
        ),
        ("DELETE", "/v1/notes/a", b"", "", 428, "precondition-required"),
    ],
)
async def test_bad_input_is_a_problem_document(
    http: AsyncClient, method: str, path: str, content: bytes, content_type: str, status: int, code: str
):
    headers = {"content-type": content_type} if content_type else {}

    response = await http.request(method, path, content=content, headers=headers)

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("pages", "status"), [("2.0", 201), ("2.5", 422), ('"2"', 422), ("true", 422)])
async def test_an_integer_may_have_a_fraction_of_zero_and_nothing_else_becomes_one(
    http: AsyncClient, pages: str, status: int
):
    content = f'{{"name": "a", "pages": {pages}}}'
    response = await http.post("/v1/notes", content=content, headers={"content-type": "application/json"})

    assert response.status_code == status


async def test_an_oversized_body_without_a_declared_length_is_refused(http: AsyncClient):
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b" " * 1000

    response = await http.post("/v1/notes", content=pieces(), headers={"content-type": "application/json"})

    assert (response.status_code, response.json()["code"]) == (413, "body-too-large")


async def test_a_refused_method_names_every_method_of_the_path(http: AsyncClient):
    response = await http.put("/v1/notes")

    assert response.headers["allow"] == "GET, POST"


async def test_a_path_that_is_written_out_is_not_what_a_template_makes_of_it(
    app: FastAPI, writer: dict[str, str]
):
    app.add_api_route("/v1/notes/batch", lambda: None, methods=["POST"])

    async with running(app, writer) as http:
        response = await http.put("/v1/notes/batch")

    assert (response.status_code, response.headers["allow"]) == (405, "POST")


async def test_a_refused_method_does_not_make_the_document(app: FastAPI, http: AsyncClient):
    """Which takes a second, for every request at once."""
    await http.put("/v1/notes")

    assert app.openapi_schema is None


async def test_a_field_error_points_at_the_field_and_repeats_no_value(http: AsyncClient):
    response = await http.post(
        "/v1/notes", json={"name": "a", "pages": 99, "secret": "sk-LEAK", "x": "sk-LEAK"}
    )

    pointers = {error["pointer"] for error in response.json()["errors"]}
    assert pointers == {"/pages", "/x"}
    assert "sk-LEAK" not in response.text


async def test_a_bug_is_a_500_that_tells_nothing(http: AsyncClient):
    response = await http.get("/v1/bug")

    assert (response.status_code, response.json()["code"]) == (500, "internal-error")
    assert "sk-secret" not in response.text


async def test_without_a_token_nothing_is_written(app: FastAPI):
    async with running(app) as http:
        response = await http.post("/v1/notes", json=NOTE)

    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("authorization", ["Bearer nonsense", "Basic YTpi", "Bearer", "Bearer a.b.c"])
async def test_a_token_that_does_not_hold_is_refused_even_where_none_is_needed(
    app: FastAPI, authorization: str
):
    async with running(app, {"Authorization": authorization}) as http:
        response = await http.post("/v1/notes", json=NOTE)

    assert response.status_code == 401


async def test_a_token_for_another_audience_is_refused(app: FastAPI, issuer: Issuer):
    async with running(app, issuer.headers("notes:write", audience="elsewhere")) as http:
        response = await http.post("/v1/notes", json=NOTE)

    assert response.status_code == 401


async def test_a_token_of_another_issuer_is_refused(app: FastAPI):
    async with running(app, Issuer().headers("notes:write", audience="notes")) as http:
        response = await http.post("/v1/notes", json=NOTE)

    assert response.status_code == 401


async def test_an_expired_token_is_refused(app: FastAPI, issuer: Issuer):
    token = issuer.token("notes:write", audience="notes", ttl_s=-60)
    async with running(app, {"Authorization": f"Bearer {token}"}) as http:
        response = await http.post("/v1/notes", json=NOTE)

    assert response.status_code == 401


async def test_a_missing_scope_is_named(app: FastAPI, issuer: Issuer):
    async with running(app, issuer.headers("notes:read", audience="notes")) as http:
        response = await http.post("/v1/notes", json=NOTE)

    assert (response.status_code, response.json()["missing"]) == (403, ["notes:write"])


async def test_a_list_is_walked_by_its_cursors_also_while_items_are_inserted(http: AsyncClient):
    for name in ("a", "c", "e"):
        await http.post("/v1/notes", json={"name": name, "pages": 1})
    first = await http.get("/v1/notes")
    await http.post("/v1/notes", json={"name": "b", "pages": 1})

    second = await http.get("/v1/notes", params={"cursor": first.json()["next_cursor"]})

    assert [note["name"] for note in first.json()["items"]] == ["a", "c"]
    assert [note["name"] for note in second.json()["items"]] == ["e"]
    assert second.json()["next_cursor"] is None
    linked = await http.get(first.headers["link"].partition(">")[0].removeprefix("<"))
    assert linked.json()["items"] == second.json()["items"]


async def test_what_the_caller_has_already_is_not_sent_again(http: AsyncClient):
    await http.post("/v1/notes", json=NOTE)
    etag = (await http.get("/v1/notes/shopping")).headers["etag"]

    response = await http.get("/v1/notes/shopping", headers={"If-None-Match": etag})

    assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", etag)


async def test_a_change_to_what_has_changed_is_refused(http: AsyncClient):
    await http.post("/v1/notes", json=NOTE)

    stale = await http.delete("/v1/notes/shopping", headers={"If-Match": '"shopping-1"'})
    current = await http.delete("/v1/notes/shopping", headers={"If-Match": '"shopping-2"'})

    assert (stale.status_code, current.status_code) == (412, 204)


async def test_the_documentation_needs_no_other_machine(http: AsyncClient):
    page = await http.get("/docs")

    assert "http" not in page.text.replace("http-", "")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert (await http.get("/docs/static/swagger-ui-bundle.js")).status_code == 200


async def test_liveness_readiness_and_metrics_need_no_token(app: FastAPI):
    async with running(app) as http:
        answers = await asyncio.gather(*(http.get(path) for path in ("/livez", "/readyz", "/metrics")))

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert "mesh_http_request_duration_seconds" in answers[2].text or "process_" in answers[2].text


async def test_every_documented_operation_says_what_can_go_wrong(http: AsyncClient):
    document = (await http.get("/openapi.json")).json()

    for path in document["paths"].values():
        for operation in path.values():
            assert operation["operationId"]
            assert {"400", "404", "500"} <= operation["responses"].keys()


def test_a_route_that_relays_documents_foreign_answers_beside_our_own():
    app = FastAPI()
    app.add_api_route("/relay", lambda: None, responses={"4XX": {"content": {"*/*": {}}}})
    openapi.install(app)

    refused = app.openapi()["paths"]["/relay"]["get"]["responses"]

    assert refused["4XX"]["content"].keys() == {"*/*", "application/problem+json"}
    assert refused["404"]["content"].keys() == {"application/problem+json"}


async def test_what_may_be_left_out_of_a_url_or_a_header_is_never_null(http: AsyncClient):
    document = (await http.get("/openapi.json")).json()
    routes = [operation for path in document["paths"].values() for operation in path.values()]

    (resumed,) = (p for route in routes for p in route.get("parameters", []) if p["name"] == "last-event-id")

    assert not resumed["required"]
    assert (resumed["schema"]["type"], resumed["schema"]["minimum"]) == ("integer", 0)
    assert "'null'" not in str([route.get("parameters") for route in routes])
