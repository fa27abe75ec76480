"""The composition root: the only place that knows how the parts fit."""

import asyncio
import os
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from mesh_shared import http, telemetry
from mesh_shared.web.gate import BodyGate
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware

from mesh_console.adapters.sessions import Sessions
from mesh_console.api import (
    agents,
    approvals,
    deployments,
    docs,
    events,
    failures,
    gateway,
    health,
    overview,
    runs,
    sessions,
    workspace,
)
from mesh_console.api.headers import Guarded
from mesh_console.api.page import environment
from mesh_console.errors import ConsoleError
from mesh_console.settings import Settings

STATIC = Path(__file__).parent / "static"
PANELS = (overview, agents, runs, approvals, events, deployments, gateway, workspace, docs)
ROUTERS = (health.router, sessions.router, *(panel.router for panel in PANELS))
KEY_BYTES = 32


def create_app(settings: Settings, client: httpx.AsyncClient | None = None) -> FastAPI:
    """The console; `client` is another way to the five services than the network."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
        app.state.secret = _key(settings.prepare().state_dir / "session.key")
        async with http.client() as own, http.client() as streaming:
            app.state.http = client or own
            app.state.streaming = client or streaming
            yield

    app = FastAPI(
        title="371 Mesh console",
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        telemetry=telemetry.UNTRACED,
    )
    app.state.urls = settings.urls
    app.state.site = settings.public_url
    app.state.is_tls = settings.public_url.startswith("https:")
    app.state.environment = environment()
    app.state.places = asyncio.Semaphore(settings.max_streams)
    app.state.newest = dict[str, int]()
    app.state.sessions = Sessions()
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC))
    for kind in (ConsoleError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, failures.show)
    app.add_exception_handler(Exception, failures.confess)
    app.add_middleware(BodyGate, limit=settings.max_body_bytes, by_path={})
    app.add_middleware(GZipMiddleware)
    app.add_middleware(Guarded)
    return app


def _key(file: Path) -> bytes:
    """What the cookies are signed with: made once, so that a restart signs nobody out."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_bytes()
    with os.fdopen(descriptor, "wb") as made:
        made.write(secrets.token_bytes(KEY_BYTES))
    return file.read_bytes()
