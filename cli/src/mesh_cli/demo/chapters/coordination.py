"""A task becomes a plan, and the plan a run whose steps are done in parallel by strangers."""

from typing import Any

from mesh_cli.demo import cast
from mesh_cli.demo.stage import Stage, promise

WORKSPACE = "storefront"
TASK = f"Analyze the {WORKSPACE} workspace and find tools for workspace-optimization."
NEWS = (
    "Autonomous agents met on a public chain this week. They agreed on prices before any work began. "
    "Money was locked in escrow and released only for work of proven quality. "
    "One agent delivered poor work and was not paid. The others were paid to the last unit."
)
RESULT_NAMES = [
    "workspaceRoot",
    "totalProjects",
    "affectedProjects",
    "criticalPath",
    "recommendations",
    "costImpact",
]


def requirements() -> list[dict[str, Any]]:
    """Four steps that need nothing of each other, and a report that needs them all."""
    news = {"$ref": "#/input/news"}
    return [
        {
            "id": "analysis",
            "capability": "workspace.analyze",
            "action": "ANALYZE_WORKSPACE",
            "parameters": {"workspace": WORKSPACE},
            "quality": {"schema": {"type": "object", "required": RESULT_NAMES}},
        },
        {
            "id": "tools",
            "capability": "registry.discover",
            "action": "DISCOVER_UNIVERSAL_TOOLS",
            "parameters": {"capability": "workspace-optimization"},
            "quality": {"assertions": [{"at": "/count", "op": "min", "value": 1}]},
        },
        {
            "id": "summary",
            "capability": "text.summarize",
            "parameters": {"text": news, "sentences": 2},
            "quality": {
                "schema": {"type": "object", "required": ["summary", "sentences"]},
                "assertions": [
                    {"at": "/summary", "op": "minLength", "value": 60, "weight": 3},
                    {"at": "/summary", "op": "matches", "value": "[.!?]$"},
                    {"at": "/sentences", "op": "max", "value": 2},
                ],
            },
            "max_price": "50000",
        },
        {
            "id": "keywords",
            "capability": "text.keywords",
            "parameters": {"text": news, "count": 4},
            "quality": {"assertions": [{"at": "/keywords", "op": "minLength", "value": 4}]},
            "max_price": "50000",
        },
        {
            "id": "report",
            "capability": "text.report",
            "parameters": {
                "title": "The storefront, this week",
                "sections": {
                    "workspace": {"$ref": "#/steps/analysis/result/affectedProjects"},
                    "tools": {"$ref": "#/steps/tools/result/tools"},
                    "summary": {"$ref": "#/steps/summary/result/summary"},
                    "keywords": {"$ref": "#/steps/keywords/result/keywords"},
                },
            },
            "needs": ["analysis", "tools", "summary", "keywords"],
            "quality": {"assertions": [{"at": "/sections", "op": "minLength", "value": 4}]},
            "max_price": "50000",
        },
    ]


async def tell(stage: Stage) -> dict[str, Any]:
    """The task is understood, planned, run in parallel and put together; returns the run."""
    figures = stage.chapter("coordination", "A task is coordinated")
    cast.copy_workspace(stage.mesh, WORKSPACE)
    await _understand(stage)
    body = {"task": TASK, "input": {"news": NEWS}, "requirements": requirements(), "budget": "500000"}
    await _plan(stage, body)
    run = await _run(stage, body)
    wall_s, sum_s = run["wall_ms"] / 1000, run["steps_ms"] / 1000
    stage.say(f"wall time {wall_s:.2f} s for steps that took {sum_s:.2f} s together")
    promise(wall_s < sum_s, "The steps did not run in parallel.")
    figures |= {"run_id": run["id"], "wall_s": wall_s, "sum_s": sum_s, "waves": run["waves"]}
    figures |= _results(stage, run)
    return run


async def _understand(stage: Stage) -> None:
    plan = await stage.ask("POST", "coordinator", "/v1/plans", json={"task": TASK})
    needs = {step["id"]: step["capability"] for step in plan.body["steps"]}
    promise(
        set(needs.values()) == {"workspace.analyze", "registry.discover"},
        f"The task was read as {needs}.",
    )
    stage.say(f'"{TASK}"', plan.ms)
    stage.say(f"its words need {' and '.join(needs.values())}; the text steps are named by hand")


async def _plan(stage: Stage, body: dict[str, Any]) -> None:
    plan = await stage.ask("POST", "coordinator", "/v1/plans", json=body)
    promise(not plan.body["gaps"], f"Nobody can be hired for {plan.body['gaps']}.")
    stage.say(
        f"planned: {len(plan.body['steps'])} steps for {plan.body['price']} units, agents chosen", plan.ms
    )
    stage.show(plan.body["graph"])
    summary = next(step for step in plan.body["steps"] if step["id"] == "summary")
    table = stage.table("who could summarize", "price", "score", "")
    for candidate in summary["candidates"]:
        table.add_row(candidate["name"], candidate["price"], f"{candidate['score']:.3f}", candidate["reason"])
    stage.draw(table)


async def _run(stage: Stage, body: dict[str, Any]) -> dict[str, Any]:
    asked = {"Prefer": "wait=30"}
    answer = await stage.ask("POST", "coordinator", "/v1/runs", key="demo-run", headers=asked, json=body)
    run = answer.body
    promise(run["status"] == "succeeded", f"The run {run['status']}: {run['gaps']}.")
    stage.say(f"run {run['id']} {run['status']}", answer.ms)
    stage.show(run["graph"])
    return run


def _results(stage: Stage, run: dict[str, Any]) -> dict[str, Any]:
    analysis, tools = run["result"]["analysis"], run["result"]["tools"]
    promise(
        list(analysis)[: len(RESULT_NAMES)] == RESULT_NAMES, f"ANALYZE_WORKSPACE answered {list(analysis)}."
    )
    promise(tools["count"] >= 1, "DISCOVER_UNIVERSAL_TOOLS found no tool for workspace-optimization.")
    total, affected = analysis["totalProjects"], len(analysis["affectedProjects"])
    skipped = analysis["costImpact"]["projectsSkippedPct"]
    stage.say(
        f"ANALYZE_WORKSPACE: {total} projects, {affected} affected by the branch, {skipped} % need no build"
    )
    stage.say(f"critical path: {' > '.join(task['project'] for task in analysis['criticalPath']['tasks'])}")
    stage.say(
        f"DISCOVER_UNIVERSAL_TOOLS: {tools['count']} for workspace-optimization: {tools['tools'][0]['name']}"
    )
    stage.say(f"summary: {run['result']['summary']['summary']}")
    return {
        "workspace": {"totalProjects": total, "affectedProjects": affected, "skippedPct": skipped},
        "tools_found": tools["count"],
    }
