"""Agents are strangers: every way in which one can misbehave has a name, and none gets anywhere."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import httpx
import orjson
import pytest
from fastapi import Request, Response
from fastapi.responses import JSONResponse, RedirectResponse, StreamingResponse
from joserfc.jws import extract_compact
from mesh_coordinator.adapters.agents import HttpAgents
from mesh_coordinator.adapters.ways import Ways, origin
from mesh_coordinator.domain.attempt import Failure
from mesh_coordinator.domain.selection import Candidate
from mesh_coordinator.ports import Delivery, Invocation, Refusal
from mesh_shared import dial
from mesh_shared.auth.session import Sessions
from mesh_shared.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from towns import Town

LIMIT_BYTES = 10_000
PAID = "https://tools.example/v2"


@pytest.fixture
async def sessions(town: Town, state_dir: Path) -> AsyncIterator[Sessions]:
    async with httpx.AsyncClient() as http:
        yield Sessions(http, f"{town.url}/gateway", state_dir / "service.key")


@pytest.fixture
async def agents(sessions: Sessions) -> AsyncIterator[HttpAgents]:
    async with dial.session(allow_private=True, timeout_s=300) as session:
        yield HttpAgents(ways(session), sessions, LIMIT_BYTES)


def ways(session: aiohttp.ClientSession, gateway_url: str = "") -> Ways:
    """To `PAID` through the gateway, and to everybody else at their address."""
    return Ways(strangers=session, gateway=session, gateway_url=gateway_url, connections={PAID: "paid"})


def call(endpoint: str, **more: Any) -> Invocation:
    candidate = Candidate(
        agent_id="0x",
        token_id=1,
        name="agent",
        owner="0x",
        endpoint=endpoint,
        action="WORK",
        price_units=0,
        reputation=0.5,
    )
    told: dict[str, Any] = {
        "parameters": {"x": 1},
        "key": "k",
        "escrow_id": None,
        "timeout_s": 5,
        "context": {},
    }
    return Invocation(candidate=candidate, **(told | more))


def always(response: Response) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return response

    return answer


def said(content: Any, **headers: str) -> Response:
    return JSONResponse({"content": content}, headers=headers)


def good(data: Any = "done") -> Response:
    return said({"success": True, "data": data})


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


async def refusal(town: Town, agents: HttpAgents, response: Response, **more: Any) -> Refusal:
    answer = await agents.invoke(call(town.open_door("rogue", always(response)), **more))
    assert isinstance(answer, Refusal)
    return answer


async def test_a_call_carries_key_escrow_token_parameters_and_context(town: Town, agents: HttpAgents):
    seen: list[Request] = []
    bodies: list[Any] = []

    async def look(request: Request) -> Response:
        seen.append(request)
        bodies.append(await request.json())
        return good({"a": [1, None]})

    endpoint = town.open_door("worker", look)

    answer = await agents.invoke(call(endpoint, escrow_id="0x" + "ab" * 32, context={"run_id": "r"}))

    assert answer == Delivery({"a": [1, None]}, None)
    assert bodies == [{"parameters": {"x": 1}, "context": {"run_id": "r"}}]
    (request,) = seen
    assert (request.headers["idempotency-key"], request.headers["x-escrow-id"]) == ("k", "0x" + "ab" * 32)
    assert request.headers["authorization"].startswith("Bearer ey")


@pytest.mark.parametrize(
    ("header", "signature"),
    [
        ("0x" + "AB" * 65, "0x" + "ab" * 65),
        ("ab" * 65, "0x" + "ab" * 65),
        ("0xzz", None),
        ("0x", None),
        ("0x" + "ab" * 1_025, None),
        ("", None),
    ],
)
async def test_a_signature_is_kept_when_it_looks_like_one(
    town: Town, agents: HttpAgents, header: str, signature: str | None
):
    endpoint = town.open_door(
        "signer", always(said({"success": True, "data": 1}, **{"X-Delivery-Signature": header}))
    )

    answer = await agents.invoke(call(endpoint))

    assert answer == Delivery(1, signature)


@pytest.mark.parametrize(
    ("response", "failure"),
    [
        (Response("not json"), Failure.ANSWER_NOT_JSON),
        (Response(b""), Failure.ANSWER_NOT_JSON),
        (Response(b"\xff\xfe"), Failure.ANSWER_NOT_JSON),
        (Response('{"content": {"success": true, "data": NaN}}'), Failure.ANSWER_NOT_JSON),
        (Response('{"content": {"success": true, "data": 1e999}}'), Failure.ANSWER_NOT_JSON),
        (Response('{"content": {"success": true, "data": "\\ud800"}}'), Failure.ANSWER_NOT_JSON),
        (Response("[" * 5_000), Failure.ANSWER_NOT_JSON),
        (Response("[]"), Failure.ANSWER_MALFORMED),
        (Response('{"content": {"success": "maybe", "data": 1}}'), Failure.ANSWER_MALFORMED),
        (Response('{"result": 1}'), Failure.ANSWER_MALFORMED),
        (good(nested(65)), Failure.ANSWER_MALFORMED),
        (said({"success": True}), Failure.NOTHING_DELIVERED),
        (good(None), Failure.NOTHING_DELIVERED),
        (said({"success": False, "error": {"code": "tired"}}), Failure.ACTION_FAILED),
        (said({"success": False, "error": nested(200)}), Failure.ACTION_FAILED),
        (good("x" * LIMIT_BYTES), Failure.ANSWER_TOO_LARGE),
        (RedirectResponse("/elsewhere"), Failure.REDIRECTED),
        (Response(status_code=304), Failure.REDIRECTED),
        (Response(status_code=500), Failure.BAD_STATUS),
        (Response(status_code=404), Failure.BAD_STATUS),
        (Response(status_code=201), Failure.BAD_STATUS),
        (Response(status_code=204), Failure.BAD_STATUS),
        (Response(status_code=401), Failure.BAD_STATUS),
        (Response(status_code=429), Failure.BAD_STATUS),
        (Response(status_code=503, headers={"Retry-After": "Tomorrow"}), Failure.BAD_STATUS),
        (Response(status_code=503, headers={"Retry-After": "99999"}), Failure.BAD_STATUS),
    ],
)
async def test_every_misdeed_has_a_name(town: Town, agents: HttpAgents, response: Response, failure: Failure):
    refused = await refusal(town, agents, response)

    assert refused.failure is failure
    assert len(refused.detail) <= 300


async def test_what_an_action_says_of_its_failure_is_kept_in_short(town: Town, agents: HttpAgents):
    refused = await refusal(town, agents, said({"success": False, "error": {"why": "w" * 1_000}}))

    assert refused.detail.startswith('{"why":"www')
    assert len(refused.detail) == 300


async def test_a_redirect_is_not_followed(town: Town, agents: HttpAgents):
    called: list[str] = []

    async def trap(request: Request) -> Response:
        called.append("trap")
        return good()

    elsewhere = town.open_door("trap", trap)

    await refusal(town, agents, RedirectResponse(f"{elsewhere}/actions/WORK", 307))

    assert called == []


async def test_an_answer_of_a_few_bytes_does_not_swell_to_millions(town: Town, agents: HttpAgents):
    bomb = gzip.compress(b'{"content": {"success": true, "data": "' + b"x" * 9_000_000 + b'"}}')
    assert len(bomb) < LIMIT_BYTES

    refused = await refusal(town, agents, Response(bomb, headers={"Content-Encoding": "gzip"}))

    assert refused.failure is Failure.ANSWER_NOT_JSON


async def test_an_answer_without_end_is_cut_off(town: Town, agents: HttpAgents):
    async def drivel() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 1_000
            await asyncio.sleep(0)

    refused = await refusal(town, agents, StreamingResponse(drivel()))

    assert refused.failure is Failure.ANSWER_TOO_LARGE


async def test_an_answer_that_trickles_is_given_up_when_its_time_is_over(town: Town, agents: HttpAgents):
    async def trickle() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.05)

    async with asyncio.timeout(60):
        refused = await refusal(town, agents, StreamingResponse(trickle()), timeout_s=0.3)

    assert refused.failure is Failure.TIMED_OUT


async def test_an_agent_that_never_answers_is_given_up_when_its_time_is_over(town: Town, agents: HttpAgents):
    async def silence(request: Request) -> Response:
        while not await request.is_disconnected():
            await asyncio.sleep(0.02)
        return good()

    endpoint = town.open_door("silent", silence)

    answer = await agents.invoke(call(endpoint, timeout_s=0.3))

    assert answer == Refusal(Failure.TIMED_OUT, "no answer within 0.3 s", may_pass=True)


async def test_an_agent_that_hangs_up_is_unreachable(agents: HttpAgents):
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async with server:
        answer = await agents.invoke(call(f"http://127.0.0.1:{port}"))

    assert isinstance(answer, Refusal)
    assert answer.failure is Failure.UNREACHABLE


@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:1", "http://no-such-host.invalid", "http://" + "a" * 70]
)
async def test_where_nobody_listens_is_unreachable(agents: HttpAgents, endpoint: str):
    answer = await agents.invoke(call(endpoint))

    assert isinstance(answer, Refusal)
    assert answer.failure is Failure.UNREACHABLE


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "169.254.169.254", "[::1]", "10.0.0.1", "0.0.0.0"]
)
async def test_private_addresses_are_not_called_unless_that_is_allowed(sessions: Sessions, host: str):
    async with dial.session(allow_private=False, timeout_s=5) as session:
        answer = await HttpAgents(ways(session), sessions, LIMIT_BYTES).invoke(call(f"http://{host}:9"))

    assert isinstance(answer, Refusal)
    assert answer.failure is Failure.ADDRESS_REFUSED


async def test_a_busy_agent_is_asked_again_with_the_same_key(town: Town, agents: HttpAgents):
    keys: list[str] = []

    async def busy(request: Request) -> Response:
        keys.append(request.headers["idempotency-key"])
        return good() if len(keys) > 2 else Response(status_code=409, headers={"Retry-After": "0"})

    endpoint = town.open_door("busy", busy)

    assert await agents.invoke(call(endpoint)) == Delivery("done", None)
    assert keys == ["k", "k", "k"]


async def test_an_agent_that_is_busy_to_the_last_is_given_up_in_time(town: Town, agents: HttpAgents):
    busy = Response(status_code=503, headers={"Retry-After": "0"})

    async with asyncio.timeout(60):
        refused = await refusal(town, agents, busy, timeout_s=2)

    assert refused == Refusal(Failure.BAD_STATUS, "status 503 to the last", may_pass=True)


async def test_a_token_that_is_not_taken_is_renewed_once(town: Town, agents: HttpAgents, sessions: Sessions):
    audience = origin(town.url)
    first = await sessions.token(audience)
    tokens: list[str] = []

    async def wary(request: Request) -> Response:
        tokens.append(request.headers["authorization"])
        return good() if len(tokens) > 1 else Response(status_code=401)

    endpoint = town.open_door("wary", wary)

    assert await agents.invoke(call(endpoint)) == Delivery("done", None)
    assert tokens[0] == f"Bearer {first}"
    assert tokens[1] != tokens[0]


async def test_without_a_token_nobody_is_blamed(town: Town, sessions: Sessions):
    endpoint = town.open_door("worker", always(good()))
    sessions.key_file.unlink()

    async with dial.session(allow_private=True, timeout_s=5) as session:
        with pytest.raises(Unavailable):
            await HttpAgents(ways(session), sessions, LIMIT_BYTES).invoke(call(endpoint))


@pytest.mark.parametrize(
    ("endpoint", "audience"),
    [
        ("https://agent.example:8443/base/", "https://agent.example:8443"),
        ("http://127.0.0.1:9100", "http://127.0.0.1:9100"),
    ],
)
def test_a_token_is_for_the_agent_s_origin_alone(endpoint: str, audience: str):
    assert origin(endpoint) == audience


@pytest.fixture
async def gateway_url(town: Town) -> str:
    """The address of whoever answers in the gateway's place."""
    return f"{town.url}/agents/gate"


