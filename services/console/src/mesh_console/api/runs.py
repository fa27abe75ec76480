"""Runs of the coordinator: what was planned, who did it, and where the money is."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from mesh_console.api.page import Acting, Answer, Page, Signed, attempt, segment
from mesh_console.domain import runs as picture

router = APIRouter()
MOST_ESCROWS = 50
"""How many escrows of a run are asked for; a page that shows fewer than there are says so."""


@router.get("/runs")
async def runs(page: Signed, status: str = "", cursor: str = "") -> Response:
    found = await attempt(page.mesh.get("coordinator", "/v1/runs", status=status, cursor=cursor, limit=25))
    return page.show("runs.html", found=found, status=status)


@router.get("/runs/{run_id}")
async def run(page: Signed, run_id: str) -> Response:
    shown = await page.mesh.get("coordinator", f"/v1/runs/{segment(run_id)}")
    escrows = await _escrows(page, shown)
    known = [escrow.value for escrow in escrows.values() if escrow.value]
    return page.show(
        "run.html",
        run=shown,
        graph=picture.graph(shown["steps"]),
        bars=picture.bars(shown["steps"], datetime.now(UTC)),
        escrows=escrows,
        balance=picture.balance(known),
        is_whole=len(known) == len(_escrow_ids(shown)),
    )


@router.post("/runs/{run_id}/cancel")
async def cancel(page: Acting, run_id: str) -> Response:
    path = f"/v1/runs/{segment(run_id)}"
    await page.mesh.post("coordinator", f"{path}/cancel", key=page.form.get("key", ""))
    return page.go(f"/runs/{segment(run_id)}")


def _escrow_ids(run: Mapping[str, Any]) -> list[str]:
    attempts = [attempt for step in run["steps"] for attempt in step["attempts"]]
    return [attempt["escrow_id"] for attempt in attempts if attempt["escrow_id"]]


async def _escrows(page: Page, run: Mapping[str, Any]) -> dict[str, Answer[Any]]:
    ids = _escrow_ids(run)[:MOST_ESCROWS]
    asked = (attempt(page.mesh.get("coordinator", f"/v1/escrows/{segment(id)}")) for id in ids)
    return dict(zip(ids, await asyncio.gather(*asked), strict=True))
