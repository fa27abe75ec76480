"""A service's actions as tools, without a mesh."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
import stamina
from mesh_cli.main import app
from mesh_cli.parts import PartMissing
from mesh_cli.remote import mcp
from mesh_client.channel import Channel, Patience
from typer.testing import CliRunner

# With those of the running mesh: importing the server takes seconds, which one worker alone should pay.
pytestmark = pytest.mark.xdist_group("mesh")

DONE = {"text": "It is done.", "content": {"success": True, "data": {"price": "25000"}}}
REFUSED = {"text": "No such place.", "content": {"success": False, "error": {"code": "not-found"}}}
BUSY = {"code": "unavailable", "detail": "Later."}


class Service:
    """A service that answers what it was told to, one after the other, and remembers what it was asked."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        status, body = self.answers.pop(0)
        return httpx.Response(status, json=body)


@asynccontextmanager
async def tool_of(service: Any) -> AsyncGenerator[Any, None]:
    tools = import_module("mesh_cli.remote.tools")
    action = tools.Action(name="DO_IT", description="Does it.", parameters={"type": "object"})
    async with httpx.AsyncClient(transport=httpx.MockTransport(service)) as http:
        yield tools.ActionTool.of(action, Channel(http, "http://service.test", None, Patience(attempts=2)))


async def outcome(*answers: tuple[int, Any]) -> Any:
    async with tool_of(Service(*answers)) as tool:
        return await tool.run({})


async def nobody(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("no answer", request=request)


async def test_the_arguments_of_a_tool_are_the_parameters_of_its_action():
    service = Service((200, DONE))

    async with tool_of(service) as tool:
        await tool.run({"workspace": "storefront"})

    assert service.asked[0].url.path == "/actions/DO_IT"
    assert json.loads(service.asked[0].content) == {"parameters": {"workspace": "storefront"}}


async def test_a_call_that_is_sent_again_has_the_same_key():
    service = Service((503, BUSY), (200, DONE))

    with stamina.set_testing(True, attempts=2):
        async with tool_of(service) as tool:
            await tool.run({})

    assert len({request.headers["Idempotency-Key"] for request in service.asked}) == 1


async def test_two_calls_have_two_keys():
    service = Service((200, DONE), (200, DONE))

    async with tool_of(service) as tool:
        await tool.run({})
        await tool.run({})

    assert len({request.headers["Idempotency-Key"] for request in service.asked}) == 2


async def test_an_answer_is_told_in_words_and_as_json_and_amounts_stay_strings():
    result = await outcome((200, DONE))

    assert result.content[0].text == 'It is done.\n{"price": "25000"}'
    assert result.structured_content == DONE["content"]
    assert not result.is_error


async def test_what_an_action_could_not_do_is_an_error_with_its_code():
    result = await outcome((200, REFUSED))

    assert result.content[0].text == 'No such place.\n{"code": "not-found"}'
    assert result.is_error


async def test_what_the_service_refuses_is_an_error_with_the_reason():
    result = await outcome((403, {"code": "scope-missing", "detail": "This needs coordinator:run."}))

    assert result.content[0].text == "403 scope-missing: This needs coordinator:run."
    assert result.is_error


async def test_a_service_that_does_not_answer_is_an_error_and_not_the_end_of_the_server():
    with stamina.set_testing(True, attempts=1):
        async with tool_of(nobody) as tool:
            result = await tool.run({})

    assert "does not answer" in result.content[0].text
    assert result.is_error


async def test_an_answer_that_is_none_is_an_error():
    assert (await outcome((200, {"text": "?"}))).is_error


def test_a_mesh_without_a_key_is_one_line_on_stderr_and_nothing_on_stdout(tmp_path: Path):
    result = CliRunner().invoke(app, ["mcp", "--key-file", str(tmp_path / "none.key")])

    assert result.exit_code == 1
    assert result.stdout == ""
    assert "start `mesh dev`, or name one by --key-file" in result.stderr


def test_a_server_that_is_not_installed_is_told_with_the_command_that_installs_it():
    with pytest.raises(PartMissing, match="uv sync --all-packages --extra mcp"):
        mcp._needs("fastmcp_that_is_not_here")
