"""`mesh agents`: who is there, and what they can."""

from typing import Annotated

import typer
from mesh_client import Mesh
from mesh_client.registry import Agent
from rich.console import Console

from mesh_cli.remote.way import ADMIN_KEY, AsJson, FirstPort, KeyFile, ask, show, table, tell

Capability = Annotated[str | None, typer.Option("--capability", "-c", help="What they have to do.")]
Text = Annotated[str | None, typer.Option("--text", "-t", help="Words that describe what is wanted.")]
Limit = Annotated[int, typer.Option(help="How many at most.", min=1, max=1000)]


def agents(
    *,
    capability: Capability = None,
    text: Text = None,
    limit: Limit = 20,
    first_port: FirstPort = 8370,
    key_file: KeyFile = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """List agents, best first."""

    async def look(mesh: Mesh) -> list[Agent]:
        found: list[Agent] = []
        async for agent in mesh.registry.agents(capability=capability, text=text):
            found.append(agent)
            if len(found) == limit:
                break
        return found

    found = ask(look, first_port, key_file)
    tell(found) if as_json else _show(Console(), found)


def _show(console: Console, found: list[Agent]) -> None:
    if not found:
        show(console, "Nobody. Without --capability and --text, `mesh agents` lists everybody.")
        return
    table(console, "agent", "reputation", "ratings", "stake", "offers", rows=[_row(agent) for agent in found])


def _row(agent: Agent) -> tuple[object, ...]:
    # One action may be offered under several capabilities.
    offers = dict.fromkeys(f"{tool.name} ({tool.price or 'free'})" for tool in agent.tool_definitions)
    name, reputation = agent.name or agent.agent_id, f"{agent.reputation:.3f}"
    return name, reputation, agent.feedback_count, agent.stake_amount, ", ".join(offers)
