"""What waits for a person: steps of runs that cost, and calls with a credential."""

import asyncio
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from mesh_console.api.page import Acting, Page, Signed, attempt, segment

router = APIRouter()
RUNS = 25
"""How many of the newest running runs are searched for steps that wait."""


@router.get("/approvals")
async def approvals(page: Signed) -> Response:
    calls, steps = await asyncio.gather(
        attempt(page.mesh.get("security-gateway", "/v1/approvals", pending="true", limit=50)),
        attempt(_steps(page)),
    )
    return page.show("approvals.html", calls=calls, steps=steps)


@router.post("/approvals/calls/{approval_id}/{decision}")
async def decide_call(page: Acting, approval_id: str, decision: str) -> Response:
    path = f"/v1/approvals/{segment(approval_id)}/{segment(decision)}"
    await page.mesh.post("security-gateway", path)
    return page.go("/approvals")


@router.post("/approvals/runs/{run_id}/{approval_id}/{decision}")
async def decide_step(page: Acting, run_id: str, approval_id: str, decision: str) -> Response:
    path = f"/v1/runs/{segment(run_id)}/approvals/{segment(approval_id)}"
    await page.mesh.post("coordinator", path, {"decision": decision}, key=page.form.get("key", ""))
    return page.go("/approvals")


async def _steps(page: Page) -> list[dict[str, Any]]:
    """The steps that wait, each with its run."""
    running = await page.mesh.get("coordinator", "/v1/runs", status="running", limit=RUNS)
    asked = (page.mesh.get("coordinator", f"/v1/runs/{segment(run['id'])}") for run in running["items"])
    return [
        {"run": run, "step": step}
        for run in await asyncio.gather(*asked)
        for step in run["steps"]
        if step["status"] == "awaiting_approval" and step["approval"]
    ]
