"""What is repeated, what is not, and what comes of it."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import stamina
from hypothesis import example, given
from hypothesis import strategies as st
from mesh_client import MeshError, Problem, Unfinished, Unreachable
from mesh_client.channel import Channel, Patience, decoded, ended, segment
from mesh_client.registry import Tool

URL = "http://service.test"
ATTEMPTS = 3
Answer = tuple[int, dict[str, str], Any]
OK: Answer = (200, {}, {"done": True})


@dataclass
class Service:
    """A service that answers what it was told to, one after the other, and remembers what it was asked."""

    answers: list[Answer | type[httpx.TransportError]]
    asked: list[httpx.Request] = field(default_factory=list[httpx.Request])

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, type):
            raise answer("no answer", request=request)
        status, headers, body = answer
        return httpx.Response(status, headers=headers, json=body)


@pytest.fixture(autouse=True)
def _without_pauses() -> Iterator[None]:
    with stamina.set_testing(True, attempts=ATTEMPTS):
        yield


@pytest.fixture
async def reach() -> AsyncIterator[Callable[..., tuple[Channel, Service]]]:
    clients: list[httpx.AsyncClient] = []

    def reach(*answers: Answer | type[httpx.TransportError]) -> tuple[Channel, Service]:
        service = Service(list(answers))
        clients.append(httpx.AsyncClient(transport=httpx.MockTransport(service)))
        return Channel(clients[-1], URL, None, Patience(attempts=ATTEMPTS)), service

    yield reach
    for client in clients:
        await client.aclose()


def busy(status: int, **headers: str) -> Answer:
    return status, headers, {"code": "busy", "detail": "Later."}


@pytest.mark.parametrize(
    "first",
    [
        busy(503),
        busy(429),
        busy(409, **{"Retry-After": "1"}),
        httpx.ConnectError,
        httpx.ReadTimeout,
        httpx.RemoteProtocolError,
    ],
)
async def test_what_may_be_better_a_moment_later_is_asked_again_under_the_same_key(reach: Any, first: Any):
    channel, service = reach(first, OK)

    assert await channel.post("/v1/things", dict, {"a": 1}) == {"done": True}
    one, other = service.asked
    assert one.headers["Idempotency-Key"] == other.headers["Idempotency-Key"]
    assert one.content == other.content


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 500, 502])
async def test_a_refusal_that_would_be_the_same_again_is_told_at_once(reach: Any, status: int):
    channel, service = reach((status, {}, {"code": "no", "detail": "Never."}))

    with pytest.raises(Problem, match=f"{status} no: Never."):
        await channel.get("/v1/things", dict)
    assert len(service.asked) == 1


async def test_a_service_that_never_answers_is_unreachable_after_as_many_attempts_as_allowed(reach: Any):
    channel, service = reach(*[httpx.ConnectError] * ATTEMPTS)

    with pytest.raises(Unreachable, match=r"service\.test does not answer: ConnectError"):
        await channel.get("/v1/things", dict)
    assert len(service.asked) == ATTEMPTS


async def test_what_knows_no_keys_is_sent_once(reach: Any):
    channel, service = reach(httpx.ReadTimeout)

    with pytest.raises(Unreachable):
        await channel.post_once("/v1/api-keys", dict, {})
    assert len(service.asked) == 1


async def test_a_caller_s_own_key_is_taken(reach: Any):
    channel, service = reach(OK)

    await channel.post("/v1/things", dict, key="mine")

    assert service.asked[0].headers["Idempotency-Key"] == "mine"


async def test_two_calls_have_two_keys(reach: Any):
    channel, service = reach(OK, OK)

    await channel.post("/v1/things", dict)
    await channel.post("/v1/things", dict)

    assert len({request.headers["Idempotency-Key"] for request in service.asked}) == 2


async def test_a_problem_says_which_fields_do_not_do_and_where_its_trace_is(reach: Any):
    errors = [{"pointer": "/task", "detail": "is empty"}]
    channel, _ = reach((422, {}, {"code": "invalid", "detail": "No.", "errors": errors, "trace_id": "ab"}))

    with pytest.raises(Problem, match="/task: is empty") as caught:
        await channel.post("/v1/runs", dict)
    assert (caught.value.errors[0].pointer, caught.value.trace_id) == ("/task", "ab")


async def test_a_refused_sdl_is_told_fault_by_fault_with_the_cure(reach: Any):
    issues = [
        {"path": "a", "code": "unknown-key", "message": "There is no section `a`.", "hint": "Leave it out."},
        {"path": "", "code": "yaml", "message": "Not YAML, line 6.", "hint": ""},
    ]
    channel, _ = reach((409, {}, {"code": "sdl-invalid", "detail": "2 fault(s).", "issues": issues}))

    with pytest.raises(Problem) as caught:
        await channel.post("/v1/deployments", dict)
    assert str(caught.value) == (
        "409 sdl-invalid: 2 fault(s). a: There is no section `a`. Leave it out; Not YAML, line 6"
    )


@pytest.mark.parametrize("body", ["not a problem", {"error": 1}, None, []])
async def test_an_error_of_something_else_between_is_a_problem_too(reach: Any, body: Any):
    channel, _ = reach((502, {}, body))

    with pytest.raises(Problem) as caught:
        await channel.get("/v1/things", dict)
    assert (caught.value.status, caught.value.code) == (502, "no-problem-document")


async def test_a_list_is_read_page_by_page_with_the_cursor_of_the_page_before(reach: Any):
    channel, service = reach(
        (200, {}, {"items": [1, 2], "next_cursor": "c1"}), (200, {}, {"items": [3], "next_cursor": None})
    )

    assert [item async for item in channel.pages("/v1/things", int, text=None, kind="x")] == [1, 2, 3]
    assert [dict(request.url.params) for request in service.asked] == [
        {"limit": "100", "kind": "x"},
        {"limit": "100", "kind": "x", "cursor": "c1"},
    ]


async def test_a_page_that_is_not_read_is_not_asked_for(reach: Any):
    channel, service = reach((200, {}, {"items": [1], "next_cursor": "c1"}))

    assert await anext(channel.pages("/v1/things", int)) == 1
    assert len(service.asked) == 1


async def test_an_answer_that_this_client_does_not_know_is_said_to_be_one(reach: Any):
    channel, _ = reach((200, {}, {"done": "maybe"}))

    with pytest.raises(MeshError, match="answered what this client does not know"):
        await channel.get("/v1/things", Tool)


async def test_waiting_ends_with_the_first_look_at_something_that_is_over():
    seen = iter([1, 2, 3])

    async def look() -> int:
        return next(seen)

    assert await ended(look, lambda number: number > 1, within_s=5) == 2


async def test_what_does_not_end_in_time_is_unfinished():
    async def look() -> int:
        return 0

    with pytest.raises(Unfinished, match="within 1 s"):
        await ended(look, bool, within_s=1)


@given(st.text())
@example(".")
@example("..")
def test_a_name_is_one_segment_of_a_path_whatever_is_in_it(name: str):
    path = httpx.URL(f"{URL}/v1/agents/{segment(name.encode('utf-8', 'replace').decode())}/card").raw_path

    assert path.count(b"/") == 4
    assert not {ord("?"), ord("#")} & set(path)


@given(st.integers(min_value=0, max_value=2**256 - 1))
def test_an_amount_arrives_to_the_last_unit(units: int):
    wire = {"name": "n", "description": "d", "capability": "c", "price": str(units), "new": [1]}

    tool = decoded(httpx.Response(200, content=json.dumps(wire)), Tool)

    assert tool.price == units
