"""Whatever goes wrong is a page with a status that says whose fault it is."""

import json

import httpx
import pytest
from documents import Document
from fastapi import FastAPI, Response
from fastapi.routing import APIRoute
from mesh_console.api.headers import FIELDS
from visiting import Browser, Town

ID = "5f80baf4-0504-50d4-9992-17cb14d75fe6"


def refusing(status: int, /, **problem: object) -> FastAPI:
    """A service that refuses everything."""
    app = FastAPI()

    async def refuse() -> Response:
        return Response(json.dumps(problem), status, media_type="application/problem+json")

    app.add_api_route("/{path:path}", refuse, methods=["GET", "POST"])
    return app


def settle(town: Town, app: FastAPI) -> None:
    town.streets.apps["coordinator"] = httpx.ASGITransport(app)


@pytest.mark.parametrize(
    ("theirs", "ours"), [(403, 403), (404, 404), (409, 409), (429, 429), (500, 502), (503, 502)]
)
async def test_a_refusal_keeps_its_status_and_a_failure_is_a_bad_gateway(
    admin: Browser, town: Town, theirs: int, ours: int
):
    settle(town, refusing(theirs, title="Not now", detail="Come back.", code="not-now"))

    page = await admin.open(f"/runs/{ID}", ours)

    assert "<h1>Not now</h1>" in page
    assert f"answered {theirs} <code>not-now</code>" in page


async def test_a_session_that_a_service_ends_leads_to_the_login(admin: Browser, town: Town):
    settle(town, refusing(401))

    answer = await admin.http.get(f"/runs/{ID}")

    assert (answer.status_code, answer.headers["location"]) == (303, f"/login?next=/runs/{ID}")


async def test_hostile_words_of_a_problem_are_words(admin: Browser, town: Town):
    settle(town, refusing(404, title="<script>alert(1)</script>", detail="<b>", code="<i>"))

    page = await admin.open(f"/runs/{ID}", 404)

    assert "<script>alert" not in page
    assert "<i>" not in page


async def test_a_list_that_is_refused_leaves_the_page_standing(admin: Browser, town: Town):
    settle(town, refusing(403, title="Forbidden", detail="The token lacks: coordinator:run."))

    page = await admin.open("/runs")

    assert 'role="alert"' in page
    assert "The token lacks: coordinator:run." in page


async def test_a_change_that_is_refused_is_told_and_not_repeated(admin: Browser, town: Town):
    settle(town, refusing(409, title="Run ended", detail="It has ended.", code="run-ended"))

    page = await admin.send(f"/runs/{ID}/cancel", 409, key="key-1")

    assert "It has ended." in page


async def test_an_escrow_that_cannot_be_read_is_told_beside_the_sums(admin: Browser, town: Town):
    run = Document("coordinator")
    app = refusing(503, title="Chain down", detail="The chain does not answer.")

    async def whole(request: httpx.Request) -> httpx.Response:
        target = app if "/escrows/" in request.url.path else run.app
        return await httpx.ASGITransport(target).handle_async_request(request)

    town.streets.apps["coordinator"] = httpx.MockTransport(whole)  # pyright: ignore[reportArgumentType]
    page = await admin.open(f"/runs/{ID}")

    assert "Not every escrow of this run could be read" in page
    assert "The chain does not answer." in page


@pytest.mark.parametrize(
    ("method", "path", "code"), [("PUT", "/runs", 405), ("GET", "/logout", 405), ("GET", "/x", 404)]
)
async def test_what_the_console_does_not_do_is_told_in_a_page(
    admin: Browser, method: str, path: str, code: int
):
    answer = await admin.http.request(method, path)

    assert answer.status_code == code
    assert "The console has no such page" in answer.text


async def test_a_bug_of_the_console_is_a_page_too_and_says_nothing_of_what_was_raised(
    console: FastAPI, admin: Browser
):
    async def stumble() -> None:
        raise RuntimeError("mesh_sk_1234")

    console.router.routes.insert(0, APIRoute("/stumble", stumble))

    answer = await admin.http.get("/stumble")

    assert answer.status_code == 500
    assert "<h1>Something went wrong</h1>" in answer.text
    assert 'action="/logout"' in answer.text
    assert "mesh_sk" not in answer.text
    assert {name: answer.headers[name] for name in FIELDS} == FIELDS
