"""An agent of the pattern over both bindings of A2A: what the compatibility kit asks, without the kit."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import orjson
import pytest
import pytest_asyncio
from compat_agent import Scenarios, create_app
from httpx import AsyncClient, Request, Response
from mesh_shared.testing import served

pytestmark = pytest.mark.asyncio(loop_scope="module")

Body = dict[str, Any]
REST: dict[str, tuple[str, str]] = {
    "SendMessage": ("POST", "/message:send"),
    "SendStreamingMessage": ("POST", "/message:stream"),
    "GetTask": ("GET", "/tasks/{id}"),
    "ListTasks": ("GET", "/tasks"),
    "CancelTask": ("POST", "/tasks/{id}:cancel"),
    "SubscribeToTask": ("POST", "/tasks/{id}:subscribe"),
    "CreateTaskPushNotificationConfig": ("POST", "/tasks/{id}/pushNotificationConfigs"),
    "DeleteTaskPushNotificationConfig": ("DELETE", "/tasks/{id}/pushNotificationConfigs/1"),
    "GetExtendedAgentCard": ("GET", "/extendedAgentCard"),
}


class Agent:
    """The agent by one of its bindings."""

    def __init__(self, http: AsyncClient, binding: str) -> None:
        self.http, self.is_rpc = http, binding == "JSONRPC"

    def request(self, method: str, params: Body) -> Request:
        if self.is_rpc:
            asked = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            return self.http.build_request("POST", "/a2a/", json=asked)
        verb, path = REST[method]
        url = f"/rest{path.format(**params)}"
        if "message" in params:
            return self.http.build_request(verb, url, json=params)
        return self.http.build_request(verb, url, params={k: v for k, v in params.items() if k != "id"})

    async def ask(self, method: str, params: Body) -> Response:
        return await self.http.send(self.request(method, params))

    async def result(self, method: str, params: Body) -> Body:
        answer = (await self.ask(method, params)).json()
        return answer["result"] if self.is_rpc else answer

    async def refusal(self, method: str, params: Body) -> str:
        """The outcome's name for machines; in HTTP+JSON the error's code is the answer's."""
        answer = await self.ask(method, params)
        error = answer.json()["error"]
        assert self.is_rpc or error["code"] == answer.status_code >= 400
        (info,) = error["data" if self.is_rpc else "details"]
        return info["reason"]

    async def events(self, method: str, params: Body) -> AsyncIterator[Body]:
        answer = await self.http.send(self.request(method, params), stream=True)
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            if line:
                event = orjson.loads(line.removeprefix("data: "))
                yield event["result"] if self.is_rpc else event
        await answer.aclose()

    async def send(self, scenario: str, text: str = "Hello", **more: Any) -> Body:
        return await self.result("SendMessage", message(scenario, text, **more))

    async def stream(self, scenario: str) -> list[Body]:
        return [event async for event in self.events("SendStreamingMessage", message(scenario))]


def message(scenario: str, text: str = "Hello", configuration: Body | None = None, **more: Any) -> Body:
    said = {"messageId": f"{scenario}-{uuid4()}", "role": "ROLE_USER", "parts": [{"text": text}]} | more
    return {"message": said, "configuration": configuration or {}}


def states(events: list[Body]) -> list[str]:
    statuses = [event.get("task", event.get("statusUpdate")) for event in events]
    return [status["status"]["state"].removeprefix("TASK_STATE_") for status in statuses if status]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def is_done() -> asyncio.Event:
    """Whether the agent is through with its long work."""
    return asyncio.Event()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(
    is_done: asyncio.Event, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AsyncClient]:
    """One agent for all tests of this file."""
    folder = tmp_path_factory.mktemp("agent")
    database_url = f"sqlite+aiosqlite:///{folder}/tasks.db"
    app = create_app("http://127.0.0.1:8395", database_url, Scenarios(is_done.wait))
    async with (
        served(app) as url,
        AsyncClient(base_url=url, headers={"A2A-Version": "1.0"}, timeout=60) as http,
    ):
        yield http


@pytest.fixture(params=["JSONRPC", "HTTP+JSON"])
def agent(request: pytest.FixtureRequest, http: AsyncClient) -> Agent:
    return Agent(http, request.param)


