"""What this service offers as an agent."""

from mesh_shared.agents.plugin import (
    Action,
    Callback,
    Message,
    Plugin,
    Runtime,
    State,
    Turn,
    failed,
    succeeded,
)
from pydantic import Field

from mesh_coordinator.domain.attempt import Outcome
from mesh_coordinator.domain.run import RunStatus
from mesh_coordinator.schemas.escrows import ExecutionView
from mesh_coordinator.schemas.requests import ExecutionBody, TaskBody
from mesh_coordinator.schemas.runs import RunView
from mesh_coordinator.service import RUN, Coordinator, id_for

CAPABILITY = "coordination.run"
MAX_WAIT_S = 300


class Coordination(TaskBody):
    """A task, and how long to wait for its end."""

    wait_s: int = Field(default=30, ge=0, le=MAX_WAIT_S, description="Seconds to wait.", examples=[30])


async def coordinate_agents(
    runtime: Runtime[Coordinator], message: Message, state: State, options: Coordination, callback: Callback
) -> bool:
    runs = runtime.service.runs
    started = await runs.start(
        options.order(),
        id_for(runtime.caller.subject, runtime.idempotency_key, "run"),
        runtime.caller.subject,
    )
    view = RunView.of_record(await runs.ended(started.run.id, options.wait_s))
    data = view.model_dump(mode="json")
    if view.status in (RunStatus.FAILED, RunStatus.CANCELLED):
        await callback(failed(_spoken(view), code=f"run-{view.status}", run=data))
    else:
        await callback(succeeded(_spoken(view), data))
    return True


async def execute_with_incentives(
    runtime: Runtime[Coordinator], message: Message, state: State, options: ExecutionBody, callback: Callback
) -> bool:
    runs = runtime.service.runs
    id = id_for(runtime.caller.subject, runtime.idempotency_key, "execution")
    await runs.start(options.order(), id, runtime.caller.subject)
    record = await runs.ended(id, MAX_WAIT_S)
    if record.is_open:
        view = RunView.of_record(record)
        await callback(succeeded(_spoken(view), view.model_dump(mode="json")))
        return True
    outcome = ExecutionView.of_record(record)
    is_paid = outcome.economicOutcome is Outcome.SUCCESS
    text = "The result held up." if is_paid else f"Nothing was paid: {outcome.failure or record.run.status}."
    await callback(succeeded(text, outcome.model_dump(mode="json")))
    return True


def _spoken(view: RunView) -> str:
    if view.status is RunStatus.RUNNING:
        return f"The run goes on; follow it at /v1/runs/{view.id}."
    done = len(view.result)
    return f"The run {view.status}: {done} of {len(view.steps)} steps, {view.budget.spent} base units spent."


def _example(asked: str, answered: str, action: str) -> tuple[Turn, Turn]:
    return Turn(role="user", text=asked), Turn(role="agent", text=answered, action=action)


PLUGIN = Plugin(
    name="coordinator",
    description="Finds agents for a task, runs them in order, and pays for what holds up.",
    actions=[
        Action(
            name="COORDINATE_AGENTS",
            description="Analyses what a task needs, finds agents, plans, runs the steps in parallel and "
            "gathers the results; each agent is paid by the quality of its work.",
            parameters=Coordination,
            handler=coordinate_agents,
            examples=[
                _example(
                    "Analyze the storefront workspace and find tools for workspace-optimization.",
                    "The run succeeded: 2 of 2 steps, 0 base units spent.",
                    "COORDINATE_AGENTS",
                )
            ],
            scope=RUN,
            capabilities=(CAPABILITY,),
        ),
        Action(
            name="EXECUTE_WITH_INCENTIVES",
            description="Escrows the price of one call, judges the result, and pays or refunds.",
            parameters=ExecutionBody,
            handler=execute_with_incentives,
            examples=[
                _example(
                    "Have this text summarized for at most 50000 units.",
                    "The result held up.",
                    "EXECUTE_WITH_INCENTIVES",
                )
            ],
            scope=RUN,
            capabilities=(CAPABILITY,),
        ),
    ],
)
