"""Composition root: the one module that names concrete adapters."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

from fastapi import FastAPI
from mesh_shared import background, dial
from mesh_shared.app import About, build
from mesh_shared.auth.tokens import KeySource
from mesh_shared.chain import deployment
from mesh_shared.chain import keys as chain_keys
from mesh_shared.chain.rpc import Rpc
from mesh_shared.chain.sender import TransactionSender
from mesh_shared.content.embedded import EmbeddedStore
from mesh_shared.content.store import ContentStore
from mesh_shared.platform import Platform

from mesh_registry.actions import PLUGIN
from mesh_registry.adapters.cards import WITHIN_S, HttpCards
from mesh_registry.adapters.chain_log import NodeLog
from mesh_registry.adapters.contracts import OnChainContracts
from mesh_registry.adapters.ethr import EthrRegistry
from mesh_registry.api import (
    agents,
    cards,
    catalog,
    changing,
    content,
    dids,
    exports,
    registering,
    search,
    servers,
    signatures,
)
from mesh_registry.domain.chain import Depths
from mesh_registry.domain.challenges import Asker
from mesh_registry.ports import CardSource
from mesh_registry.service import Registry
from mesh_registry.service.changing import Changer
from mesh_registry.service.discovery import Discovery
from mesh_registry.service.fetching import Fetcher
from mesh_registry.service.importing import Importer
from mesh_registry.service.indexing import Indexer
from mesh_registry.service.looking import Lookout
from mesh_registry.service.operating import Operating
from mesh_registry.service.registering import Registrar
from mesh_registry.service.resolving import Resolver
from mesh_registry.service.servers import McpServers
from mesh_registry.service.showing import Showing
from mesh_registry.settings import Settings

ABOUT = About(
    title="371 Mesh registry",
    summary="Agents on the chain, their metadata, their reputation and their discovery.",
)
FETCHERS = 2
READ = ("AgentRegistry", "Reputation", "Validation", "MeshEscrow")

Turn = Callable[[], Awaitable[None]]


def create_app(settings: Settings, keys: KeySource | None = None) -> FastAPI:
    """The service; `keys` stands in for the gateway's in tests."""

    @asynccontextmanager
    async def start(platform: Platform) -> AsyncGenerator[Registry, None]:
        async with AsyncExitStack() as stack:
            rpc = Rpc(settings.chain_rpc_url.get_secret_value(), settings.chain_id)
            stack.push_async_callback(rpc.close)
            store = await _open_store(settings, stack)
            platform.checks.add("chain", rpc.ping)
            platform.checks.add("store", store.ping)
            strangers = await stack.enter_async_context(
                dial.session(allow_private=settings.allow_private_agents, timeout_s=WITHIN_S)
            )
            registry, turns = await _wire(settings, platform, rpc, store, HttpCards(strangers))
            # Not `platform.run`: these must have ended before what they use is closed.
            for name, turn in turns:
                await stack.enter_async_context(background.beside(background.forever(name, turn)))
            yield registry

    return build(
        ABOUT,
        settings,
        routers=[
            search.router,
            agents.router,
            registering.router,
            changing.router,
            cards.router,
            exports.router,
            catalog.router,
            servers.router,
            dids.router,
            signatures.router,
            content.router,
        ],
        plugin=PLUGIN,
        start=start,
        keys=keys,
        always_open=[search.SEARCH, *catalog.SEARCHES],
        body_limits={content.PREFIX: settings.max_content_bytes},
    )


async def _open_store(settings: Settings, stack: AsyncExitStack) -> ContentStore:
    if settings.kubo_url is not None:
        from mesh_shared.content.kubo import KuboStore  # noqa: PLC0415 - 7 MB that few need

        url = urlsplit(settings.kubo_url)
        kubo = KuboStore(url.hostname or "", url.port or 0)
        stack.push_async_callback(kubo.close)
        return kubo
    settings.content_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return EmbeddedStore(settings.content_dir)


async def _wire(
    settings: Settings, platform: Platform, rpc: Rpc, store: ContentStore, source: CardSource
) -> tuple[Registry, list[tuple[str, Turn]]]:
    """The use cases, and the loops that work beside them."""
    deployed = deployment.read(settings.contracts_file)
    address = deployed.address("AgentRegistry")
    database = platform.database
    depths = Depths(settings.confirmations, settings.finality)
    account = chain_keys.load_or_create(settings.chain_key_file)
    sender = TransactionSender(database, rpc, account, final_depth=settings.finality)
    indexer = Indexer(
        database=database,
        chain=NodeLog(rpc, [deployed.address(contract) for contract in READ]),
        # The genesis block has no transactions, and an Anvil that is started again makes itself another one.
        first_block=max(1, deployed.block),
        hint=sender.changed,
        poll_s=settings.index_poll_s,
    )
    fetcher = Fetcher(database, store, settings.instance, indexer.indexed)
    await fetcher.recover()
    operating = Operating(
        database=database,
        contracts=OnChainContracts(rpc, address, deployed.address("MeshToken")),
        operator=sender.address,
        depths=depths,
        sent=sender.changed,
        indexed=indexer.indexed,
        lookout=Lookout(database, depths),
    )
    turns: list[tuple[str, Turn]] = [("sender", sender.turn), ("indexer", indexer.turn)]
    turns += [(f"fetcher-{n}", fetcher.turn) for n in range(FETCHERS)]
    registrar = Registrar(operating, store)
    changer = Changer(operating, store, Asker(url=settings.public_url, chain_id=rpc.chain_id))
    discovery, servers = Discovery(database, depths), McpServers(database, depths)
    showing = Showing(database, discovery)
    importer = Importer(database, registrar, source, settings.allow_private_agents)
    resolver = Resolver(source, EthrRegistry(rpc, settings.ethr_registry))
    limit = settings.max_content_bytes
    return Registry(
        operating, registrar, changer, discovery, showing, servers, importer, resolver, store, limit
    ), turns