async def test_each_scenario_of_the_kit_is_answered(agent: Agent):
    parts = {
        scenario: (await agent.send(scenario))["task"]["artifacts"][0]["parts"]
        for scenario in (
            "tck-artifact-text",
            "tck-artifact-file",
            "tck-artifact-file-url",
            "tck-artifact-data",
        )
    }
    completed = (await agent.send("tck-complete-task"))["task"]
    direct = await agent.send("tck-message-response")
    rejected = (await agent.send("tck-reject-task"))["task"]

    file = {"mediaType": "text/plain", "filename": "output.txt"}
    assert parts == {
        "tck-artifact-text": [{"text": "Generated text content"}],
        "tck-artifact-file": [{"raw": "dGNr"} | file],
        "tck-artifact-file-url": [{"url": "https://example.com/output.txt"} | file],
        "tck-artifact-data": [{"data": {"key": "value", "count": 42}}],
    }
    assert completed["status"]["message"]["parts"] == [{"text": "Hello from TCK"}]
    assert direct["message"]["parts"] == [{"text": "Direct message response"}]
    assert rejected["status"]["state"] == "TASK_STATE_REJECTED"


async def test_a_direct_answer_leaves_no_task(agent: Agent):
    before = (await agent.result("ListTasks", {}))["totalSize"]

    await agent.send("tck-message-response")

    assert (await agent.result("ListTasks", {}))["totalSize"] == before


async def test_a_task_that_waits_for_input_goes_on_in_its_context(agent: Agent):
    waiting = (await agent.send("tck-input-required"))["task"]

    done = (await agent.send("somebody", "Go on.", taskId=waiting["id"]))["task"]

    assert (waiting["status"]["state"], done["status"]["state"]) == (
        "TASK_STATE_INPUT_REQUIRED",
        "TASK_STATE_COMPLETED",
    )
    assert done["contextId"] == waiting["contextId"]
    assert [said["parts"][0]["text"] for said in done["history"]] == ["Hello", "Go on."]


async def test_a_task_takes_no_message_of_another_context(agent: Agent):
    waiting = (await agent.send("tck-input-required"))["task"]

    answer = await agent.ask("SendMessage", message("x", taskId=waiting["id"], contextId="another"))

    assert "context" in answer.json()["error"]["message"]


async def test_a_waiting_task_is_canceled_once(agent: Agent):
    waiting = (await agent.send("tck-input-required"))["task"]

    canceled = await agent.result("CancelTask", {"id": waiting["id"]})

    assert canceled["status"]["state"] == "TASK_STATE_CANCELED"
    assert await agent.refusal("CancelTask", {"id": waiting["id"]}) == "TASK_NOT_CANCELABLE"
    assert await agent.refusal("SendMessage", message("x", taskId=waiting["id"])) == "UNSUPPORTED_OPERATION"
    assert await agent.refusal("SubscribeToTask", {"id": waiting["id"]}) == "UNSUPPORTED_OPERATION"


async def test_work_is_broken_off_by_a_cancellation(agent: Agent):
    working = (await agent.send("test-resubscribe-message-id", configuration={"returnImmediately": True}))[
        "task"
    ]

    canceled = await agent.result("CancelTask", {"id": working["id"]})

    assert canceled["status"]["state"] == "TASK_STATE_CANCELED"
    assert await agent.result("GetTask", {"id": working["id"]}) == canceled


async def test_who_does_not_wait_gets_the_task_as_it_begins(agent: Agent):
    begun = (await agent.send("test-resubscribe-message-id", configuration={"returnImmediately": True}))[
        "task"
    ]

    assert begun["status"]["state"] == "TASK_STATE_WORKING"


async def test_a_stream_begins_with_the_task_and_ends_with_its_end(agent: Agent):
    events = await agent.stream("tck-stream-003")

    assert list(events[0]) == ["task"]
    assert states(events) == ["SUBMITTED", "WORKING", "COMPLETED"]
    assert events[2]["artifactUpdate"]["artifact"]["parts"] == [{"text": "Stream task lifecycle"}]


