"""The documents of all services on one page, and the events on another."""

import hashlib
import json
from functools import cache
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response
from starlette.exceptions import HTTPException

from mesh_console.adapters.mesh import SERVICES
from mesh_console.api.headers import CSP
from mesh_console.api.page import Anybody
from mesh_console.domain.facts import Channel, channels

HOME = Path(__file__).parents[1]
EVENTS = HOME / "asyncapi.json"
SCALAR = HOME / "static" / "scalar.js.gz"
# Another Scalar has another address, so that a browser need never ask for this one again.
SCALAR_ID = hashlib.sha256(SCALAR.read_bytes()).hexdigest()[:12]
SCALAR_HEADERS = {"Content-Encoding": "gzip", "Cache-Control": "private, max-age=31536000, immutable"}
# Scalar makes its style sheets itself; this page alone has one that lets it.
PORTAL_CSP = CSP.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")

router = APIRouter()


@router.get("/docs")
async def portal(page: Anybody) -> Response:
    sources = [
        {
            "title": service,
            "slug": service,
            "url": f"/docs/openapi/{service}.json",
            "servers": [{"url": page.mesh.urls[service]}],
        }
        for service in SERVICES
    ]
    shown = page.show("portal.html", sources=sources, scalar_id=SCALAR_ID)
    shown.headers["Content-Security-Policy"] = PORTAL_CSP
    return shown


@router.get(f"/static/scalar.{SCALAR_ID}.js")
async def scalar() -> FileResponse:
    """Packed as it is stored: a quarter of its size, and nobody has to pack it again."""
    return FileResponse(SCALAR, media_type="text/javascript", headers=SCALAR_HEADERS)


@router.get("/docs/openapi/{service}.json")
async def openapi(page: Anybody, service: str) -> Response:
    """The document as the service gives it: the policy lets the page ask this console alone."""
    if service not in SERVICES:
        raise HTTPException(404)
    answer = await page.mesh.send("GET", service, "/openapi.json")
    return Response(answer.content, media_type="application/json")


@router.get("/asyncapi.json")
async def asyncapi() -> FileResponse:
    return FileResponse(EVENTS, media_type="application/json")


@router.get("/docs/events")
async def events(page: Anybody) -> Response:
    return page.show("facts.html", channels=_channels())


@cache  # the document comes with the package
def _channels() -> list[Channel]:
    return channels(json.loads(EVENTS.read_text()))
