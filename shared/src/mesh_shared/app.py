"""The app factory: every service gets the same HTTP contract by building its app here."""

import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.middleware import Middleware
from starlette.types import Receive, Scope, Send

from mesh_shared import telemetry
from mesh_shared.agents.plugin import Plugin
from mesh_shared.agents.registration import Registration
from mesh_shared.auth.tokens import KeySource
from mesh_shared.platform import Platform, open_platform
from mesh_shared.settings import ServiceSettings
from mesh_shared.web import a2a, agent, docs, events, gate, health, observe, openapi, problems
from mesh_shared.web.conditional import NotModified

RECURSION_LIMIT = 1000
"""Python's own. A library may have raised it, as py_ecc does, and then a deep value ends the process."""

Start = Callable[[Platform], AbstractAsyncContextManager[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What the service says of itself."""

    title: str
    summary: str
    version: str = "0.1.0"


class _App(FastAPI):
    """FastAPI with a span of ours around each request."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope["path"] in telemetry.QUIET_PATHS:
            await super().__call__(scope, receive, send)
            return
        with telemetry.request(scope):
            await super().__call__(scope, receive, send)


def build(
    about: About,
    settings: ServiceSettings,
    *,
    routers: Sequence[APIRouter],
    plugin: Plugin,
    start: Start,
    keys: KeySource | None = None,
    always_open: Sequence[str] = (),
    body_limits: Mapping[str, int] = MappingProxyType({}),
    middleware: Sequence[Middleware] = (),
) -> FastAPI:
    """A service's app.

    `start` wires the use cases onto the platform and yields them: routes find them as
    `request.app.state.service`. `always_open` are path prefixes of unsafe methods that need no
    dependency but the database, so they stay open while others are down; `body_limits` are limits in bytes
    for path prefixes that take more, or less, than `settings.max_body_bytes`. `middleware` stands behind all
    of ours, next to the routes.
    """
    sys.setrecursionlimit(RECURSION_LIMIT)
    checks = health.Checks()
    metrics = observe.Metrics(settings.service)
    metrics.watch(checks)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
        async with open_platform(settings, checks, metrics, keys) as platform, platform.working():
            app.state.platform = platform
            async with start(platform) as service, a2a.serving(app, platform, plugin, service):
                app.state.service = service
                if settings.registry_url is not None:
                    platform.run("registration", _registration(platform, plugin, settings.registry_url).turn)
                yield

    app = _App(
        title=about.title,
        summary=about.summary,
        version=about.version,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        telemetry=telemetry.UNTRACED,
        middleware=middleware,
        separate_input_output_schemas=False,
    )
    # `include_router` would make every route anew for every app, and match each twice.
    for router in (health.router, observe.router, events.router, a2a.router, *routers):
        app.router.routes += router.routes
    agent.install(app, plugin)
    problems.install(app)
    docs.install(app)
    openapi.install(app)
    app.add_exception_handler(NotModified, _not_modified)
    app.add_middleware(gate.WriteGate, checks=checks, always_open=always_open)
    app.add_middleware(gate.BodyGate, limit=settings.max_body_bytes, by_path=body_limits)
    app.add_middleware(gate.NulGate)
    app.add_middleware(observe.Observe, metrics=metrics)
    return app


def _registration(platform: Platform, plugin: Plugin, registry_url: str) -> Registration:
    return Registration(
        agent_id=f"mesh/{platform.settings.service}",
        plugin=plugin,
        endpoint=platform.public_url,
        registry_url=registry_url,
        http=platform.http,
        auth=platform.sessions.auth("registry"),
    )


async def _not_modified(request: Request, raised: Exception) -> Response:
    etag = raised.etag if isinstance(raised, NotModified) else ""
    return Response(status_code=304, headers={"ETag": etag, "Cache-Control": "private, no-cache"})
