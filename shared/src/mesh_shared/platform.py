"""What a service stands on: made once at start, handed to its composition root."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import httpx
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from mesh_shared import background, http
from mesh_shared.auth.dpop import Nonces, Proofs
from mesh_shared.auth.keys import RemoteKeys
from mesh_shared.auth.session import Sessions
from mesh_shared.auth.tokens import KeySource, TokenVerifier, Verifier
from mesh_shared.database import engine, migrate
from mesh_shared.database.engine import Database
from mesh_shared.database.secret import service_secret
from mesh_shared.events.relay import Relay
from mesh_shared.settings import ServiceSettings
from mesh_shared.web.health import Checks
from mesh_shared.web.idempotency import IdempotencyKeys
from mesh_shared.web.observe import Metrics

REDIS_TIMEOUT_S = 1.0


@dataclass(slots=True, kw_only=True)
class Platform:
    """Resources that live as long as the service runs."""

    settings: ServiceSettings
    checks: Checks
    metrics: Metrics
    database: Database
    redis: Redis
    http: httpx.AsyncClient
    sessions: Sessions
    verifier: Verifier
    proofs: Proofs
    idempotency: IdempotencyKeys
    relay: Relay
    secret: str
    """Signs cursors; the same in all replicas."""
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the service is asked to stop, so that streams end."""
    _tasks: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])

    @property
    def source(self) -> str:
        """The CloudEvents source of what we publish."""
        return f"/mesh/{self.settings.service}"

    @property
    def public_url(self) -> str:
        return self.settings.public_url

    def run(self, name: str, turn: Callable[[], Awaitable[object]]) -> None:
        """Takes turns in the background until the service stops."""
        self._tasks.append(asyncio.create_task(background.forever(name, turn), name=name))

    def close(self) -> None:
        """Tells the streams to end; requests go on."""
        self.closing.set()
        self.relay.numbered.ring()

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[None, None]:
        """Runs the background work while the block lasts."""
        self.run("relay", self.relay.turn)
        try:
            yield
        finally:
            self.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def open_platform(
    settings: ServiceSettings, checks: Checks, metrics: Metrics, keys: KeySource | None
) -> AsyncGenerator[Platform, None]:
    """Connects everything, brings the schema up to date, and closes it all at the end.

    `keys` is given by the one service that has the signing keys itself.
    """
    settings.prepare()
    async with AsyncExitStack() as stack:
        database = engine.connect(settings.database_address())
        stack.push_async_callback(database.engine.dispose)
        await migrate.upgrade(database, settings.migrations)
        redis = await stack.enter_async_context(_redis(settings))
        client = await stack.enter_async_context(http.client())
        remote = RemoteKeys(client, f"{settings.gateway_url}/.well-known/jwks.json")
        idempotency = IdempotencyKeys(database, settings.instance)
        await idempotency.recover()
        checks.add("database", database.ping)
        checks.add("redis", partial(_ping, redis))
        if keys is None:
            checks.add("security-gateway", remote.ping)
        secret = await service_secret(database, "cursor")
        yield Platform(
            settings=settings,
            checks=checks,
            metrics=metrics,
            database=database,
            redis=redis,
            http=client,
            sessions=Sessions(client, settings.gateway_url, settings.key_file),
            verifier=TokenVerifier(keys or remote, frozenset({settings.service, settings.public_url})),
            proofs=Proofs(redis, Nonces(secret)),
            idempotency=idempotency,
            relay=Relay(settings.service, database, redis, settings.events_kept),
            secret=secret,
        )


async def _ping(redis: Redis) -> None:
    await redis.execute_command("PING")


def _redis(settings: ServiceSettings) -> Redis:
    return Redis.from_url(
        settings.redis_url.get_secret_value(),
        socket_timeout=REDIS_TIMEOUT_S,
        socket_connect_timeout=REDIS_TIMEOUT_S,
        # The relay's own pause is the only retry; readiness must see the first failure.
        retry=Retry(NoBackoff(), 0),
    )
