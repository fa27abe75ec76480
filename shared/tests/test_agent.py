from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from mesh_shared.agents.plugin import (
    Action,
    Callback,
    Evaluator,
    Message,
    Plugin,
    Provider,
    Reply,
    Runtime,
    State,
    failed,
    invoke,
    succeeded,
)
from mesh_shared.auth.tokens import Principal
from mesh_shared.testing import Issuer, running
from mesh_shared.web import agent
from mesh_shared.web.agent import request_model
from mesh_shared.wire import WireModel
from pydantic import model_validator


@pytest.fixture
async def http(app: FastAPI, writer: dict[str, str]) -> AsyncIterator[AsyncClient]:
    async with running(app, writer) as http:
        yield http


async def test_an_agent_lists_its_actions_with_their_schema_and_examples(http: AsyncClient):
    plugin = (await http.get("/actions")).json()

    assert plugin["name"] == "notes"
    (action,) = plugin["actions"]
    assert (action["name"], action["parameters"]["required"]) == ("SHOUT", ["word"])
    assert [turn["role"] for turn in action["examples"][0]] == ["user", "agent"]


async def test_an_action_answers_with_text_and_content(http: AsyncClient):
    response = await http.post("/actions/SHOUT", json={"parameters": {"word": "hello"}})

    answer = response.json()
    assert (response.status_code, answer["handled"], answer["text"]) == (200, True, "HELLO")
    assert answer["content"]["success"] is True
    assert answer["content"]["data"] == {"word": "HELLO", "caller": "tester"}
    assert answer["content"]["timestamp"].endswith("Z")


async def test_what_an_action_refuses_is_its_answer(http: AsyncClient):
    answer = (await http.post("/actions/SHOUT", json={"parameters": {"word": "taken"}})).json()

    assert (answer["content"]["success"], answer["content"]["error"]["code"]) == (False, "note-taken")


async def test_parameters_that_do_not_fit_are_a_problem_with_a_pointer(http: AsyncClient):
    response = await http.post("/actions/SHOUT", json={"parameters": {"word": 7}})

    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/parameters/word")


async def test_an_action_that_nobody_offers_is_not_found(http: AsyncClient):
    response = await http.post("/actions/WHISPER", json={"parameters": {}})

    assert (response.status_code, response.json()["code"]) == (404, "action-not-found")


async def test_an_action_needs_its_own_scope_too(app: FastAPI, issuer: Issuer):
    async with running(app, issuer.headers("actions:invoke", audience="notes")) as http:
        response = await http.post("/actions/SHOUT", json={"parameters": {"word": "hello"}})

    assert (response.status_code, response.json()["missing"]) == (403, ["notes:write"])


async def test_repeating_an_invocation_has_no_second_effect(http: AsyncClient):
    key, body = {"Idempotency-Key": "k1"}, {"parameters": {"word": "hello"}}
    first = await http.post("/actions/SHOUT", json=body, headers=key)

    second = await http.post("/actions/SHOUT", json=body, headers=key)

    assert second.content == first.content
    assert second.headers["idempotency-replayed"] == "true"


async def test_the_card_names_every_action_as_a_skill(http: AsyncClient):
    card = (await http.get("/.well-known/agent-card.json")).json()

    assert [skill["id"] for skill in card["skills"]] == ["SHOUT"]
    assert card["supportedInterfaces"][0]["url"].endswith("/a2a/")


class Nothing(WireModel): ...


class Shout(WireModel):
    word: str


RUNTIME = Runtime(service=None, caller=Principal("tester", frozenset()))


async def time_of_day(runtime: Runtime[Any], message: Message, state: State) -> Mapping[str, Any]:
    return {"hour": 12}


async def count(runtime: Runtime[Any], message: Message, replies: Sequence[Reply]) -> Mapping[str, Any]:
    return {"replies": len(replies)}


async def greet(
    runtime: Runtime[Any], message: Message, state: State, options: Nothing, callback: Callback
) -> bool:
    await callback(succeeded("One moment.", None))
    await callback(succeeded(f"It is {state['clock']['hour']}.", state["clock"]))
    return True


async def only_hello(runtime: Runtime[Any], message: Message, state: State) -> bool:
    return message.text == "hello"


class Either(WireModel):
    """Both are optional, and one is needed."""

    left: str | None = None
    right: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.left is None) == (self.right is None):
            raise ValueError("give one")
        return self


@pytest.mark.parametrize(("parameters", "needed"), [(Shout, True), (Either, True), (Nothing, False)])
def test_parameters_may_be_left_out_exactly_when_nothing_in_them_is_needed(
    parameters: type[WireModel], needed: bool
):
    model = request_model(replace(GREET, parameters=parameters))

    assert model.model_fields["parameters"].is_required() is needed


GREET = Action(
    name="GREET",
    description="Tells the time.",
    parameters=Nothing,
    handler=greet,
    examples=[],
    scope="greet",
    validate=only_hello,
)
GREETER = Plugin(
    name="greeter",
    description="Greets.",
    actions=[GREET],
    providers=[Provider(name="clock", description="The time.", get=time_of_day)],
    evaluators=[Evaluator(name="count", description="Counts replies.", handler=count)],
)


async def test_providers_inform_the_action_and_evaluators_look_back():
    result = await invoke(GREETER, GREET, RUNTIME, Message(text="hello"), Nothing(), {})

    assert [reply.text for reply in result.replies] == ["One moment.", "It is 12."]
    assert result.evaluations == {"count": {"replies": 2}}


async def test_an_action_whose_validation_says_no_does_not_run():
    result = await invoke(GREETER, GREET, RUNTIME, Message(text="bye"), Nothing(), {})

    assert (result.handled, result.replies) == (False, [])


def test_a_failure_carries_an_error_and_no_data():
    content = failed("No.", code="no").content

    assert (content.success, content.data, content.error) == (False, None, {"code": "no"})


def test_an_action_says_how_else_it_may_fail():
    app, action = FastAPI(), replace(GREET, failures={502: "The greeted is gone"})
    agent.install(app, replace(GREETER, actions=[action]))

    responses = app.openapi()["paths"]["/actions/GREET"]["post"]["responses"]

    assert responses["502"]["description"] == "The greeted is gone"
