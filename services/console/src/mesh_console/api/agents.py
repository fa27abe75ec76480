"""Who is there, what they can do, and what others say of them."""

import asyncio

from fastapi import APIRouter
from fastapi.responses import Response

from mesh_console.api.page import Signed, attempt, segment

router = APIRouter()


@router.get("/agents")
async def agents(page: Signed, capability: str = "", text: str = "", cursor: str = "") -> Response:
    """Those who offer a capability, or whose words fit; the best reputation first."""
    found = await attempt(
        page.mesh.get(
            "registry",
            "/v1/agents",
            capability=capability.strip(),
            text=text.strip(),
            cursor=cursor,
            limit=24,
        )
    )
    return page.show("agents.html", found=found, capability=capability, text=text)


@router.get("/agents/{agent_id}")
async def agent(page: Signed, agent_id: str) -> Response:
    path = f"/v1/agents/{segment(agent_id)}"
    shown, reputation, card = await asyncio.gather(
        page.mesh.get("registry", path),
        attempt(page.mesh.get("registry", f"{path}/reputation", limit=20)),
        attempt(page.mesh.get("registry", f"{path}/card")),
    )
    return page.show("agent.html", agent=shown, reputation=reputation, card=card)
