"""Which answers a key keeps and which it forgets, without a service around it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from mesh_shared.database import engine, migrate
from mesh_shared.errors import Conflict, IdempotencyKeyReused, IdempotentRequestRunning, Unavailable
from mesh_shared.web.idempotency import KEPT, IdempotencyKeys, IdempotencyRow


@pytest.fixture
async def keys(tmp_path: Path) -> AsyncIterator[IdempotencyKeys]:
    database = engine.connect(f"sqlite+aiosqlite:///{tmp_path}/keys.db")
    await migrate.upgrade(database, [])
    yield IdempotencyKeys(database, "replica-0")
    await database.engine.dispose()


def request(key: str = "k", path: str = "/v1/notes", method: str = "POST", body: bytes = b"{}") -> Request:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"idempotency-key", key.encode())]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers}
    return Request(scope | {"server": ("service", 80), "scheme": "http"}, receive)


class Handler:
    """Does what it is told, and counts how often."""

    def __init__(self, outcome: Response | BaseException) -> None:
        self.outcome = outcome
        self.runs = 0

    async def __call__(self, _: Request) -> Response:
        self.runs += 1
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


@pytest.mark.parametrize("status", [200, 201, 202, 204, 303, 400, 404, 409, 410, 412])
async def test_an_answer_about_the_effect_is_kept(keys: IdempotencyKeys, status: int):
    handler = Handler(Response(b"first", status))

    first, second = [await keys.once(request(), handler) for _ in range(2)]

    assert (second.status_code, second.body) == (first.status_code, first.body) == (status, b"first")
    assert "idempotency-replayed" not in first.headers
    assert handler.runs == 1


@pytest.mark.parametrize("status", [401, 402, 403, 429, 500, 502, 503])
async def test_an_answer_that_says_nothing_of_the_effect_is_forgotten(keys: IdempotencyKeys, status: int):
    handler = Handler(Response(b"not now", status))

    for _ in range(2):
        assert (await keys.once(request(), handler)).status_code == status

    assert handler.runs == 2


@pytest.mark.parametrize(
    "failure",
    [ZeroDivisionError(), Unavailable("chain"), RequestValidationError([]), asyncio.CancelledError()],
    ids=lambda failure: type(failure).__name__,
)
async def test_a_request_that_broke_off_leaves_its_key_free(keys: IdempotencyKeys, failure: BaseException):
    with pytest.raises(type(failure)):
        await keys.once(request(), Handler(failure))

    again = await keys.once(request(), Handler(Response(b"done", 201)))

    assert (again.status_code, again.body) == (201, b"done")


async def test_a_refusal_of_ours_is_an_answer_and_is_kept(keys: IdempotencyKeys):
    handler = Handler(Conflict("Taken.", name="shopping"))

    first, second = [await keys.once(request(), handler) for _ in range(2)]

    assert (first.status_code, handler.runs) == (409, 1)
    assert second.body == first.body
    assert second.headers["content-type"] == "application/problem+json"


async def test_of_the_fields_of_an_answer_those_about_the_thing_are_kept_and_no_others(keys: IdempotencyKeys):
    told = {
        "Location": "/v1/notes/a",
        "ETag": '"1"',
        "Retry-After": "3",
        "Payment-Response": "e30=",
        "Set-Cookie": "id=1",
        "X-Trace": "t",
    }
    handler = Handler(Response(b"{}", 201, told, "application/json"))

    await keys.once(request(), handler)
    replayed = await keys.once(request(), handler)

    kept = {name: value for name, value in replayed.headers.items() if name != "content-length"}
    assert kept == {
        "location": "/v1/notes/a",
        "etag": '"1"',
        "retry-after": "3",
        "payment-response": "e30=",
        "content-type": "application/json",
        "idempotency-replayed": "true",
    }


async def test_a_key_is_of_one_method_and_one_path(keys: IdempotencyKeys):
    handler = Handler(Response(b"done"))

    for asked in (request(), request(path="/v1/notes/a"), request(method="PUT"), request(key="k2")):
        await keys.once(asked, handler)

    assert handler.runs == 4


async def test_one_byte_more_in_the_body_is_another_request(keys: IdempotencyKeys):
    await keys.once(request(body=b"{}"), Handler(Response(b"done")))

    with pytest.raises(IdempotencyKeyReused):
        await keys.once(request(body=b"{} "), Handler(Response(b"done")))


async def test_while_the_first_runs_the_second_is_told_so_and_does_nothing(keys: IdempotencyKeys):
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: Request) -> Response:
        entered.set()
        await go_on.wait()
        return Response(b"done")

    first = asyncio.create_task(keys.once(request(), slow))
    await entered.wait()
    never = Handler(Response(b"twice"))
    with pytest.raises(IdempotentRequestRunning):
        await keys.once(request(), never)
    go_on.set()

    assert (await first).body == b"done"
    assert never.runs == 0


async def test_a_start_frees_what_this_replica_left_and_forgets_what_is_a_day_old(keys: IdempotencyKeys):
    now = datetime.now(UTC)
    rows = {
        "ours, running": ("replica-0", None, now),
        "theirs, running": ("replica-1", None, now),
        "ours, answered": ("replica-0", 201, now),
        "answered yesterday": ("replica-1", 201, now - KEPT - timedelta(seconds=1)),
        "answered today": ("replica-1", 201, now - KEPT + timedelta(minutes=1)),
    }
    async with keys.database.write() as session:
        for scope, (instance, status, at) in rows.items():
            row = IdempotencyRow(
                scope=scope, body_hash="h", instance=instance, created_at=at, status=status, body=b""
            )
            session.add(row)

    await keys.recover()

    async with keys.database.read() as session:
        left = [scope for scope in rows if await session.get(IdempotencyRow, scope) is not None]
    assert left == ["theirs, running", "ours, answered", "answered today"]
