"""The chapters in order, and how the story ends."""

import time
from shlex import quote
from typing import Any

from rich.console import Console

from mesh_cli.demo.chapters import agents, coordination, deployment, money, readiness, secretless
from mesh_cli.demo.stage import Stage, open_stage
from mesh_cli.embedded import EmbeddedMesh


async def tell(mesh: EmbeddedMesh, console: Console, started: float) -> dict[str, Any]:
    """Tells the whole story on a mesh that is ready; returns every figure.

    `started` is when the mesh began to start, on the clock of `time.perf_counter`.
    Raises `BrokenPromise` at the first promise that is not kept.
    """
    async with open_stage(mesh, console) as stage:
        await readiness.tell(stage, time.perf_counter() - started)
        players = await agents.tell(stage)
        before = await money.ledger(stage, players)
        run = await coordination.tell(stage)
        await money.tell(stage, players, before, run)
        await secretless.tell(stage)
        await deployment.tell(stage)
        return stage.figures | _ending(stage, started)


def _ending(stage: Stage, started: float) -> dict[str, Any]:
    wall_s = round(time.perf_counter() - started, 2)
    pages = {service: f"{stage.mesh.url(service)}/docs" for service in stage.mesh.ports.services}
    stage.console.print(f"\n[bold]Every promise was kept, in {wall_s:.1f} s.[/]\n")
    table = stage.table("service", "OpenAPI page")
    for service, page in pages.items():
        table.add_row(service, page)
    stage.draw(table)
    return {"wall_s": wall_s, "pages": pages, "curl": recipes(stage.mesh)}


def recipes(mesh: EmbeddedMesh) -> list[str]:
    """Three lines to paste while the mesh runs: find agents, analyse a workspace, compare costs."""
    comparison = (
        '{"cpu_millis":1000,"memory_bytes":1000000000,"storage_bytes":1000000000,"uact_per_block":"13.5"}'
    )
    analysis = '{"parameters":{"workspace":"storefront"}}'
    return [
        f"curl -s '{mesh.url('registry')}/v1/agents?capability=workspace.analyze'",
        _posted(mesh, "workspace-analyzer", "/actions/ANALYZE_WORKSPACE", analysis),
        _posted(mesh, "deployer", "/v1/cost-comparisons", comparison),
    ]


def _posted(mesh: EmbeddedMesh, service: str, path: str, body: str) -> str:
    sessions = f"{mesh.url('security-gateway')}/v1/sessions"
    session = f'curl -s -X POST -H "X-API-Key: $(cat {quote(str(mesh.admin_key_file))})" {sessions}'
    token = f'$({session} | sed \'s/.*"token":"\\([^"]*\\)".*/\\1/\')'
    return (
        f"curl -s -H \"Authorization: Bearer {token}\" -H 'Content-Type: application/json' "
        f"-d '{body}' {mesh.url(service)}{path}"
    )
