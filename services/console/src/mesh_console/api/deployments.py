"""Where workloads run, who bid for them, and what they would cost elsewhere."""

import asyncio
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from mesh_console.api.page import Acting, Page, Signed, attempt, segment
from mesh_console.errors import ConsoleError

router = APIRouter()
MIB = 2**20
DIGITS = 15
DRAFT = {
    "name": "web",
    "image": "debian:trixie-slim",
    "port": "8080",
    "cpu_millis": "500",
    "memory_mib": "512",
    "storage_mib": "1024",
    "replicas": "1",
    "max_price": "100",
    "sdl": "",
}


@router.get("/deployments")
async def deployments(page: Signed, cursor: str = "") -> Response:
    found = await attempt(page.mesh.get("deployer", "/v1/deployments", cursor=cursor, limit=25))
    return page.show("deployments.html", found=found)


@router.get("/deployments/preview")
async def ask(page: Signed) -> Response:
    return page.show("preview.html", draft=DRAFT, sdl=None, precheck=None, trouble=None)


@router.post("/deployments/preview")
async def preview(page: Acting) -> Response:
    """The SDL of a workload, and who would bid for it now; nothing is deployed."""
    draft = DRAFT | {name: value for name, value in page.form.items() if name in DRAFT}
    sdl = precheck = trouble = None
    try:
        sdl = draft["sdl"].strip() or await _generated(page, draft)
        precheck = await page.mesh.post("deployer", "/v1/deployments:precheck", {"sdl": sdl})
    except ConsoleError as raised:
        trouble = raised
    return page.show("preview.html", draft=draft, sdl=sdl, precheck=precheck, trouble=trouble)


@router.get("/deployments/{deployment_id}")
async def deployment(page: Signed, deployment_id: str) -> Response:
    path = f"/v1/deployments/{segment(deployment_id)}"
    shown, bids = await asyncio.gather(
        page.mesh.get("deployer", path), attempt(page.mesh.get("deployer", f"{path}/bids"))
    )
    return page.show("deployment.html", deployment=shown, bids=bids)


async def _generated(page: Page, draft: dict[str, str]) -> str:
    config: dict[str, Any] = {name: draft[name] for name in ("name", "image")}
    config |= {name: _number(draft[name]) for name in ("port", "cpu_millis", "replicas")}
    config |= {f"{what}_bytes": _number(draft[f"{what}_mib"], MIB) for what in ("memory", "storage")}
    config["max_price_uact_per_block"] = draft["max_price"]
    return (await page.mesh.post("deployer", "/v1/sdl", config))["sdl"]


def _number(text: str, unit: int = 1) -> int | str:
    """A whole number of `unit`; any other text as it is, for the deployer to refuse."""
    return int(text) * unit if text.isascii() and text.isdecimal() and len(text) <= DIGITS else text
