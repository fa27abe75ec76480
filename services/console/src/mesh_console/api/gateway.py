"""Credentials by name, who may use them, and what was done with them."""

import asyncio

from fastapi import APIRouter
from fastapi.responses import Response

from mesh_console.api.page import Signed, attempt, segment
from mesh_console.domain.grants import matrix

router = APIRouter()


@router.get("/gateway")
async def gateway(page: Signed, agent: str = "", connection: str = "", cursor: str = "") -> Response:
    """The first hundred connections and grants, and the audit, its newest entries first."""
    asked = {"agent": agent.strip(), "connection": connection.strip()}
    connections, grants, audit = await asyncio.gather(
        attempt(page.mesh.get("security-gateway", "/v1/connections", limit=100)),
        attempt(page.mesh.get("security-gateway", "/v1/grants", limit=100)),
        attempt(page.mesh.get("security-gateway", "/v1/audit", cursor=cursor, limit=25, **asked)),
    )
    names = [each["name"] for each in connections.value["items"]] if connections.value else []
    table = matrix(grants.value["items"], names) if grants.value else None
    return page.show(
        "gateway.html", connections=connections, grants=grants, matrix=table, audit=audit, asked_for=asked
    )


@router.get("/gateway/verification")
async def verification(page: Signed) -> Response:
    """Whether the audit is what was written; the gateway reads all of it for the answer."""
    found = await page.mesh.get("security-gateway", "/v1/audit/verification")
    return page.show("verification.html", found=found)


@router.get("/gateway/audit/{entry_id}")
async def explanation(page: Signed, entry_id: str) -> Response:
    found = await page.mesh.get("security-gateway", f"/v1/audit/{segment(entry_id)}/explain")
    return page.show("explanation.html", found=found)
