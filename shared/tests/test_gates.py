"""What happens to a request before any route sees it, and what is told of it afterwards."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import httpx
import pytest
import structlog
from fastapi import FastAPI, Request, Response
from hypothesis import given
from hypothesis import strategies as st
from mesh_shared.web import health, observe
from mesh_shared.web.gate import SAFE, BodyGate, NulGate, WriteGate
from mesh_shared.web.health import LIMIT_S, Checks
from mesh_shared.web.observe import Metrics, Observe
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import LogCapture

METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]


async def size(request: Request) -> Response:
    return Response(str(len(await request.body())))


async def bug(request: Request) -> Response:
    raise RuntimeError("sk-bug")


ECHO = FastAPI(openapi_url=None)
ECHO.add_api_route("/bug", bug)
for path in ("/livez", "/things/{name}", "/{path:path}"):
    ECHO.add_api_route(path, size, methods=METHODS)


async def ask(
    app: ASGIApp, method: str, path: str, content: bytes | AsyncIterator[bytes] | None = None, **headers: str
) -> httpx.Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as http:
        return await http.request(method, path, content=content, headers=headers)


def asked(app: ASGIApp, method: str, path: str, content: bytes | None = None) -> httpx.Response:
    return asyncio.run(ask(app, method, path, content))


async def fails() -> None:
    raise ConnectionError


async def works() -> None: ...


def checks(**named: Callable[[], Awaitable[object]]) -> Checks:
    checks = Checks()
    for name, check in named.items():
        checks.add(name, check)
    return checks


async def test_what_fails_while_we_were_held_up_ourselves_is_asked_once_more():
    failures = iter([ConnectionError(), None])

    async def held_up() -> None:
        if failure := next(failures):
            time.sleep(LIMIT_S)  # noqa: ASYNC251 - the whole process stands still
            raise failure

    assert await checks(redis=held_up).down() == ()


@pytest.mark.parametrize("method", METHODS)
async def test_while_something_is_down_only_safe_methods_pass(method: str):
    app = WriteGate(ECHO, checks(redis=works, chain=fails, database=fails), [])

    response = await ask(app, method, "/v1/notes")

    assert response.status_code == (200 if method in SAFE else 503)
    if method not in SAFE:
        assert (response.json()["down"], response.headers["retry-after"]) == (["chain", "database"], "2")


async def test_while_all_is_well_every_method_passes():
    app = WriteGate(ECHO, checks(redis=works), [])

    assert {(await ask(app, method, "/v1/notes")).status_code for method in METHODS} == {200}


async def test_what_is_always_open_is_a_prefix_and_nothing_in_the_middle():
    app = WriteGate(ECHO, checks(redis=fails), ["/v1/sessions", "/a2a/"])

    statuses = [
        (await ask(app, "POST", path)).status_code
        for path in ("/v1/sessions", "/v1/sessions/7", "/a2a/", "/v1/keys", "/x/v1/sessions", "/a2a")
    ]

    assert statuses == [200, 200, 200, 503, 503, 503]


async def test_the_refusal_of_a_write_does_not_name_its_query():
    refused = await ask(WriteGate(ECHO, checks(redis=fails), []), "POST", "/v1/notes?key=sk-query")

    assert refused.json()["instance"] == "/v1/notes"
    assert "sk-query" not in refused.text


@pytest.mark.parametrize("address", ["/a%00b", "/a?b=%00", "/a?%00=b", "/%00"])
async def test_nul_in_an_address_is_refused(address: str):
    refused = await ask(NulGate(ECHO), "GET", address)

    assert (refused.status_code, refused.json()["code"]) == (400, "malformed-request")


@pytest.mark.parametrize("address", ["/a%2500b", "/a%01", "/a?b=00"])
async def test_what_only_looks_like_nul_passes(address: str):
    assert (await ask(NulGate(ECHO), "GET", address)).status_code == 200


LIMIT = 10
BOUNDED = BodyGate(ECHO, LIMIT, {"/uploads": 100, "/a2a": 5})


@given(st.integers(0, 120), st.sampled_from([("/notes", LIMIT), ("/uploads/x", 100), ("/a2a/", 5)]))
def test_a_body_has_at_most_as_many_bytes_as_its_path_may(count: int, place: tuple[str, int]):
    path, limit = place

    response = asked(BOUNDED, "POST", path, b"a" * count)

    if count <= limit:
        assert (response.status_code, response.text) == (200, str(count))
    else:
        assert (response.status_code, response.json()["limit_bytes"]) == (413, limit)


@pytest.mark.parametrize(("pieces", "status"), [((5, 5), 200), ((5, 5, 1), 413), ((11,), 413)])
async def test_a_body_that_does_not_say_its_size_is_counted_as_it_comes(pieces: tuple[int, ...], status: int):
    async def body() -> AsyncIterator[bytes]:
        for count in pieces:
            yield b"a" * count

    assert (await ask(BOUNDED, "POST", "/notes", body())).status_code == status


@pytest.mark.parametrize("declared", ["0", "-1", "ten", "1e1", "5"])
async def test_a_body_that_lies_about_its_size_is_counted_too(declared: str):
    refused = await ask(BOUNDED, "POST", "/notes", b"a" * 11, **{"content-length": declared})

    assert refused.status_code == 413


async def test_what_is_no_request_passes_every_gate():
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def silent(*_: object) -> Mapping[str, object]:
        return {}

    for gate in (
        WriteGate(app, checks(redis=fails), []),
        NulGate(app),
        BodyGate(app, 0, {}),
        Observe(app, Metrics("notes")),
    ):
        await gate({"type": "lifespan"}, silent, silent)  # pyright: ignore[reportArgumentType]

    assert seen == ["lifespan"] * 4


async def test_a_dependency_is_asked_once_however_many_want_to_know(monkeypatch: pytest.MonkeyPatch):
    count = 0

    async def counted() -> None:
        nonlocal count
        count += 1

    looked = checks(redis=counted)
    answers = await asyncio.gather(*(looked.down() for _ in range(20)))
    monkeypatch.setattr(health, "FRESH_S", -1.0)
    await looked.down()

    assert answers == [()] * 20
    assert count == 2


async def test_what_was_found_is_shown_without_another_look():
    looked = checks(redis=works, chain=fails)
    metrics = Metrics("notes")
    metrics.watch(looked)
    before = looked.last()

    await looked.down()

    assert before == {"redis": True, "chain": True}
    assert looked.last() == {"redis": True, "chain": False}
    assert metrics.registry.get_sample_value("mesh_dependency_up", {"dependency": "chain"}) == 0
    assert metrics.registry.get_sample_value("mesh_dependency_up", {"dependency": "redis"}) == 1


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, object]]:
    """What is logged of requests."""
    capture = LogCapture()
    monkeypatch.setattr(observe, "log", structlog.wrap_logger(None, [capture], structlog.BoundLogger))
    return capture.entries  # pyright: ignore[reportReturnType]


def counted(metrics: Metrics, method: str, route: str, status: int) -> float | None:
    labels = {"method": method, "route": route, "status": str(status)}
    return metrics.registry.get_sample_value("mesh_http_request_duration_seconds_count", labels)


async def test_a_request_is_told_by_its_route_and_never_by_its_address(lines: list[Mapping[str, object]]):
    metrics = Metrics("notes")

    await ask(Observe(ECHO, metrics), "PUT", "/things/sk-path?key=sk-query", b"sk-body")

    (line,) = lines
    assert (line["event"], line["method"], line["route"]) == ("request", "PUT", "/things/{name}")
    assert counted(metrics, "PUT", "/things/{name}", 200) == 1
    assert "sk-" not in str(line)
    assert "sk-" not in str([metric.samples for metric in metrics.registry.collect()])


async def test_a_bug_is_counted_as_what_its_caller_sees(lines: list[Mapping[str, object]]):
    await ask(Observe(ECHO, Metrics("notes")), "GET", "/bug")

    assert [line["status"] for line in lines] == [500]
    assert "sk-bug" not in str(lines)


async def test_who_only_looks_whether_it_lives_fills_no_log(lines: list[Mapping[str, object]]):
    metrics = Metrics("notes")

    await ask(Observe(ECHO, metrics), "GET", "/livez")

    assert lines == []
    assert counted(metrics, "GET", "/livez", 200) == 1


async def test_no_browser_guesses_what_an_answer_is():
    response = await ask(Observe(ECHO, Metrics("notes")), "GET", "/livez")

    assert response.headers["x-content-type-options"] == "nosniff"
