"""A build that nobody wants any more: ended wherever it is, with everything that it has started."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from mesh_shared.events.outbox import EventRow
from mesh_shared.testing import Issuer, running
from mesh_workspace_analyzer.domain.build import Build, BuildStatus
from mesh_workspace_analyzer.errors import BuildNotFound
from mesh_workspace_analyzer.repository import Builds
from mesh_workspace_analyzer.service.builds import BuildDesk
from sqlalchemy import select

if TYPE_CHECKING:
    from in_memory import Workshop

Make = Callable[..., Any]


async def announced(desk: BuildDesk) -> list[str]:
    async with desk.database.read() as session:
        rows = (await session.scalars(select(EventRow).order_by(EventRow.position))).all()
    return [row.data["status"] for row in rows]


async def test_a_build_that_waits_is_never_begun(desk: BuildDesk, queued: Build, workshop: Workshop):
    cancelled = await desk.cancel(queued.id)

    async with desk.database.write() as session:
        assert await Builds(session).claim("0", at=datetime.now(UTC)) is None
    assert (cancelled.status, cancelled.success) == (BuildStatus.CANCELLED, False)
    assert not workshop.begun.is_set()
    assert await announced(desk) == ["cancelled"]


async def test_a_build_that_runs_is_ended_and_what_it_had_open_is_closed(
    desk: BuildDesk, queued: Build, workshop: Workshop
):
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(desk.turn())
        await workshop.begun.wait()
        told = await desk.cancel(queued.id)

    build = await desk.get(queued.id)
    assert (told.status, told.success) == (BuildStatus.CANCELLING, None)
    assert (build.status, build.success, workshop.closed) == (BuildStatus.CANCELLED, False, 1)
    assert build.duration_s is not None
    assert await announced(desk) == ["cancelled"]


async def test_a_build_that_has_ended_stays_as_it_is(desk: BuildDesk, queued: Build, workshop: Workshop):
    workshop.let_go.set()
    await desk.turn()

    assert (await desk.cancel(queued.id)).status is BuildStatus.SUCCEEDED
    assert await announced(desk) == ["succeeded"]


async def test_cancelling_twice_is_cancelling_once(desk: BuildDesk, queued: Build):
    await desk.cancel(queued.id)

    assert (await desk.cancel(queued.id)).status is BuildStatus.CANCELLED
    assert await announced(desk) == ["cancelled"]


async def test_what_was_being_cancelled_when_its_replica_died_is_cancelled_at_its_next_turn(
    desk: BuildDesk, queued: Build
):
    async with desk.database.write() as session:
        await Builds(session).claim("0", at=datetime.now(UTC))
    assert (await desk.cancel(queued.id)).status is BuildStatus.CANCELLING

    await desk.turn()

    assert (await desk.get(queued.id)).status is BuildStatus.CANCELLED
    assert await announced(desk) == ["cancelled"]


async def test_a_build_goes_on_when_another_is_cancelled(desk: BuildDesk, queued: Build, workshop: Workshop):
    other = await desk.request(queued.analysis_id, uuid4())
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(desk.turn())
        await workshop.begun.wait()
        await desk.cancel(other.id)
        workshop.let_go.set()

    assert (await desk.get(queued.id)).status is BuildStatus.SUCCEEDED
    assert (await desk.get(other.id)).status is BuildStatus.CANCELLED


async def test_a_build_that_nobody_knows_cannot_be_cancelled(desk: BuildDesk):
    with pytest.raises(BuildNotFound):
        await desk.cancel(UUID(int=7))


@pytest.mark.again
async def test_cancelling_over_http_kills_what_the_build_has_started(
    make_app: Callable[..., FastAPI],
    issuer: Issuer,
    caller: dict[str, str],
    tiny: Callable[..., Path],
    nx: Path,
    tmp_path: Path,
):
    tiny(a=f"echo $$ > {tmp_path}/pid; sleep 100")
    reads = issuer.headers("workspace:analyze", audience="workspace-analyzer")
    async with running(make_app(allow_builds=True), caller) as http, asyncio.timeout(90):
        made = (await http.post("/v1/analyses", json={"workspace": "tiny"})).json()
        key = {"Idempotency-Key": "k1"}
        place = (await http.post(f"/v1/analyses/{made['id']}/builds", headers=key)).headers["location"]
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
            await asyncio.sleep(0.02)
        refused = await http.post(f"{place}/cancel", headers=reads)
        answer = await http.post(f"{place}/cancel")
        while (build := (await http.get(place)).json())["success"] is None:
            await asyncio.sleep(0.02)

    assert refused.status_code == 403
    assert (answer.status_code, answer.headers["location"]) == (202, place)
    assert (build["status"], build["success"]) == ("cancelled", False)
    await dies(int((tmp_path / "pid").read_text()))


async def dies(pid: int) -> None:
    status = Path(f"/proc/{pid}/status")
    async with asyncio.timeout(20):
        while status.exists() and "State:\tZ" not in status.read_text():
            await asyncio.sleep(0.02)
