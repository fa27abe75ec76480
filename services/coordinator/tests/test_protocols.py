"""Agents are called over A2A 1.0 as they are over REST: once per key, within the same limits."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import orjson
import pytest
from compat_agent import ANYBODY
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from invocations import ESCROW, KEY, LIMIT_BYTES, SIGNATURE, call
from mesh_coordinator.adapters.agents import HttpAgents
from mesh_coordinator.domain.attempt import Failure
from mesh_coordinator.domain.selection import Protocol
from mesh_coordinator.ports import Delivery, Refusal
from mesh_shared.a2a import jsonrpc, rest
from mesh_shared.a2a.card import AgentCard as A2aCard
from mesh_shared.a2a.card import Capabilities, Interface, Skill
from mesh_shared.a2a.executor import Call, Made, Moved, Turn, Update
from mesh_shared.a2a.model import Artifact, Message, Part, Role, State
from mesh_shared.a2a.server import ANY, Server
from mesh_shared.a2a.tasks import Tasks
from mesh_shared.agents.plugin import Action, Callback, Plugin, Runtime, failed, succeeded
from mesh_shared.agents.plugin import Message as Said
from mesh_shared.agents.plugin import State as Context
from mesh_shared.app import About, build
from mesh_shared.database import engine, migrate
from mesh_shared.settings import ServiceSettings
from mesh_shared.testing import Issuer, with_schema
from mesh_shared.wire import WireModel
from pydantic import Field, SecretStr

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

    from mesh_shared.platform import Platform
    from towns import Town


# A service of the mesh, as every one of them is built.


class Shout(WireModel):
    word: str = Field(max_length=20)


@dataclass(slots=True)
class Voice:
    """Counts how often it was really used."""

    shouted: list[str | None] = field(default_factory=list[str | None])


async def shout(runtime: Runtime[Voice], said: Said, state: Context, asked: Shout, say: Callback) -> bool:
    runtime.service.shouted.append(runtime.idempotency_key)
    if asked.word == "never":
        await say(failed("No voice.", code="hoarse"))
    else:
        await say(succeeded(asked.word.upper(), {"word": asked.word.upper()}))
    return True


PLUGIN = Plugin(
    name="loud",
    description="Says it louder.",
    actions=[
        Action(
            name="SHOUT",
            description="Says a word louder.",
            parameters=Shout,
            handler=shout,
            examples=[],
            scope="actions:invoke",
        )
    ],
)


class LoudSettings(ServiceSettings):
    service: ClassVar[str] = "loud"


@pytest.fixture
async def voice(town: Town, issuer: Issuer, redis_url: str, tmp_path: Path) -> AsyncIterator[Voice]:
    """A service on the mesh's own app factory, at the root of the town."""
    voice = Voice()

    @asynccontextmanager
    async def start(platform: Platform) -> AsyncGenerator[Voice, None]:
        yield voice

    (tmp_path / "migrations").mkdir()
    settings = LoudSettings(
        port=9999,
        public_url=town.url,
        state_dir=tmp_path / "loud",
        redis_url=SecretStr(redis_url),
        migrations_dir=tmp_path / "migrations",
    )
    about = About(title="Loud", summary="Loud.")
    app = build(about, with_schema(settings), routers=[], plugin=PLUGIN, start=start, keys=issuer.keys)
    async with app.router.lifespan_context(app):
        town.app.mount("/", app)
        yield voice


@pytest.mark.parametrize("protocol", [Protocol.A2A, Protocol.MESH])
async def test_a_service_of_the_mesh_delivers_the_same_over_a2a_and_rest(
    town: Town, agents: HttpAgents, voice: Voice, protocol: Protocol
):
    answer = await agents.invoke(call(town.url, protocol, "SHOUT"))

    assert answer == Delivery({"word": "HELLO"}, None)
    assert voice.shouted == [KEY]


async def test_a_call_over_a2a_that_is_repeated_is_the_same_task(
    town: Town, agents: HttpAgents, voice: Voice
):
    first = await agents.invoke(call(town.url, Protocol.A2A, "SHOUT"))
    again = await agents.invoke(call(town.url, Protocol.A2A, "SHOUT"))

    assert first == again
    assert len(voice.shouted) == 1


