"""Help for tests of services: real apps with real lifespans, and tokens that they accept."""

import asyncio
import socket
import sys
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import httpx
import uvicorn
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from fastapi import FastAPI
from joserfc.jwk import OKPKey
from sqlalchemy import Connection, MetaData
from sqlalchemy.engine import make_url

from mesh_shared import serve
from mesh_shared.auth.keys import StaticKeys
from mesh_shared.auth.tokens import issue
from mesh_shared.database import engine, migrate
from mesh_shared.database.engine import Database
from mesh_shared.framing import Framed
from mesh_shared.settings import ServiceSettings

SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


@dataclass(frozen=True, slots=True)
class Issuer:
    """Stands in for the gateway's key: apps under test are built with `keys`."""

    key: OKPKey = field(default_factory=lambda: OKPKey.generate_key("Ed25519"))

    @property
    def keys(self) -> StaticKeys:
        return StaticKeys([self.key])

    def token(self, *scopes: str, audience: str, subject: str = "tester", ttl_s: int = 900) -> str:
        return issue(self.key, subject=subject, scopes=scopes, audiences=[audience], ttl_s=ttl_s)[0]

    def headers(self, *scopes: str, audience: str, subject: str = "tester") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(*scopes, audience=audience, subject=subject)}"}


def with_schema(settings: SettingsT) -> SettingsT:
    """`settings` whose database, if it is SQLite, is there and empty: a copy, as migrating takes 70 ms."""
    url = make_url(settings.database_address())
    path = Path(url.database or "")
    if url.get_backend_name() == "sqlite" and not path.exists():
        settings.prepare()
        path.write_bytes(_migrated(tuple(settings.migrations)))
    return settings


@cache
def _migrated(migrations: tuple[Path, ...]) -> bytes:
    """A SQLite file with this schema and no rows."""

    async def make(path: Path) -> None:
        database = engine.connect(f"sqlite+aiosqlite:///{path}")
        await migrate.upgrade(database, migrations)
        await database.engine.dispose()

    # A thread of its own, because the caller's may run a loop.
    with TemporaryDirectory() as folder, ThreadPoolExecutor(1) as thread:
        path = Path(folder) / "migrated.db"
        thread.submit(asyncio.run, make(path)).result(30)
        return path.read_bytes()


@asynccontextmanager
async def running(
    app: FastAPI, headers: dict[str, str] | None = None
) -> AsyncGenerator[httpx.AsyncClient, None]:
    """The app with its lifespan, in this process; a bug shows as the 500 that a caller would see."""
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service", headers=headers) as http:
            yield http


@asynccontextmanager
async def served(
    app: FastAPI, *, with_websockets: bool = False, http: type[Framed] = Framed
) -> AsyncGenerator[str, None]:
    """The app under uvicorn on a free port; yields its URL. In-process calls would buffer streams."""
    ws = serve.websockets(are_served=with_websockets)
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:  # or asyncio leaves answers to Nagle's delay
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_config=None, http=http, timeout_graceful_shutdown=2, **ws)
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        if (platform := getattr(app.state, "platform", None)) is not None:
            platform.close()
        server.should_exit = True
        await task


async def heard(url: str, *pieces: bytes) -> bytes:
    """All that comes back on a connection to `url` on which this is said, until who is there hangs up."""
    address = httpx.URL(url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    raw = b""
    async with asyncio.timeout(60):
        with suppress(ConnectionError):  # they had heard enough
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            raw = await reader.read()
    writer.close()
    return raw


_FUZZER = """
import schemathesis
from schemathesis.cli import schemathesis as run
schemathesis.serializer.alias(["application/gzip", "application/x-tar"], "application/octet-stream")
run()
"""


async def fuzz(url: str, headers: Mapping[str, str], *options: str, examples: int = 5) -> str:
    """What schemathesis finds wrong with a service that believes in its own document; empty for nothing.

    `examples` is how many requests it makes up for each operation and phase.
    """
    arguments = ["--phases=examples,coverage,fuzzing,stateful", f"--max-examples={examples}", "--seed=371"]
    arguments += ["--no-color", "--warnings=off", "--exclude-path=/v1/events/stream", *options]
    arguments += [f"--header={name}: {value}" for name, value in headers.items()]
    command = [sys.executable, "-c", _FUZZER, "run", f"{url}/openapi.json", *arguments]
    pipe, same = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=same)
    report, _ = await process.communicate()
    return report.decode() if process.returncode else ""


async def schema_differences(database: Database, *declared: MetaData) -> list[Any]:
    """How the database differs from what the models declare; empty when the migrations are right."""

    def compare(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        tables = MetaData()
        for metadata in declared:
            for table in metadata.tables.values():
                table.to_metadata(tables)
        found = compare_metadata(context, tables)
        return [difference for difference in found if "alembic_version" not in str(difference)]

    async with database.engine.connect() as connection:
        return await connection.run_sync(compare)
