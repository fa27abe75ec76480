"""The coordinator on a real chain with the real contracts, with the sample agents and with worse ones."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from callers import Caller
from chains import Chain, connected
from fastapi import FastAPI
from httpx import AsyncClient
from invocations import LIMIT_BYTES
from mesh_cli import parts
from mesh_coordinator.adapters.agents import HttpAgents
from mesh_coordinator.adapters.ways import Ways
from mesh_coordinator.app import create_app
from mesh_coordinator.settings import Settings
from mesh_shared import dial
from mesh_shared.auth.session import Sessions
from mesh_shared.chain import keys
from mesh_shared.database import engine, migrate
from mesh_shared.database.engine import Database
from mesh_shared.testing import Issuer, running, served, with_schema
from pydantic import SecretStr
from towns import API_KEY, Body, Town, open_town

SCOPES = ("coordinator:run", "coordinator:approve", "coordinator:bid", "actions:invoke", "events:read")
PURSE_UNITS = 1_000_000
NEWS = (
    "Agents met on a chain this week. They agreed on prices before any work began. "
    "Money was locked in escrow. It was released for good work only."
)

MakeApp = Callable[..., FastAPI]


@pytest.fixture(scope="session")
def contracts_file(anvil_url: str, parts_dir: Path, deploy: Callable[[str, Path], Path]) -> Path:
    return deploy(anvil_url, parts_dir / "coordinator.contracts.json")


@pytest.fixture
async def chain(anvil_url: str, contracts_file: Path) -> AsyncIterator[Chain]:
    """The chain that all tests share; each works with accounts of its own."""
    async with connected(anvil_url, contracts_file) as chain:
        yield chain


@pytest.fixture
def own_anvil(tmp_path: Path) -> Iterator[str]:
    """A chain of this test alone: its clock and its mining may be touched."""
    port = parts.free_port()
    process = parts.anvil(port, tmp_path / "anvil")
    yield f"http://127.0.0.1:{port}"
    process.stop()


@pytest.fixture
async def own_chain(own_anvil: str, anvil_url: str, contracts_file: Path) -> AsyncIterator[Chain]:
    """Has the contracts where the shared chain has them."""
    async with connected(anvil_url, contracts_file) as shared, connected(own_anvil, contracts_file) as own:
        await own.rpc.request("anvil_loadState", await shared.rpc.request("anvil_dumpState"))
        yield own


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated database, of each kind in turn."""
    database = engine.connect(database_url)
    folders = [*Settings.extra_migrations, Settings.model_fields["migrations_dir"].default]
    await migrate.upgrade(database, folders)
    yield database
    await database.engine.dispose()


@pytest.fixture
async def town(chain: Chain, issuer: Issuer) -> AsyncIterator[Town]:
    async with open_town(chain, issuer) as town:
        yield town


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """The coordinator's folder, with its API key; its wallet has what `payer` gives it."""
    return with_key(tmp_path / "state")


def with_key(folder: Path) -> Path:
    folder.mkdir()
    (folder / "service.key").write_text(API_KEY)
    return folder


@pytest.fixture
async def agents(town: Town, state_dir: Path) -> AsyncIterator[HttpAgents]:
    """The adapter alone."""
    async with AsyncClient() as http, dial.session(allow_private=True, timeout_s=300) as session:
        sessions = Sessions(http, f"{town.url}/gateway", state_dir / "service.key")
        ways = Ways(strangers=session, gateway=session, gateway_url="", connections={})
        yield HttpAgents(ways, sessions, LIMIT_BYTES)


@pytest.fixture
async def payer(state_dir: Path, chain: Chain) -> str:
    """The coordinator's account, with ether and a million units."""
    account = keys.load_or_create(state_dir / "chain.key")
    await chain.enrich(account.address, PURSE_UNITS)
    return account.address


@pytest.fixture
def settings(state_dir: Path, redis_url: str, town: Town) -> Body:
    """What a coordinator in this town is told; on SQLite unless a test says otherwise."""
    return told(state_dir, redis_url, town)


def told(state_dir: Path, redis_url: str, town: Town) -> Body:
    return {
        "state_dir": state_dir,
        "redis_url": SecretStr(redis_url),
        "chain_rpc_url": SecretStr(town.chain.url),
        "contracts_file": town.chain.contracts_file,
        "gateway_url": f"{town.url}/gateway",
        "registry_url": f"{town.url}/registry",
        "allow_private_agents": True,
    }


@pytest.fixture
def make_app(settings: Body, issuer: Issuer) -> MakeApp:
    def make(**changes: Any) -> FastAPI:
        return create_app(with_schema(Settings(**(settings | changes))), keys=issuer.keys)

    return make


@pytest.fixture
def client(issuer: Issuer) -> dict[str, str]:
    """The headers of somebody who may run things."""
    return issuer.headers(*SCOPES, audience="coordinator")


Calling = Callable[..., AbstractAsyncContextManager[Caller]]


@pytest.fixture
def calling(make_app: MakeApp, payer: str, client: dict[str, str]) -> Calling:
    """Starts a coordinator with settings of the test's own, for a caller."""

    @asynccontextmanager
    async def call(**changes: Any) -> AsyncGenerator[Caller, None]:
        app = make_app(**changes)
        async with running(app, client) as http:
            yield Caller(http, app)

    return call


@pytest.fixture
async def caller(calling: Calling) -> AsyncIterator[Caller]:
    """A caller of the coordinator on SQLite."""
    async with calling() as caller:
        yield caller


@pytest.fixture
async def caller_on_both(calling: Calling, database_url: str) -> AsyncIterator[Caller]:
    """A caller of the coordinator on each database in turn, where a query is in question."""
    async with calling(database_url=SecretStr(database_url)) as caller:
        yield caller


@pytest.fixture
async def caller_online(make_app: MakeApp, payer: str, client: dict[str, str]) -> AsyncIterator[Caller]:
    """A caller over a real socket: calls within the process would buffer a stream."""
    app = make_app()
    async with served(app) as url, AsyncClient(base_url=url, headers=client, timeout=30) as http:
        yield Caller(http, app)


@pytest.fixture
async def caller_that_looks(calling: Calling) -> AsyncIterator[Caller]:
    """A caller of a coordinator that looks for a silent transaction almost at once."""
    async with calling(chain_patience_s=0.3) as caller:
        yield caller


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(
    anvil_url: str,
    contracts_file: Path,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> AsyncIterator[tuple[Caller, Town]]:
    """One coordinator with a purse, and its town, for a module's tests; each brings agents of its own.

    A module's `SETTINGS` are of its coordinator.
    """
    issuer, state_dir = Issuer(), with_key(tmp_path_factory.mktemp("steady") / "state")
    async with connected(anvil_url, contracts_file) as chain, open_town(chain, issuer) as town:
        await chain.enrich(keys.load_or_create(state_dir / "chain.key").address, PURSE_UNITS)
        settings = told(state_dir, redis_url, town) | getattr(request.module, "SETTINGS", {})
        app = create_app(with_schema(Settings(**settings)), keys=issuer.keys)
        others = issuer.headers("registry:write", audience="coordinator")
        async with running(app, issuer.headers(*SCOPES, audience="coordinator")) as http:
            yield Caller(http, app, others), town


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def steady(place: tuple[Caller, Town]) -> Caller:
    """The caller of a module's one coordinator, and a sample agent: for requests that change nothing."""
    caller, town = place
    await town.hire_sample("quick")
    return caller