@pytest.mark.parametrize(("action", "word"), [("SHOUT", "never"), ("WHISPER", "hello"), ("SHOUT", "l" * 21)])
async def test_what_an_agent_refuses_over_a2a_is_its_failure(
    town: Town, agents: HttpAgents, voice: Voice, action: str, word: str
):
    answer = await agents.invoke(call(town.url, Protocol.A2A, action, parameters={"word": word}))

    assert isinstance(answer, Refusal)
    assert answer.failure is Failure.ACTION_FAILED


# An agent of somebody else's, on the mesh's A2A server.


@dataclass(slots=True)
class Worker:
    """Does what the action's name says."""

    seen: list[Message] = field(default_factory=list[Message])
    can_stop: bool = True

    async def execute(self, turn: Turn) -> AsyncIterator[Update]:
        self.seen.append(turn.message)
        action = (turn.message.parts[0].data or {})["action"]
        if action == "SPEAK":
            yield Message(message_id="m", role=Role.AGENT, parts=[Part(text="spoken")])
            return
        yield Moved(State.WORKING)
        if action == "SLEEP":
            await asyncio.sleep(60)
        if action == "ASK":
            yield Moved(State.INPUT_REQUIRED, "how many?")
            return
        signed = {"deliverySignature": SIGNATURE}
        yield Made(Artifact(artifact_id="a", parts=[Part(text="see:"), Part(data=[1], metadata=signed)]))
        yield Moved(State.COMPLETED)


def card(*interfaces: tuple[str, str, str]) -> dict[str, Any]:
    said = A2aCard(
        name="worker",
        description="Works.",
        version="1",
        supportedInterfaces=[
            Interface(url=url, protocolBinding=binding, protocolVersion=version)
            for url, binding, version in interfaces
        ],
        capabilities=Capabilities(),
        defaultInputModes=["application/json"],
        defaultOutputModes=["application/json"],
        skills=[Skill(id="work", name="work", description="Works.", tags=["work"])],
    )
    return said.model_dump(mode="json", exclude_none=True)


def show(app: FastAPI, place: str, said: dict[str, Any]) -> None:
    """Puts a card where one is looked for."""
    app.add_api_route(f"{place}/.well-known/agent-card.json", lambda: JSONResponse(said))


@dataclass(slots=True)
class Stall:
    """Where the worker is found: one endpoint for each binding, and one that answers before it is done."""

    url: str
    worker: Worker

    def endpoint(self, binding: str) -> str:
        return f"{self.url}/stall/{binding}"


@pytest.fixture
async def stall(town: Town, tmp_path: Path) -> AsyncIterator[Stall]:
    database = engine.connect(f"sqlite+aiosqlite:///{tmp_path}/tasks.db")
    await migrate.upgrade(database, [])
    worker = Worker()
    server = Server(executor=worker, tasks=Tasks(database, "0"), input_modes=frozenset({ANY}))

    async def anybody() -> Call:
        return Call(ANYBODY)

    async def hurried(request: Request) -> Response:
        """Answers at once, whatever the caller would like."""
        asked = await request.json()
        if asked["method"] == "SendMessage":
            asked["params"]["configuration"] = {"returnImmediately": True}
        request._body = orjson.dumps(asked)  # pyright: ignore[reportPrivateUsage]
        return await jsonrpc.answer(server, await anybody(), request)

    async def rpc(request: Request) -> Response:
        return await jsonrpc.answer(server, await anybody(), request)

    app = FastAPI()
    base = f"{town.url}/stall"
    cards = {
        "rpc": card((f"{base}/a2a/", "JSONRPC", "0.3"), (f"{base}/a2a/", "JSONRPC", "1.0")),
        "rest": card((f"{base}/rest", "HTTP+JSON", "1.0")),
        "hurried": card((f"{base}/hurried/a2a/", "JSONRPC", "1.0")),
        "elsewhere": card(("https://elsewhere.example/a2a/", "JSONRPC", "1.0")),
        "old": card((f"{base}/a2a/", "JSONRPC", "0.3")),
    }
    for name, said in cards.items():
        show(app, f"/{name}", said)
    app.add_route("/a2a/", rpc, methods=["POST"])
    app.add_route("/hurried/a2a/", hurried, methods=["POST"])
    app.include_router(rest.router(server, anybody), prefix="/rest")
    town.app.mount("/stall", app)
    yield Stall(town.url, worker)
    await server.close()
    await database.engine.dispose()


