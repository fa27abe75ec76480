"""A role that one replica alone holds: it falls to another when its holder dies, and when it freezes."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator

import pytest
from mesh_shared.database import engine, role
from mesh_shared.database.engine import Database
from mesh_shared.errors import Unavailable
from sqlalchemy import text

HOLDER = """
import asyncio, sys
from mesh_shared.database import engine, role
from mesh_shared.errors import Unavailable

async def hold():
    role.SILENCE_S = float(sys.argv[2])
    database = engine.connect(sys.argv[1])
    try:
        async with database.sole("indexer"):
            print("held", flush=True)
            await asyncio.sleep(60)
    except Unavailable:
        print("lost", flush=True)
    await database.engine.dispose()

asyncio.run(hold())
"""


@pytest.fixture
async def heir(postgres_url: str) -> AsyncIterator[Database]:
    database = engine.connect(postgres_url)
    yield database
    await database.engine.dispose()


async def holder(url: str, silence_s: float) -> asyncio.subprocess.Process:
    """A process of its own that has the role."""
    argv = [sys.executable, "-c", HOLDER, url, str(silence_s)]
    process = await asyncio.create_subprocess_exec(*argv, stdout=-1)
    assert await said(process) == "held"
    return process


async def said(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()


async def test_a_frozen_holder_loses_its_role_and_learns_of_it_when_it_wakes(
    postgres_url: str, heir: Database
):
    frozen = await holder(postgres_url, silence_s=1)

    frozen.send_signal(signal.SIGSTOP)
    async with asyncio.timeout(60), heir.sole("indexer"):
        frozen.send_signal(signal.SIGCONT)
        learned = await said(frozen)

    assert learned == "lost"
    assert await frozen.wait() == 0


async def test_a_role_falls_to_another_when_its_holder_is_killed(postgres_url: str, heir: Database):
    killed = await holder(postgres_url, silence_s=60)

    killed.kill()

    async with asyncio.timeout(60), heir.sole("indexer"):
        assert await killed.wait() == -signal.SIGKILL


async def test_a_holder_that_does_nothing_keeps_its_role(heir: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(role, "SILENCE_S", 1)

    async with heir.sole("indexer"):
        await asyncio.sleep(1.5)

        async with heir.engine.connect() as other:
            is_free = await other.scalar(text("SELECT pg_try_advisory_lock(hashtext('indexer'))"))

    assert not is_free


async def test_who_loses_a_role_is_broken_off(heir: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(role, "SILENCE_S", 0.3)

    async def work() -> None:
        async with heir.sole("indexer"):
            async with heir.engine.connect() as other:
                ends = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
                await other.execute(text(ends))
            await asyncio.sleep(60)

    with pytest.raises(Unavailable):
        await asyncio.wait_for(work(), 30)


async def test_a_connection_that_held_a_role_may_be_silent_again(heir: Database):
    async with heir.sole("indexer"):
        pass

    async with heir.engine.connect() as connection:
        assert await connection.scalar(text("SELECT current_setting('idle_session_timeout')")) == "0"
