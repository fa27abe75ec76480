"""The published document is the whole truth: a fuzzer that believes it finds nothing to complain about."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from mesh_shared.testing import served

if TYPE_CHECKING:
    from conftest import MakeApp, Town

ROUTES = {
    ("/v1/plans", "post"): "create_plan",
    ("/v1/runs", "post"): "start_run",
    ("/v1/runs", "get"): "list_runs",
    ("/v1/runs/{run_id}", "get"): "get_run",
    ("/v1/runs/{run_id}/graph", "get"): "get_run_graph",
    ("/v1/runs/{run_id}/cancel", "post"): "cancel_run",
    ("/v1/runs/{run_id}/events", "get"): "stream_run_events",
    ("/v1/execute", "post"): "execute",
    ("/v1/escrows/{escrow_id}", "get"): "get_escrow",
    ("/actions/COORDINATE_AGENTS", "post"): "invoke_coordinate_agents",
    ("/actions/EXECUTE_WITH_INCENTIVES", "post"): "invoke_execute_with_incentives",
}


async def fuzz(url: str, headers: dict[str, str], examples: int, seed: int) -> tuple[int, str]:
    """Schemathesis' exit code and report."""
    options = ["--phases=examples,coverage,fuzzing,stateful", f"-n{examples}", f"--seed={seed}"]
    options += ["--no-color", "--warnings=off", "--exclude-path=/v1/events/stream"]
    options += [f"-H{name}: {value}" for name, value in headers.items()]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from schemathesis.cli import schemathesis; schemathesis()",
        "run",
        f"{url}/openapi.json",
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def test_a_fuzzer_finds_no_failure(make_app: MakeApp, payer: str, client: dict[str, str], town: Town):
    await town.hire_sample("careful")
    async with served(make_app()) as url:
        code, report = await fuzz(url, client, examples=60, seed=7)

    assert code == 0, report
