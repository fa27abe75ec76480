"""The gateway as a program: its first minute, and its last."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import MakeApp, Program


def log_lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


async def test_the_log_says_where_the_keys_are_and_not_what_they_are(program: Program):
    operator = await program.start()
    program.stop()

    made = {line["holder"]: line["file"] for line in log_lines(program.log) if line["event"] == "key_created"}
    assert made["admin"] == str(program.state_dir / "admin.key")
    assert len(made) == 6
    for file in made.values():
        assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert "mesh_" not in program.log.read_text().replace("mesh_security_gateway", "")
    assert operator.admin_key.startswith("mesh_")


async def test_a_second_start_makes_no_key(program: Program):
    await program.start()
    program.stop()
    made = len([line for line in log_lines(program.log) if line["event"] == "key_created"])
    await program.start()

    again = len([line for line in log_lines(program.log) if line["event"] == "key_created"])

    assert (made, again) == (6, 6)


async def test_asked_to_stop_it_stops_within_its_grace(program: Program):
    await program.start()
    assert program.running is not None

    program.running.send(signal.SIGTERM)
    code = await asyncio.to_thread(program.running.wait, 12)

    assert code in (0, -signal.SIGTERM)


async def test_a_port_in_use_is_one_clear_line_and_no_start(program: Program):
    with socket.create_server(("127.0.0.1", int(program.environment["MESH_PORT"]))):
        code = await asyncio.to_thread(program.launch().wait, 30)

    assert code == 3  # uvicorn's for a failed start
    (line,) = [line for line in log_lines(program.log) if line["level"] == "error"]
    assert "address already in use" in line["event"]


async def test_replicas_that_start_together_make_one_set_of_keys(
    make_app: MakeApp, operate: Callable[..., Any], postgres_url: str
):
    async def keys() -> list[str]:
        async with operate(make_app(postgres_url)) as operator:
            listed = (await operator.get("/v1/api-keys", limit=100)).json()["items"]
            return sorted(key["subject"] for key in listed if key["revoked_at"] is None)

    first, second, third = await asyncio.gather(keys(), keys(), keys())

    assert len(first) == 6
    assert first == second == third
