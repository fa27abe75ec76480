"""How a service lists itself as the agent that it is, at a registry that keeps what it is told."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI, Header, Response
from mesh_shared import background, http
from mesh_shared.agents.plugin import Action, Callback, Message, Plugin, Runtime, State, succeeded
from mesh_shared.agents.registration import Registration, metadata
from mesh_shared.errors import Unavailable
from mesh_shared.testing import served
from mesh_shared.wire import WireModel
from pydantic import Field


class Word(WireModel):
    word: str = Field(max_length=10)


async def shout(
    runtime: Runtime[Any], message: Message, state: State, options: Word, callback: Callback
) -> bool:
    await callback(succeeded(options.word.upper(), options.word.upper()))
    return True


def action(name: str, *capabilities: str) -> Action:
    return Action(
        name=name,
        description="Says a word louder.",
        parameters=Word,
        handler=shout,
        examples=[],
        scope="actions:invoke",
        capabilities=capabilities,
    )


PLUGIN = Plugin(
    name="loud",
    description="Makes words louder.",
    actions=[action("SHOUT", "text.shout", "text.loud"), action("WHISPER", "text.shout"), action("SECRET")],
)


@dataclass
class Registry:
    """What it was told, and how it answers."""

    statuses: list[int] = field(default_factory=lambda: [202])
    code: str = ""
    told: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    keys: list[str] = field(default_factory=list[str])
    heard: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/v1/agents")
        async def register(
            body: dict[str, Any], response: Response, idempotency_key: Annotated[str, Header()]
        ) -> dict[str, str]:
            self.told.append(body)
            self.keys.append(idempotency_key)
            response.status_code = self.statuses.pop(0)
            self.heard.release()
            return {"code": self.code}

        return app


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
async def registration(registry: Registry) -> AsyncIterator[Registration]:
    async with served(registry.app()) as url, http.client() as client:
        yield Registration(
            agent_id="mesh/loud",
            plugin=PLUGIN,
            endpoint="http://loud.example",
            registry_url=url,
            http=client,
            auth=httpx.Auth(),
        )


def test_an_action_without_a_capability_is_not_listed():
    listed = metadata(PLUGIN, "http://loud.example")

    assert listed["capabilities"] == ["text.loud", "text.shout"]
    assert {tool["name"] for tool in listed["toolDefinitions"]} == {"SHOUT", "WHISPER"}


def test_an_action_is_a_tool_for_each_of_its_capabilities():
    tools = metadata(PLUGIN, "http://loud.example")["toolDefinitions"]

    assert [tool["capability"] for tool in tools if tool["name"] == "SHOUT"] == ["text.shout", "text.loud"]
    assert all(tool["parameters"]["properties"]["word"]["maxLength"] == 10 for tool in tools)
    assert {tool["price"] for tool in tools} == {"0"}


async def test_a_service_lists_itself_once(registration: Registration, registry: Registry):
    async with background.beside(background.forever("registration", registration.turn)):
        await asyncio.wait_for(registry.heard.acquire(), 60)

    (told,) = registry.told
    listed = metadata(PLUGIN, "http://loud.example") | {"protocols": ["a2a"]}
    assert told == {"id": "mesh/loud", "metadata": listed, "stake": "0"}


async def test_a_registry_that_cannot_take_it_is_asked_again_under_the_same_key(
    registration: Registration, registry: Registry
):
    registry.statuses = [503, 500, 202]

    async with background.beside(background.forever("registration", registration.turn)):
        async with asyncio.timeout(60):
            for _ in range(3):
                await registry.heard.acquire()

    assert registry.keys == ["mesh/loud@http://loud.example"] * 3


@pytest.mark.parametrize("code", ["agent-exists", "idempotency-key-reused"])
async def test_being_listed_already_is_as_good(registration: Registration, registry: Registry, code: str):
    registry.statuses, registry.code = [409], code

    turn = asyncio.create_task(registration.turn())
    await asyncio.wait_for(registry.heard.acquire(), 60)
    done, _ = await asyncio.wait({turn}, timeout=0.2)
    turn.cancel()

    assert not done, "it rests: there is nothing to be tried again"


@pytest.mark.parametrize("status", [500, 503])
async def test_a_registry_in_trouble_is_unavailable(
    registration: Registration, registry: Registry, status: int
):
    registry.statuses = [status]

    with pytest.raises(Unavailable):
        await registration.turn()


@pytest.mark.parametrize(("status", "code"), [(403, "forbidden"), (409, "tool-unfit")])
async def test_a_refusal_is_no_outage_and_no_success(
    registration: Registration, registry: Registry, status: int, code: str
):
    registry.statuses, registry.code = [status], code

    with pytest.raises(httpx.HTTPStatusError):
        await registration.turn()
