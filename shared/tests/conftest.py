"""A small service on the real app factory, to hold the factory to its contract."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Annotated, ClassVar

import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from mesh_shared.agents.plugin import Action, Callback, Message, Plugin, Runtime, State, Turn, succeeded
from mesh_shared.app import About, build
from mesh_shared.auth.tokens import Principal
from mesh_shared.errors import Conflict, NotFound
from mesh_shared.events import outbox
from mesh_shared.events.event import Event
from mesh_shared.platform import Platform
from mesh_shared.settings import ServiceSettings
from mesh_shared.testing import Issuer
from mesh_shared.web import conditional, pages
from mesh_shared.web.idempotency import IdempotencyKey, RequiredIdempotencyKey
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import allow
from mesh_shared.wire import WireModel
from pydantic import Field, SecretStr

router = APIRouter(prefix="/v1", route_class=MeshRoute)


class NoteTaken(Conflict, title="Note taken"): ...


class NoteWritten(Event):
    topic: ClassVar[str] = "notes.note-written.v1"
    name: str

    def subject(self) -> str:
        return self.name


class Note(WireModel):
    name: str = Field(pattern=r"^[a-z]{1,20}$", examples=["shopping"])
    pages: int = Field(ge=1, le=10, examples=[2])
    secret: SecretStr | None = None


class NoteView(WireModel):
    name: str
    pages: int


class Notes:
    """The use cases: notes in memory, facts in the outbox."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.notes: dict[str, NoteView] = {}
        self.effects = 0

    async def write(self, note: Note) -> NoteView:
        if note.name in self.notes:
            raise NoteTaken("There is a note with that name.", name=note.name)
        self.effects += 1
        async with self.platform.database.write() as session:
            outbox.record(session, NoteWritten(name=note.name))
        self.notes[note.name] = NoteView(name=note.name, pages=note.pages)
        return self.notes[note.name]


Writer = Annotated[Principal, allow("notes:write")]


@router.post("/notes", status_code=201, operation_id="write_note")
async def write_note(request: Request, body: Note, caller: Writer, key: IdempotencyKey = None) -> NoteView:
    notes: Notes = request.app.state.service
    return await notes.write(body)


@router.post("/payments", status_code=201, operation_id="pay")
async def pay(request: Request, body: Note, caller: Writer, key: RequiredIdempotencyKey) -> NoteView:
    notes: Notes = request.app.state.service
    return await notes.write(body)


@router.get("/notes", operation_id="list_notes")
async def list_notes(
    request: Request, response: Response, cursor: pages.Cursor = None, limit: pages.Limit = 2
) -> pages.Page[NoteView]:
    notes: Notes = request.app.state.service
    after = pages.position(request, cursor)
    names = sorted(name for name in notes.notes if after is None or name > after[0])[:limit]
    return pages.page(request, response, [notes.notes[name] for name in names], limit, names[-1:])


@router.get("/notes/{name}", operation_id="get_note")
async def get_note(request: Request, response: Response, name: str) -> NoteView:
    notes: Notes = request.app.state.service
    if name not in notes.notes:
        raise NotFound("No such note.")
    note = notes.notes[name]
    conditional.tag(request, response, f"{note.name}-{note.pages}")
    return note


@router.delete("/notes/{name}", status_code=204, operation_id="delete_note")
async def delete_note(request: Request, name: str, caller: Writer, if_match: conditional.IfMatch) -> None:
    notes: Notes = request.app.state.service
    if name not in notes.notes:
        raise NotFound("No such note.")
    conditional.require_match(if_match, f"{name}-{notes.notes[name].pages}")
    del notes.notes[name]


@router.get("/bug", operation_id="hit_bug")
async def hit_bug() -> NoteView:
    raise RuntimeError("sk-secret-in-an-exception")


class Shout(WireModel):
    word: str = Field(max_length=10, examples=["hello"])


async def shout(
    runtime: Runtime[Notes], message: Message, state: State, options: Shout, callback: Callback
) -> bool:
    if options.word == "taken":
        raise NoteTaken("That word is taken.")
    await callback(
        succeeded(options.word.upper(), {"word": options.word.upper(), "caller": runtime.caller.subject})
    )
    return True


PLUGIN = Plugin(
    name="notes",
    description="Keeps notes.",
    actions=[
        Action(
            name="SHOUT",
            description="Says a word louder.",
            parameters=Shout,
            handler=shout,
            examples=[
                (Turn(role="user", text="Shout hello"), Turn(role="agent", text="HELLO", action="SHOUT"))
            ],
            scope="notes:write",
        )
    ],
)


class NotesSettings(ServiceSettings):
    service: ClassVar[str] = "notes"


@asynccontextmanager
async def start(platform: Platform) -> AsyncGenerator[Notes, None]:
    yield Notes(platform)


MakeApp = Callable[[str], FastAPI]


@pytest.fixture
def make_app(tmp_path: Path, redis_url: str, issuer: Issuer) -> MakeApp:
    """Builds the notes service on a database."""
    (tmp_path / "migrations").mkdir()

    def make(database_url: str) -> FastAPI:
        settings = NotesSettings(
            port=9999,
            state_dir=tmp_path / "state",
            database_url=SecretStr(database_url),
            redis_url=SecretStr(redis_url),
            migrations_dir=tmp_path / "migrations",
            max_body_bytes=10_000,
        )
        about = About(title="Notes", summary="Keeps notes.")
        return build(about, settings, routers=[router], plugin=PLUGIN, start=start, keys=issuer.keys)

    return make


@pytest.fixture
def app(make_app: MakeApp, tmp_path: Path) -> FastAPI:
    return make_app(f"sqlite+aiosqlite:///{tmp_path}/notes.db")


@pytest.fixture
def writer(issuer: Issuer) -> dict[str, str]:
    return issuer.headers("notes:write", "events:read", "actions:invoke", audience="notes")


Running = Callable[[FastAPI], AbstractAsyncContextManager[object]]
