"""The registry on a real chain with the real contracts, and strangers who use them without it."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from callers_of_registry import Body, Caller, metadata, wish
from fastapi import FastAPI
from mesh_cli import parts
from mesh_registry.app import create_app
from mesh_registry.repository.tables import Base
from mesh_registry.settings import Settings
from mesh_shared.chain import deployment, keys
from mesh_shared.chain.journal import ChainTables
from mesh_shared.chain.rpc import Rpc
from mesh_shared.database import engine
from mesh_shared.database.engine import Database
from mesh_shared.events.outbox import Foundation
from mesh_shared.testing import Issuer, running, with_schema
from pydantic import SecretStr
from unaided import Chain
from waiting import eventually

SCOPES = ("registry:write", "registry:discover", "actions:invoke", "events:read")


@pytest.fixture(name="eventually", scope="session")
def _eventually() -> Callable[..., Awaitable[Any]]:
    return eventually


OpenDatabase = Callable[[str], AbstractAsyncContextManager[Database]]


@pytest.fixture(scope="session")
def empty_database() -> OpenDatabase:
    @asynccontextmanager
    async def opened(url: str) -> AsyncGenerator[Database]:
        database = engine.connect(url)
        async with database.engine.begin() as connection:
            for tables in (Base, Foundation, ChainTables):
                await connection.run_sync(tables.metadata.create_all)
        yield database
        await database.engine.dispose()

    return opened


@pytest.fixture
async def database(database_url: str, empty_database: OpenDatabase) -> AsyncIterator[Database]:
    """The registry's tables and nothing in them, on each database in turn."""
    async with empty_database(database_url) as database:
        yield database


@pytest.fixture
async def database_lite(tmp_path: Path, empty_database: OpenDatabase) -> AsyncIterator[Database]:
    """The same on SQLite alone, where no query is in question."""
    async with empty_database(f"sqlite+aiosqlite:///{tmp_path}/lite.db") as database:
        yield database


Deploy = Callable[[str, Path], Path]
Connect = Callable[[str, Path], Awaitable[Chain]]


@pytest.fixture(scope="session")
def connect() -> Connect:
    async def connect(url: str, contracts_file: Path) -> Chain:
        rpc = Rpc(url, parts.CHAIN_ID)
        chain = Chain(rpc, url, contracts_file, deployment.read(contracts_file))
        chain.accounts = await rpc.request("eth_accounts")
        return chain

    return connect


@pytest.fixture(scope="session")
def anvil_url(start_anvil: Callable[[], str]) -> str:
    """A chain of the registry's own: what is on it is counted."""
    return start_anvil()


@pytest.fixture(scope="session")
def contracts_file(anvil_url: str, parts_dir: Path, deploy: Deploy) -> Path:
    return deploy(anvil_url, parts_dir / "registry.contracts.json")


@pytest.fixture
async def chain(anvil_url: str, contracts_file: Path, connect: Connect) -> AsyncIterator[Chain]:
    """The contracts as they were deployed: what a test does there is taken back after it."""
    chain = await connect(anvil_url, contracts_file)
    snapshot = await chain.rpc.request("evm_snapshot")
    yield chain
    await chain.rpc.request("evm_revert", snapshot)
    await chain.rpc.close()


MakeApp = Callable[..., FastAPI]


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


@pytest.fixture
def make_app(state_dir: Path, redis_url: str, issuer: Issuer, chain: Chain) -> MakeApp:
    """Builds the service; its database is SQLite and its store embedded unless a test says otherwise."""

    def make(**settings: Any) -> FastAPI:
        defaults: dict[str, Any] = {
            "state_dir": state_dir,
            "redis_url": SecretStr(redis_url),
            "chain_rpc_url": SecretStr(chain.url),
            "contracts_file": chain.contracts_file,
            "index_poll_s": 0.05,
        }
        return create_app(with_schema(Settings(**(defaults | settings))), keys=issuer.keys)

    return make


@pytest.fixture
async def operator(state_dir: Path, chain: Chain) -> str:
    """The account of the service's own key, with ether."""
    account = keys.load_or_create(state_dir / "chain.key")
    await chain.fund(account.address)
    return account.address


@pytest.fixture
def writer(issuer: Issuer) -> dict[str, str]:
    return issuer.headers(*SCOPES, audience="registry")


@pytest.fixture(name="metadata", scope="session")
def _metadata() -> Callable[..., Body]:
    return metadata


@pytest.fixture(name="wish", scope="session")
def _wish() -> Callable[..., Body]:
    return wish


@pytest.fixture(scope="session")
def caller_of() -> type[Caller]:
    """For tests that start the service themselves."""
    return Caller


@pytest.fixture
async def caller(
    make_app: MakeApp, operator: str, writer: dict[str, str], database_url: str
) -> AsyncIterator[Caller]:
    """A caller of the service on each database in turn."""
    app = make_app(database_url=SecretStr(database_url))
    async with running(app, writer) as http:
        yield Caller(http, app)


@pytest.fixture
async def caller_lite(make_app: MakeApp, operator: str, writer: dict[str, str]) -> AsyncIterator[Caller]:
    """A caller of the service on SQLite, where no query is in question."""
    app = make_app()
    async with running(app, writer) as http:
        yield Caller(http, app)