@pytest.mark.parametrize("binding", ["rpc", "rest", "hurried"])
async def test_the_first_json_value_of_a_task_is_the_result_in_every_binding(
    stall: Stall, agents: HttpAgents, binding: str
):
    answer = await agents.invoke(call(stall.endpoint(binding), Protocol.A2A, escrow_id=ESCROW))

    assert answer == Delivery([1], SIGNATURE)
    (message,) = stall.worker.seen
    assert (message.message_id, message.metadata) == (KEY, {"escrowId": ESCROW})


async def test_an_answer_in_one_message_is_a_result(stall: Stall, agents: HttpAgents):
    assert await agents.invoke(call(stall.endpoint("rpc"), Protocol.A2A, "SPEAK")) == Delivery("spoken", None)


@pytest.mark.parametrize("binding", ["rpc", "rest", "hurried"])
async def test_a_task_that_goes_on_is_given_up_when_its_time_is_over(
    stall: Stall, agents: HttpAgents, binding: str
):
    async with asyncio.timeout(30):
        answer = await agents.invoke(call(stall.endpoint(binding), Protocol.A2A, "SLEEP", timeout_s=0.5))

    assert answer == Refusal(Failure.TIMED_OUT, "no answer within 0.5 s", may_pass=True)


@pytest.mark.parametrize(
    ("endpoint", "action", "detail"),
    [
        ("rpc", "ASK", "TASK_STATE_INPUT_REQUIRED: how many?"),
        ("elsewhere", "WORK", "its card has no interface of A2A 1.0 at its own origin"),
        ("old", "WORK", "its card has no interface of A2A 1.0 at its own origin"),
    ],
)
async def test_an_agent_that_wants_more_or_answers_elsewhere_delivers_nothing(
    stall: Stall, agents: HttpAgents, endpoint: str, action: str, detail: str
):
    answer = await agents.invoke(call(stall.endpoint(endpoint), Protocol.A2A, action))

    assert answer == Refusal(Failure.ACTION_FAILED, detail)


# Agents that say anything: what each rogue answers, whichever of these requests it gets.

TASK = {"id": "../x", "contextId": "c", "status": {"state": "TASK_STATE_WORKING", "timestamp": ""}}


def rogue(town: Town, answer: Any, binding: str = "JSONRPC") -> str:
    """An endpoint with a good card behind which everything is answered with `answer`."""
    app = FastAPI()

    async def reply(request: Request) -> Response:
        asked = orjson.loads(await request.body() or b"{}")
        if isinstance(answer, Response):
            return answer
        return JSONResponse({"jsonrpc": "2.0", "id": asked.get("id")} | answer)

    said = card((f"{town.url}/rogue/a2a", binding, "1.0"))
    show(app, "", said)
    app.add_route("/{path:path}", reply, methods=["GET", "POST"])
    town.app.mount("/rogue", app)
    return f"{town.url}/rogue"


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (Response("no json"), Failure.ANSWER_NOT_JSON),
        (Response("[]"), Failure.ANSWER_MALFORMED),
        (Response(status_code=302, headers={"Location": "/"}), Failure.REDIRECTED),
        (Response(status_code=500), Failure.BAD_STATUS),
        (Response("x" * (LIMIT_BYTES + 1)), Failure.ANSWER_TOO_LARGE),
        ({"id": "another", "result": {}}, Failure.ANSWER_MALFORMED),
        ({"result": 7}, Failure.ANSWER_MALFORMED),
        ({"result": {"task": {}}}, Failure.ANSWER_MALFORMED),
        ({"result": {}}, Failure.ANSWER_MALFORMED),
        ({"error": {"code": -32000, "message": "tired"}}, Failure.ACTION_FAILED),
        (
            {"result": {"message": {"messageId": "m", "role": "ROLE_AGENT", "parts": [{"url": "http://x"}]}}},
            Failure.NOTHING_DELIVERED,
        ),
    ],
)
async def test_every_misdeed_over_a2a_has_the_name_that_it_has_over_rest(
    town: Town, agents: HttpAgents, answer: Any, failure: Failure
):
    answered = await agents.invoke(call(rogue(town, answer), Protocol.A2A))

    assert isinstance(answered, Refusal)
    assert answered.failure is failure


async def test_the_id_of_a_task_leads_to_no_other_address(town: Town, agents: HttpAgents):
    answered = await agents.invoke(call(rogue(town, {"task": TASK}, "HTTP+JSON"), Protocol.A2A))

    assert answered == Refusal(Failure.ANSWER_MALFORMED, "the task's id cannot be part of an address")
