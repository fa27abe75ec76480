"""Composition root: the one module that names concrete adapters."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from fastapi import FastAPI
from joserfc.jwk import OKPKey
from mesh_shared.app import About, build
from mesh_shared.auth.tokens import KeySource
from mesh_shared.database.engine import Database
from mesh_shared.platform import Platform
from starlette.middleware import Middleware

from mesh_security_gateway.actions import plugin
from mesh_security_gateway.adapters import keyfiles
from mesh_security_gateway.adapters.cedar import CedarRules
from mesh_security_gateway.adapters.keks import LocalKek, TransitKek, of_passphrase
from mesh_security_gateway.adapters.keyfiles import Ed25519HeadKey, OwnKeys, TextKeyFile
from mesh_security_gateway.adapters.private_keys import PemKeys
from mesh_security_gateway.adapters.rates import RedisRates
from mesh_security_gateway.adapters.registry import HttpRegistry
from mesh_security_gateway.adapters.sockets import open_sockets
from mesh_security_gateway.adapters.upstream import open_upstream
from mesh_security_gateway.adapters.vault import EnvelopeVault
from mesh_security_gateway.api import (
    approvals,
    audit,
    connections,
    grants,
    leases,
    operations,
    policies,
    proxy,
    refusals,
    sessions,
    sockets,
)
from mesh_security_gateway.domain.challenges import Asker
from mesh_security_gateway.domain.scopes import SERVICES
from mesh_security_gateway.ports import HeadKey, Kek, Sockets, Upstream
from mesh_security_gateway.repository.connections import Connections
from mesh_security_gateway.service.admitting import Admitting
from mesh_security_gateway.service.approving import Approving
from mesh_security_gateway.service.calls import Calls
from mesh_security_gateway.service.checkpoints import Checkpoints
from mesh_security_gateway.service.connections import Wiring
from mesh_security_gateway.service.credentials import Credentials
from mesh_security_gateway.service.deciding import Deciding
from mesh_security_gateway.service.finding import Finder
from mesh_security_gateway.service.gateway import Gateway
from mesh_security_gateway.service.grants import Granting
from mesh_security_gateway.service.keys import Keys
from mesh_security_gateway.service.leasing import Leasing
from mesh_security_gateway.service.limiting import Limiting
from mesh_security_gateway.service.operations import Operations
from mesh_security_gateway.service.policies import Publishing
from mesh_security_gateway.service.profiles import Profiles
from mesh_security_gateway.service.recording import Recorder
from mesh_security_gateway.service.rewrapping import Rewrapping
from mesh_security_gateway.service.rotation import Rotation
from mesh_security_gateway.service.sending import Sender
from mesh_security_gateway.service.tokens import Fetching
from mesh_security_gateway.service.trail import Trail
from mesh_security_gateway.service.wallets import Wallets
from mesh_security_gateway.service.watching import WatchedVerifier, Watching
from mesh_security_gateway.settings import Settings

DRAIN_S = 5
ABOUT = About(
    title="371 Mesh security gateway",
    summary="Credentials that agents use and never see; sessions, grants and the audit of both.",
)
ROUTERS = (
    proxy.router,  # first: routes are tried in this order
    sessions.router,
    connections.providers,
    connections.connections,
    grants.router,
    leases.router,
    policies.router,
    approvals.router,
    sockets.router,
    sockets.elsewhere,
    operations.router,
    audit.router,
)


def create_app(settings: Settings, keys: KeySource | None = None) -> FastAPI:
    """The service; `keys` verify callers' tokens in stead of our own, for tests that sign theirs."""
    own = OwnKeys()

    @asynccontextmanager
    async def start(platform: Platform) -> AsyncGenerator[Gateway, None]:
        vault = await _vault(settings, platform.database)
        await Rewrapping(database=platform.database, vault=vault).run()
        if settings.kek_transit_url is not None:
            platform.checks.add("kek", vault.prove)
        idle_s = settings.upstream_idle_s
        async with open_upstream(idle_s) as upstream, open_sockets(idle_s, upstream.place) as sockets:
            gateway = _wire(settings, platform, own, vault, upstream, sockets)
            platform.verifier = WatchedVerifier(platform.verifier, gateway.wallets.watching)
            async with platform.database.sole("first-start"):
                await gateway.trail.begin()
                await gateway.keys.welcome(
                    TextKeyFile(settings.state_dir / "admin.key"),
                    {name: TextKeyFile(settings.keys_dir / name / "service.key") for name in SERVICES},
                )
            checkpoints = Checkpoints(trail=gateway.trail, every_s=settings.audit_checkpoint_s)
            platform.run("audit-checkpoints", checkpoints.turn)
            async with _anchored(settings, gateway.trail):
                yield gateway
            await gateway.calls.recorder.drain(DRAIN_S)
            await gateway.calls.sender.credentials.fetching.under_way.drain(DRAIN_S)

    app = build(
        ABOUT,
        settings,
        routers=ROUTERS,
        plugin=plugin,
        start=start,
        keys=keys or own,
        # Sessions must open and calls must pass while Redis is down; both need the database only.
        always_open=(
            "/v1/sessions",
            "/v1/agents/",
            f"{proxy.PREFIX}/",
            "/v1/secure-operations",
            "/actions/SECURE_OPERATION",
        ),
        body_limits={f"{proxy.PREFIX}/": settings.max_proxied_body_bytes},
        middleware=(Middleware(proxy.Express),),
    )
    refusals.install(app, settings.public_url)
    return app


