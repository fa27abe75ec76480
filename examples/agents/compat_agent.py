"""An agent for the A2A compatibility kit: it does what the kit's scenarios ask for by a message's id.

python examples/agents/compat_agent.py --port 8395 --state-dir …

It answers anybody, on this machine only: there is nothing behind it. It shows how an agent of the mesh's
pattern speaks A2A 1.0 over JSON-RPC (`/a2a/`) and HTTP+JSON (`/rest`) without being a service of the mesh.
"""

import argparse
import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import uvicorn
from fastapi import FastAPI, Request, Response
from mesh_shared.a2a import jsonrpc, rest
from mesh_shared.a2a.card import Interface, card_of
from mesh_shared.a2a.executor import Call, Made, Moved, Turn, Update
from mesh_shared.a2a.model import Artifact, Message, Part, Role, State
from mesh_shared.a2a.server import ANY, Server
from mesh_shared.a2a.tasks import Tasks
from mesh_shared.agents.plugin import Action, Callback, Plugin, Runtime, succeeded
from mesh_shared.agents.plugin import Message as Said
from mesh_shared.agents.plugin import State as Context
from mesh_shared.auth.tokens import Principal
from mesh_shared.database import engine, migrate
from mesh_shared.web.a2a import Card
from mesh_shared.wire import WireModel
from pydantic import Field

ANYBODY = Principal("anybody", frozenset())
LONG_S = 4.0


class Echo(WireModel):
    text: str = Field(max_length=20_000)


async def echo(runtime: Runtime[Any], message: Said, state: Context, asked: Echo, say: Callback) -> bool:
    await say(succeeded(asked.text, {"text": asked.text}))
    return True


PLUGIN = Plugin(
    name="compat",
    description="Answers the scenarios of the A2A compatibility kit, and echoes everything else.",
    actions=[
        Action(
            name="ECHO",
            description="Says what it was told.",
            parameters=Echo,
            handler=echo,
            examples=[],
            scope="",
            capabilities=("text.echo",),
        )
    ],
)


def made(*parts: Part, id: str = "output", append: bool = False, is_last: bool = True) -> Made:
    return Made(Artifact(artifact_id=id, parts=list(parts)), append, is_last)


WORKING, COMPLETED = Moved(State.WORKING), Moved(State.COMPLETED)
FILE = Part(raw="dGNr", media_type="text/plain", filename="output.txt")
LINK = Part(url="https://example.com/output.txt", media_type="text/plain", filename="output.txt")
SCENARIOS: dict[str, list[Update]] = {
    "tck-complete-task": [Moved(State.COMPLETED, "Hello from TCK")],
    "tck-artifact-text": [made(Part(text="Generated text content")), COMPLETED],
    "tck-artifact-file-url": [made(LINK), COMPLETED],
    "tck-artifact-file": [made(FILE), COMPLETED],
    "tck-artifact-data": [made(Part(data={"key": "value", "count": 42})), COMPLETED],
    "tck-input-required": [Moved(State.INPUT_REQUIRED)],
    "tck-reject-task": [Moved(State.REJECTED, "rejected")],
    "tck-stream-001": [WORKING, made(Part(text="Stream hello from TCK")), COMPLETED],
    "tck-stream-002": [COMPLETED],
    "tck-stream-003": [WORKING, made(Part(text="Stream task lifecycle")), COMPLETED],
    "tck-stream-ordering-001": [WORKING, made(Part(text="Ordered output")), COMPLETED],
    "tck-stream-artifact-text": [WORKING, made(Part(text="Streamed text content")), COMPLETED],
    "tck-stream-artifact-file": [WORKING, made(FILE), COMPLETED],
    "tck-stream-artifact-chunked": [
        WORKING,
        made(Part(text="chunk-1 "), is_last=False),
        made(Part(text="chunk-2"), append=True),
        COMPLETED,
    ],
}


async def a_while() -> None:
    await asyncio.sleep(LONG_S)


@dataclass(frozen=True, slots=True)
class Scenarios:
    """Does what the beginning of a message's id asks for; the long one works until `long_work` is done."""

    long_work: Callable[[], Awaitable[object]] = a_while

    @property
    def can_stop(self) -> bool:
        return True

    async def execute(self, turn: Turn) -> AsyncIterator[Update]:
        id = turn.message.message_id
        if id.startswith("test-resubscribe-message-id"):
            yield WORKING
            await self.long_work()
            yield COMPLETED
        elif id.startswith("tck-message-response"):
            said = Part(text="Direct message response")
            yield Message(message_id=str(uuid4()), role=Role.AGENT, parts=[said])
        else:
            for update in _scenario(id) or [Moved(State.COMPLETED, _texts(turn.message))]:
                yield update


def _scenario(id: str) -> list[Update]:
    """The steps under the longest name that `id` begins with; none for a message of somebody else's."""
    names = [name for name in SCENARIOS if id.startswith(name)]
    return SCENARIOS[max(names, key=len)] if names else []


def _texts(message: Message) -> str:
    return "\n".join(part.text for part in message.parts if part.text) or "Nothing to echo."


def create_app(endpoint: str, database_url: str, executor: Scenarios) -> FastAPI:
    """The agent over both bindings; `endpoint` is where it is reached."""
    database = engine.connect(database_url)
    server = Server(
        executor=executor,
        tasks=Tasks(database, "0"),
        input_modes=frozenset({ANY}),
        streams=True,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None, None]:
        await migrate.upgrade(database, [])
        await server.tasks.recover()
        card = card_of(PLUGIN, "1.0.0", _interfaces(endpoint), streams=True)
        app.state.card = Card(card.model_copy(update={"defaultInputModes": [ANY]}))
        yield
        await server.close()
        await database.engine.dispose()

    app = FastAPI(title="compat", lifespan=lifespan)

    async def anybody() -> Call:
        return Call(ANYBODY)

    @app.get("/.well-known/agent-card.json")
    async def agent_card(request: Request) -> Response:
        return app.state.card.response(request)

    @app.post("/a2a/")
    async def call(request: Request) -> Response:
        return await jsonrpc.answer(server, await anybody(), request)

    app.include_router(rest.router(server, anybody), prefix="/rest")
    return app


def _interfaces(endpoint: str) -> list[Interface]:
    return [
        Interface(url=f"{endpoint}/a2a/", protocolBinding="JSONRPC", protocolVersion="1.0"),
        Interface(url=f"{endpoint}/rest", protocolBinding="HTTP+JSON", protocolVersion="1.0"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="An agent for the A2A compatibility kit.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state-dir", type=Path, required=True, help="its tasks are kept here")
    told = parser.parse_args()
    told.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    app = create_app(
        f"http://127.0.0.1:{told.port}", f"sqlite+aiosqlite:///{told.state_dir}/tasks.db", Scenarios()
    )
    uvicorn.run(app, host="127.0.0.1", port=told.port, log_level="warning")


if __name__ == "__main__":
    main()
