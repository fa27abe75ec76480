"""Whether the console lives, and whether anybody can sign in."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from mesh_console.api.page import Anybody
from mesh_console.errors import ConsoleError

router = APIRouter()


@router.get("/livez")
async def livez() -> JSONResponse:
    return JSONResponse({"status": "alive"})


@router.get("/readyz")
async def readyz(page: Anybody) -> JSONResponse:
    """503 while the gateway cannot be asked: the other services may be down, and the console says so."""
    try:
        await page.mesh.get("security-gateway", "/livez")
    except ConsoleError:
        return JSONResponse({"status": "waiting", "down": ["security-gateway"]}, 503)
    return JSONResponse({"status": "ready"})