async def test_a_stream_of_a_direct_answer_is_that_answer(agent: Agent):
    events = await agent.stream("tck-message-response")

    assert [list(event) for event in events] == [["message"]]


async def test_chunks_of_an_artifact_become_one(agent: Agent):
    events = await agent.stream("tck-stream-artifact-chunked")
    told = [event["artifactUpdate"] for event in events if "artifactUpdate" in event]

    task = await agent.result("GetTask", {"id": events[0]["task"]["id"]})

    assert [(chunk["append"], chunk["lastChunk"]) for chunk in told] == [(False, False), (True, True)]
    assert [part["text"] for part in task["artifacts"][0]["parts"]] == ["chunk-1 ", "chunk-2"]


async def test_who_subscribes_is_told_what_comes(agent: Agent, is_done: asyncio.Event):
    working = (await agent.send("test-resubscribe-message-id", configuration={"returnImmediately": True}))[
        "task"
    ]
    events = agent.events("SubscribeToTask", {"id": working["id"]})
    told = [await anext(events)]

    is_done.set()
    told += [event async for event in events]
    is_done.clear()

    assert list(told[0]) == ["task"]
    assert states(told) == ["WORKING", "COMPLETED"]


async def test_a_subscription_outlives_a_pause(agent: Agent):
    waiting = (await agent.send("tck-input-required"))["task"]
    events = agent.events("SubscribeToTask", {"id": waiting["id"]})
    told = [await anext(events)]

    await agent.send("tck-complete-task", taskId=waiting["id"])
    told += [event async for event in events]

    assert states(told) == ["INPUT_REQUIRED", "COMPLETED"]


async def test_a_subscription_ends_when_a_waiting_task_is_canceled(agent: Agent):
    waiting = (await agent.send("tck-input-required"))["task"]
    events = agent.events("SubscribeToTask", {"id": waiting["id"]})
    told = [await anext(events)]

    await agent.result("CancelTask", {"id": waiting["id"]})
    told += [event async for event in events]

    assert states(told) == ["INPUT_REQUIRED", "CANCELED"]


async def test_as_much_history_is_shown_as_was_asked_for(agent: Agent):
    waiting = (await agent.send("tck-input-required", "one"))["task"]
    await agent.send("tck-complete-task", "two", taskId=waiting["id"])

    shown = [
        (await agent.result("GetTask", {"id": waiting["id"]} | asked)).get("history")
        for asked in ({}, {"historyLength": 0}, {"historyLength": 1}, {"historyLength": 9})
    ]

    texts = [history and [said["parts"][0]["text"] for said in history] for history in shown]
    assert texts == [["one", "two"], None, ["two"], ["one", "two"]]


async def test_what_the_agent_does_not_do_is_refused_by_name(agent: Agent):
    refusals = [
        await agent.refusal(method, {"id": "nothing"})
        for method in (
            "GetTask",
            "CreateTaskPushNotificationConfig",
            "DeleteTaskPushNotificationConfig",
            "GetExtendedAgentCard",
        )
    ]

    assert refusals == [
        "TASK_NOT_FOUND",
        "PUSH_NOTIFICATION_NOT_SUPPORTED",
        "PUSH_NOTIFICATION_NOT_SUPPORTED",
        "EXTENDED_AGENT_CARD_NOT_CONFIGURED",
    ]


async def test_http_says_by_its_status_what_went_wrong(agent: Agent):
    waiting = (await agent.send("tck-complete-task"))["task"]
    http, text = agent.http, {"Content-Type": "text/plain"}

    answers = [
        await http.post("/rest/message:send", json=message("x"), headers={"A2A-Version": "99.0"}),
        await http.post("/rest/message:send", content=b"{}", headers=text),
        await http.post("/rest/message:send", content=b"{", headers={"Content-Type": "application/json"}),
        await http.post("/rest/message:send", json={}),
        await http.get("/rest/tasks/nothing"),
        await http.post(f"/rest/tasks/{waiting['id']}:cancel"),
        await http.get("/rest/tasks", params={"pageSize": "many"}),
    ]

    assert [answer.status_code for answer in answers] == [400, 415, 400, 400, 404, 409, 400]
    assert {answer.headers["content-type"] for answer in answers} == {"application/json"}
