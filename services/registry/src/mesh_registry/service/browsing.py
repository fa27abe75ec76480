"""Reading many agents without keeping others from their turn."""

from mesh_registry.domain.agents import Listing
from mesh_registry.service.discovery import Discovery


async def best(discovery: Discovery, most: int, portion: int = 100) -> list[Listing]:
    """The `most` best agents, read `portion` at a time."""
    found: list[Listing] = []
    while len(found) < most:
        wanted = min(portion, most - len(found))
        more = await discovery.best(None, found[-1].agent.place if found else "", wanted)
        found += more
        if len(more) < wanted:
            break
    return found
