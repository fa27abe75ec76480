"""`mesh run`: hand a task to the mesh, watch it, and see what it cost."""

import json
from typing import Annotated, Any

import typer
from mesh_client import Mesh
from mesh_client.coordinator import Plan, Run, Step
from rich.console import Console

from mesh_cli.remote.way import ADMIN_KEY, AsJson, FirstPort, KeyFile, ask, plain, show, table, tell

Task = Annotated[str, typer.Argument(help="What is to be done, in words.")]
Capability = Annotated[
    str | None,
    typer.Option("--capability", "-c", help="Hire an agent for this, instead of reading the words."),
]
Parameters = Annotated[str, typer.Option("--parameters", "-p", help="What the agent gets, as JSON.")]
Budget = Annotated[int | None, typer.Option(help="Most that may be spent, in base units.", min=0)]
Dry = Annotated[bool, typer.Option("--plan", help="Show what would happen, and what it would cost.")]
Within = Annotated[float, typer.Option(help="Seconds to wait for the end.", min=1)]


def run(
    task: Task,
    *,
    capability: Capability = None,
    parameters: Parameters = "{}",
    budget: Budget = None,
    dry: Dry = False,
    within: Within = 300,
    first_port: FirstPort = 8370,
    key_file: KeyFile = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """Have a task done by agents; exit 1 unless every step succeeded."""
    terms = _terms(capability, parameters)
    console = Console(quiet=as_json)
    if dry:
        plan = ask(lambda mesh: mesh.coordinator.plan(task, **terms), first_port, key_file)
        tell(plan) if as_json else _show_plan(console, plan)
        return

    async def work(mesh: Mesh) -> Run:
        begun = await mesh.coordinator.start(task, budget=budget, **terms)
        show(console, f"run {begun.id}")
        with console.status("working") as status:
            async for message in mesh.coordinator.follow(begun.id):
                status.update(plain(message.name))
        return await mesh.coordinator.finished(begun.id, within_s=within)

    done = ask(work, first_port, key_file)
    tell(done) if as_json else _show_run(console, done)
    raise typer.Exit(done.status != "succeeded")


def _terms(capability: str | None, parameters: str) -> dict[str, Any]:
    if capability is None:
        return {}
    try:
        given = json.loads(parameters)
    except ValueError as error:
        raise typer.BadParameter(f"--parameters is no JSON: {error}") from None
    return {"requirements": [{"id": "step", "capability": capability, "parameters": given}]}


def _show_plan(console: Console, plan: Plan) -> None:
    show(console, *plan.graph.splitlines())
    table(
        console,
        "step",
        "agent",
        "price",
        "score",
        "why",
        rows=[
            (step.id, one.name, one.price, f"{one.score:.3f}", one.reason)
            for step in plan.steps
            for one in step.candidates
        ],
    )
    show(console, f"price {plan.price} base units", *(f"missing: {gap}" for gap in plan.gaps))
    if plan.gaps:
        show(console, "Nobody offers what is missing; `mesh agents` lists what is offered.")


def _show_run(console: Console, run: Run) -> None:
    table(
        console,
        "step",
        "agent",
        "outcome",
        "price",
        "score",
        "escrow",
        rows=[
            (
                step.id,
                one.agent,
                one.outcome or step.status,
                one.price,
                _score(one.quality),
                one.escrow_id or "",
            )
            for step in run.steps
            for one in step.attempts
        ],
    )
    show(console, *(_failure(step) for step in run.steps if step.reason))
    show(console, f"{run.status}, {run.budget.spent} base units, {run.wall_ms or 0} ms")
    show(console, *json.dumps(run.result, indent=2).splitlines())


def _failure(step: Step) -> str:
    """Why a step came to nothing, in the words of the last agent that tried where it had any."""
    said = step.attempts[-1].detail if step.attempts else None
    return f"{step.id}: {step.reason}" + (f": {said}" if said else "")


def _score(quality: Any) -> str:
    return "" if quality is None else f"{quality.score:.2f}"