async def _vault(settings: Settings, database: Database) -> EnvelopeVault:
    """A key-encryption key is made only while there are no secrets: a new one would open none of them."""
    async with database.read() as session:
        is_needed = await Connections(session).exist()
    also = settings.kek_also_file
    others = (LocalKek(keyfiles.known(also)),) if also else ()
    return EnvelopeVault(_kek(settings, is_needed=is_needed), _pepper(settings), others)


def _kek(settings: Settings, *, is_needed: bool) -> Kek:
    """Where the settings say that it is. Raises `KeyFileUnfit` when it is needed and gone."""
    if settings.kek_transit_url is not None:
        return TransitKek(
            url=settings.kek_transit_url,
            mount=settings.kek_transit_mount,
            key=settings.kek_transit_key,
            token_file=settings.kek_transit_token_file,
            ca_file=settings.kek_transit_ca_file,
        )
    phrase = settings.kek_passphrase_file
    file = settings.kek_file if phrase is None else settings.state_dir / "kek.salt"
    kept = keyfiles.known(file) if is_needed else keyfiles.kept(file, keyfiles.random_seed)
    return LocalKek(kept) if phrase is None else of_passphrase(phrase.read_text().strip(), kept)


def _pepper(settings: Settings) -> bytes:
    return keyfiles.kept(settings.state_dir / "pepper", keyfiles.random_seed)


def _wire(
    settings: Settings,
    platform: Platform,
    own: OwnKeys,
    vault: EnvelopeVault,
    upstream: Upstream,
    sockets: Sockets,
) -> Gateway:
    """The use cases on their adapters; makes the key files that are not there yet."""
    database, state = platform.database, settings.state_dir
    keys, signing_key = PemKeys(), own.load(state / "signing.key")
    head_key = Ed25519HeadKey(keyfiles.kept(state / "audit.key", keyfiles.random_seed))
    trail = Trail(database=database, head_key=head_key)
    deciding = Deciding(compile=CedarRules.compile)
    approving = Approving(database=database, head_key=head_key, lasts_s=settings.approval_s)
    calls = Calls(
        finder=Finder(database=database, deciding=deciding),
        recorder=Recorder(database=database, head_key=head_key),
        admitting=Admitting(
            limiting=Limiting(database=database, rates=RedisRates(platform.redis)),
            approving=approving,
            max_bytes=settings.max_operation_bytes,
        ),
        sender=Sender(
            credentials=Credentials(
                vault=vault,
                keys=keys,
                fetching=Fetching(
                    database=database, head_key=head_key, vault=vault, keys=keys, upstream=upstream
                ),
            ),
            upstream=upstream,
            sockets=sockets,
            max_signed_bytes=settings.max_signed_body_bytes,
        ),
        max_response_bytes=settings.max_proxied_response_bytes,
    )
    return Gateway(
        keys=Keys(
            database=database,
            signing_key=signing_key,
            head_key=head_key,
            pepper=_pepper(settings),
        ),
        wiring=Wiring(database=database, vault=vault, keys=keys, head_key=head_key),
        rotation=Rotation(database=database, vault=vault, keys=keys, head_key=head_key),
        granting=Granting(database=database, head_key=head_key),
        leasing=Leasing(database=database, head_key=head_key),
        approving=approving,
        publishing=Publishing(database=database, head_key=head_key, deciding=deciding),
        calls=calls,
        operations=Operations(calls=calls, max_bytes=settings.max_operation_bytes),
        trail=trail,
        profiles=Profiles(database=database, trail=trail),
        wallets=_wallets(settings, platform, head_key, signing_key),
    )


def _anchored(settings: Settings, trail: Trail) -> AbstractAsyncContextManager[object]:
    if settings.anchor_rpc_url is None:
        return nullcontext()
    from mesh_security_gateway.adapters.anchors import anchored  # noqa: PLC0415 - 15 MB, where it is wanted

    return anchored(settings, settings.anchor_rpc_url.get_secret_value(), trail)


def _wallets(settings: Settings, platform: Platform, head_key: HeadKey, signing_key: OKPKey) -> Wallets:
    registry = HttpRegistry(platform.http, settings.registry_url, platform.sessions.auth("registry"))
    return Wallets(
        database=platform.database,
        head_key=head_key,
        signing_key=signing_key,
        asker=Asker(
            url=settings.public_url,
            chain_id=settings.chain_id,
            pepper=_pepper(settings),
            sites=frozenset(settings.sites),
        ),
        watching=Watching(registry=registry, least_stake_units=settings.least_stake_units),
    )
