"""Reading many agents without keeping others from their turn."""

from collections.abc import Callable
from typing import Any

from mesh_registry.domain.agents import Listing
from mesh_registry.domain.browsing import Order
from mesh_registry.service.discovery import Discovery

PORTIONS = 10
"""That are looked through for one page."""


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


async def fitting(
    discovery: Discovery,
    order: Order,
    after: list[Any],
    most: int,
    fits: Callable[[Listing], bool],
    portion: int = 100,
) -> tuple[list[Listing], list[Any] | None]:
    """The next `most` agents that fit, and the position to go on from; None at the end of the list.

    Few may be found, or none, and the list not be at its end: ten portions are looked through at once, so
    that a filter that fits nobody costs no more than one that fits everybody.
    """
    found: list[Listing] = []
    for _ in range(PORTIONS):
        looked_at = await discovery.browse(order, after, portion)
        for listing in looked_at:
            after = order.position(listing.agent)
            found += [listing] if fits(listing) else []
            if len(found) == most:
                return found, after
        if len(looked_at) < portion:
            return found, None
    return found, after
