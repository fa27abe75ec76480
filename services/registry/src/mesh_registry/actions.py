"""What the registry offers as an agent."""

from mesh_shared.agents.plugin import Action, Callback, Message, Plugin, Runtime, State, Turn, succeeded
from mesh_shared.wire import Capability, WireModel
from pydantic import Field

from mesh_registry.schemas.agents import AgentView
from mesh_registry.schemas.operations import OperationView
from mesh_registry.schemas.registrations import OwnRegistration
from mesh_registry.schemas.tools import tools_of
from mesh_registry.service import DISCOVER, WRITE, Registry

CAPABILITY = "registry.discover"
MOST = 100


class Wanted(WireModel):
    """What the agents must be able to do."""

    capability: Capability = Field(examples=["text.summarize"])
    limit: int = Field(default=20, ge=1, le=MOST, examples=[20])


class WantedTools(WireModel):
    """What the tools must serve."""

    capability: Capability = Field(default="workspace-optimization", examples=["workspace-optimization"])


async def register_agent(
    runtime: Runtime[Registry], message: Message, state: State, options: OwnRegistration, callback: Callback
) -> bool:
    registrar = runtime.service.registrar
    operation = await registrar.register(options.wish(), runtime.caller.subject)
    data = OperationView.of(operation).model_dump(mode="json")
    await callback(succeeded(f"Registering {options.id} with {operation.transaction_hash}.", data))
    return True


async def discover_agents(
    runtime: Runtime[Registry], message: Message, state: State, options: Wanted, callback: Callback
) -> bool:
    found = await runtime.service.discovery.best(options.capability, "", options.limit)
    agents = [AgentView.of(listing).model_dump(mode="json") for listing in found]
    await callback(succeeded(_found(len(agents), "agent"), {"agents": agents, "count": len(agents)}))
    return True


async def discover_universal_tools(
    runtime: Runtime[Registry], message: Message, state: State, options: WantedTools, callback: Callback
) -> bool:
    found = await runtime.service.discovery.best(options.capability, "", MOST)
    tools = [tool for listing in found for tool in tools_of(listing, options.capability)]
    data = {"tools": [tool.model_dump(mode="json") for tool in tools], "count": len(tools)}
    await callback(succeeded(_found(len(tools), "tool"), data))
    return True


def _found(count: int, noun: str) -> str:
    return f"Found {count} {noun}{'' if count == 1 else 's'}."


def _example(asked: str, answered: str, action: str) -> list[tuple[Turn, Turn]]:
    return [(Turn(role="user", text=asked), Turn(role="agent", text=answered, action=action))]


PLUGIN = Plugin(
    name="registry",
    description="Finds agents by what they can do, best first, and registers them on the chain.",
    actions=[
        Action(
            name="REGISTER_AGENT",
            description="Registers an agent that belongs to the operator: metadata to the content store, id, "
            "capabilities and stake to the chain. Answers with the transaction hash.",
            parameters=OwnRegistration,
            handler=register_agent,
            examples=_example(
                "Register my summarizer.", "Registering acme/summarizer with 0x5e….", "REGISTER_AGENT"
            ),
            scope=WRITE,
        ),
        Action(
            name="DISCOVER_AGENTS",
            description="Agents that can do something, best first, with what they say of themselves.",
            parameters=Wanted,
            handler=discover_agents,
            examples=_example("Who can summarize text?", "Found 3 agents.", "DISCOVER_AGENTS"),
            scope=DISCOVER,
            capabilities=(CAPABILITY,),
        ),
        Action(
            name="DISCOVER_UNIVERSAL_TOOLS",
            description="Tools that serve a capability, of whatever agent has them, best agent first.",
            parameters=WantedTools,
            handler=discover_universal_tools,
            examples=_example(
                "Which tools optimize a workspace?", "Found 2 tools.", "DISCOVER_UNIVERSAL_TOOLS"
            ),
            scope=DISCOVER,
            capabilities=(CAPABILITY,),
        ),
    ],
)
