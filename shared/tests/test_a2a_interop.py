"""Strangers' software talks to us: the a2a-sdk's client."""

from pathlib import Path

import pytest
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.types import GetTaskRequest, Message, Part, Role, SendMessageRequest, TaskState
from compat_agent import Scenarios, create_app
from fastapi import FastAPI
from google.protobuf import json_format, struct_pb2
from httpx import AsyncClient
from mesh_shared.testing import served


def data(value: dict[str, object]) -> Part:
    return Part(data=json_format.ParseDict(value, struct_pb2.Value()))


async def test_the_sdk_s_client_runs_an_action(app: FastAPI, writer: dict[str, str]):
    async with served(app) as url, AsyncClient(headers=writer, timeout=60) as http:
        card = await A2ACardResolver(http, url).get_agent_card()
        card.supported_interfaces[0].url = f"{url}/a2a/"
        client = ClientFactory(ClientConfig(httpx_client=http, streaming=False)).create(card)
        asked = Message(
            message_id="m-1",
            role=Role.ROLE_USER,
            parts=[data({"action": "SHOUT", "parameters": {"word": "hello"}})],
        )

        (event,) = [event async for event in client.send_message(SendMessageRequest(message=asked))]
        kept = await client.get_task(GetTaskRequest(id=event.task.id))

    assert kept.status.state == TaskState.TASK_STATE_COMPLETED
    (part,) = kept.artifacts[0].parts
    assert json_format.MessageToDict(part.data)["text"] == "HELLO"


@pytest.mark.parametrize("binding", ["JSONRPC", "HTTP+JSON"])
async def test_the_sdk_s_client_follows_a_stream(tmp_path: Path, binding: str):
    app = create_app("http://agent.invalid", f"sqlite+aiosqlite:///{tmp_path}/tasks.db", Scenarios())
    async with served(app) as url, AsyncClient() as http:
        card = await A2ACardResolver(http, url).get_agent_card()
        for interface in card.supported_interfaces:
            interface.url = interface.url.replace("http://agent.invalid", url)
        config = ClientConfig(httpx_client=http, supported_protocol_bindings=[binding])
        asked = Message(message_id="tck-stream-001", role=Role.ROLE_USER, parts=[Part(text="Hello")])

        client = ClientFactory(config).create(card)
        events = [event async for event in client.send_message(SendMessageRequest(message=asked))]

    assert [event.WhichOneof("payload") for event in events] == [
        "task",
        "status_update",
        "artifact_update",
        "status_update",
    ]
    assert events[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED
