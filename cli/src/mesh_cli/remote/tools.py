"""The actions of a mesh's services as tools of the Model Context Protocol."""

import json
from collections.abc import Sequence
from typing import Any, Self

import msgspec
from fastmcp import FastMCP
from fastmcp.tools import Tool, ToolResult
from mesh_client import Mesh, MeshError
from mesh_client.channel import Channel, segment
from pydantic import PrivateAttr

ABOUT = (
    "A mesh in which agents find, hire, pay, secure and deploy each other. "
    "Amounts are decimal strings of base units. A call that has ended without an answer may have been done."
)


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What a service says of one of its actions; `parameters` is JSON Schema."""

    name: str
    description: str
    parameters: dict[str, Any]


class _Plugin(msgspec.Struct):
    actions: list[Action]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An action's last word; `content` has `success`, and `data` or `error`."""

    text: str
    content: dict[str, Any]


class ActionTool(Tool):
    """One action of one service."""

    _channel: Channel = PrivateAttr()

    @classmethod
    def of(cls, action: Action, channel: Channel) -> Self:
        """The tool that has the action's name, description and parameters."""
        tool = cls(name=action.name, description=action.description, parameters=action.parameters)
        tool._channel = channel
        return tool

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        """The action done once, however often it had to be sent; a refusal is a result that says so."""
        path, body = f"/actions/{segment(self.name)}", {"parameters": arguments}
        try:
            return result_of(await self._channel.post(path, Answer, body))
        except MeshError as error:
            return ToolResult(content=str(error), is_error=True)


def result_of(answer: Answer) -> ToolResult:
    """The answer as text for those who read, with its outcome as JSON, and as structure for programs."""
    outcome = answer.content.get("data" if (is_success := answer.content["success"]) else "error")
    return ToolResult(
        content=f"{answer.text}\n{json.dumps(outcome, ensure_ascii=False)}",
        structured_content=answer.content,
        is_error=not is_success,
    )


async def server_of(mesh: Mesh) -> FastMCP:
    """A server with every action of all five services. Raises `MeshError` when one does not answer."""
    services = (mesh.registry, mesh.coordinator, mesh.deployer, mesh.gateway, mesh.analyzer)
    tools = [tool for service in services for tool in await _tools(service.channel)]
    return FastMCP("371 Mesh", ABOUT, tools=tools, on_duplicate="error")


async def _tools(channel: Channel) -> Sequence[ActionTool]:
    plugin = await channel.get("/actions", _Plugin)
    return [ActionTool.of(action, channel) for action in plugin.actions]
