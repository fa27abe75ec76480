"""What is read of the registry's answers, and what becomes of those that never come."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from mesh_coordinator.adapters.registry import PAGE, RegistryDirectory
from mesh_coordinator.domain.selection import Protocol, Tool
from mesh_coordinator.errors import AgentNotFound
from mesh_shared import http
from mesh_shared.errors import Unavailable
from mesh_shared.web.health import Checks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

AGENT_ID = "0x" + "ab" * 32
BODY: dict[str, Any] = {
    "agentId": AGENT_ID,
    "tokenId": "7",
    "name": "Summarizer",
    "owner": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    "endpoint": "https://agent.example",
    "reputation": 0.42,
    "active": True,
    "status": "confirmed",
    "toolDefinitions": [
        {"name": "SUMMARIZE", "capability": "text.summarize", "price": "250000", "parameters": {}},
        {"name": "DEAR", "capability": "text.summarize", "price": "9" * 78},
    ],
    "stakeAmount": "5",
    "anything": {"that": "comes later"},
}


class Registry:
    """Answers every request in the way that the test wants, and remembers the last one."""

    def __init__(self) -> None:
        self.answer: Response = JSONResponse({"items": [BODY], "next_cursor": None})
        self.asked = ""
        self.app = FastAPI()
        self.app.add_route("/{path:path}", self._respond, methods=["GET"])

    async def _respond(self, request: Request) -> Response:
        self.asked = f"{request.url.path}?{request.url.query}"
        return self.answer


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
async def directory(registry: Registry) -> AsyncIterator[RegistryDirectory]:
    transport = httpx.ASGITransport(registry.app)
    async with httpx.AsyncClient(transport=transport) as http:
        yield RegistryDirectory(http, "http://registry")


async def test_an_agent_is_read_with_what_is_needed_of_it(directory: RegistryDirectory):
    (listing,) = await directory.offering("text.summarize")

    assert (listing.agent_id, listing.token_id, listing.reputation) == (AGENT_ID, 7, 0.42)
    assert (listing.is_active, listing.is_on_chain) == (True, True)
    assert listing.tools == (
        Tool(name="SUMMARIZE", capability="text.summarize", price_units=250_000),
        Tool(name="DEAR", capability="text.summarize", price_units=int("9" * 78)),
    )


@pytest.mark.parametrize(
    ("protocols", "how"),
    [
        (["a2a", "mcp"], [("a/b", Protocol.A2A), ("c", Protocol.A2A)]),
        (["mcp"], [("a/b", Protocol.MCP), ("c", Protocol.MCP)]),
        (["mesh"], []),
    ],
)
async def test_an_agent_that_lists_no_tools_is_asked_for_its_capabilities_themselves_for_nothing(
    registry: Registry, directory: RegistryDirectory, protocols: list[str], how: list[tuple[str, Protocol]]
):
    bare = BODY | {"toolDefinitions": [], "capabilities": ["a/b", "c"], "protocols": protocols}
    registry.answer = JSONResponse({"items": [bare], "next_cursor": None})

    (listing,) = await directory.offering("c")

    assert [(tool.name, tool.protocol) for tool in listing.tools] == how
    assert all(tool.capability == tool.name and tool.price_units == 0 for tool in listing.tools)


async def test_a_tool_says_how_it_is_called(registry: Registry, directory: RegistryDirectory):
    tool = BODY["toolDefinitions"][0]
    listed = BODY | {"toolDefinitions": [tool | {"protocol": "mcp"}, tool], "protocols": ["mcp", "mesh"]}
    registry.answer = JSONResponse({"items": [listed], "next_cursor": None})

    (listing,) = await directory.offering("text.summarize")

    assert [tool.protocol for tool in listing.tools] == [Protocol.MCP, Protocol.MESH]


async def test_the_best_hundred_of_a_capability_are_asked_for(
    registry: Registry, directory: RegistryDirectory
):
    await directory.offering("a/b&c=d")

    assert registry.asked == f"/v1/agents?capability=a%2Fb%26c%3Dd&limit={PAGE}"


@pytest.mark.parametrize(
    ("changes", "is_on_chain"),
    [({"tokenId": None}, False), ({"status": "pending"}, False), ({"status": "final"}, True)],
)
async def test_an_agent_stands_on_the_chain_once_it_has_a_token(
    registry: Registry, directory: RegistryDirectory, changes: dict[str, Any], is_on_chain: bool
):
    registry.answer = JSONResponse({"items": [BODY | changes]})

    (listing,) = await directory.offering("x")

    assert listing.is_on_chain is is_on_chain


async def test_one_agent_is_asked_for_by_its_id(registry: Registry, directory: RegistryDirectory):
    registry.answer = JSONResponse(BODY)

    listing = await directory.agent(AGENT_ID)

    assert (registry.asked, listing.name) == (f"/v1/agents/{AGENT_ID}?", "Summarizer")


async def test_an_agent_that_is_not_listed_is_not_found(registry: Registry, directory: RegistryDirectory):
    registry.answer = Response(status_code=404)

    with pytest.raises(AgentNotFound):
        await directory.agent(AGENT_ID)


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_registry_that_fails_is_not_available(
    registry: Registry, directory: RegistryDirectory, status: int
):
    registry.answer = Response(status_code=status)

    with pytest.raises(Unavailable) as raised:
        await directory.offering("x")

    assert raised.value.members == {"down": ["registry"]}


async def test_a_registry_that_cannot_be_reached_is_not_available():
    async with httpx.AsyncClient() as http:
        directory = RegistryDirectory(http, "http://127.0.0.1:1")

        with pytest.raises(Unavailable):
            await directory.agent(AGENT_ID)
        with pytest.raises(httpx.TransportError):
            await directory.ping()


async def test_a_registry_that_was_held_up_for_a_second_is_not_down():
    """Nor is it where everything was, as with a machine that stands still."""
    answers = [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"]
    left = asyncio.Semaphore(0)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answers.pop(0))
        await reader.read()  # until the caller hangs up
        writer.close()
        await writer.wait_closed()
        left.release()

    server, checks = await asyncio.start_server(accept, "127.0.0.1", 0), Checks()
    async with server:
        async with http.client() as client:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            checks.add("registry", RegistryDirectory(client, url).ping)

            down = await checks.down()
        for _ in range(2):
            await left.acquire()

    assert (down, answers) == ((), [])


async def test_an_answer_that_breaks_the_contract_is_a_bug_and_not_an_empty_list(
    registry: Registry, directory: RegistryDirectory
):
    registry.answer = JSONResponse({"items": [BODY | {"toolDefinitions": [{"name": "X", "price": "free"}]}]})

    with pytest.raises(ValueError, match="toolDefinitions"):
        await directory.offering("x")