@pytest.fixture
async def through(sessions: Sessions, gateway_url: str) -> AsyncIterator[HttpAgents]:
    async with dial.session(allow_private=True, timeout_s=300) as session:
        yield HttpAgents(ways(session, gateway_url), sessions, LIMIT_BYTES)


def at_the_gate(town: Town, answer: Callable[[Request], Awaitable[Response]]) -> None:
    town.open_door("gate/v1/proxy/paid/v2", answer)


async def test_an_agent_that_wants_a_credential_is_called_through_the_gateway(
    town: Town, through: HttpAgents
):
    tokens: list[str] = []

    async def pass_on(request: Request) -> Response:
        tokens.append(request.headers["authorization"].removeprefix("Bearer "))
        return said({"success": True, "data": "done"}, **{"X-Delivery-Signature": "0x" + "ab" * 65})

    at_the_gate(town, pass_on)

    answer = await through.invoke(call(PAID))

    assert answer == Delivery("done", "0x" + "ab" * 65)
    (token,) = tokens
    assert orjson.loads(extract_compact(token.encode()).payload)["aud"] == ["security-gateway"]


@pytest.mark.parametrize("neighbour", [f"{PAID}/x", f"{PAID}/", "https://tools.example", f"{PAID}?x=1"])
def test_nobody_else_at_the_same_origin_has_that_credential(neighbour: str):
    way = ways(cast("aiohttp.ClientSession", None), "https://gateway.example").to(neighbour)

    assert (way.url, way.audience) == (neighbour, "https://tools.example")


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (403, Failure.NOT_LET_THROUGH),
        (404, Failure.NOT_LET_THROUGH),
        (409, Failure.NOT_LET_THROUGH),
        (413, Failure.NOT_LET_THROUGH),
        (429, Failure.BAD_STATUS),
        (502, Failure.BAD_STATUS),
        (504, Failure.BAD_STATUS),
    ],
)
async def test_what_the_gateway_refuses_is_no_fault_of_the_agent_unless_that_is_why(
    town: Town, through: HttpAgents, status: int, failure: Failure
):
    at_the_gate(town, always(Response(status_code=status, headers={"X-Mesh-Gateway-Error": "no_grant"})))

    answer = await through.invoke(call(PAID))

    assert isinstance(answer, Refusal)
    assert answer.failure is failure
    assert answer.failure.is_the_agents == (failure is Failure.BAD_STATUS)


async def test_a_403_of_the_agent_s_own_is_its_own_also_behind_the_gateway(town: Town, through: HttpAgents):
    at_the_gate(town, always(Response(status_code=403)))

    answer = await through.invoke(call(PAID))

    assert answer == Refusal(Failure.BAD_STATUS, "status 403")


async def test_a_gateway_that_cannot_let_anything_out_is_waited_for(town: Town, through: HttpAgents):
    at_the_gate(
        town, always(Response(status_code=503, headers={"X-Mesh-Gateway-Error": "audit_unavailable"}))
    )

    with pytest.raises(Unavailable):
        await through.invoke(call(PAID))


async def test_a_gateway_that_is_not_there_is_waited_for(sessions: Sessions):
    async with dial.session(allow_private=True, timeout_s=5) as session:
        with pytest.raises(Unavailable):
            await HttpAgents(ways(session, "http://127.0.0.1:1"), sessions, LIMIT_BYTES).invoke(call(PAID))
