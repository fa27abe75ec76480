"""The event logs of the services, which number their events and can be asked only what comes after one."""

from datetime import datetime, timedelta
from typing import Any

from mesh_console.adapters.mesh import Mesh
from mesh_console.errors import Refused

PAGE = 100
MOST = 2**31
"""More events than a log has; a service that always says there are more does not keep us."""
MINUTE = timedelta(minutes=1)


async def newest(mesh: Mesh, service: str, known: int = 0) -> int:
    """The number of the service's last event, 0 for none; `known` is one that it had before.

    Looks further ahead each time and then halves: twice the logarithm of what is new in requests.
    """
    low = await _oldest(mesh, service) if known == 0 else known
    step = 1
    while low + step <= MOST and await _is_after(mesh, service, low + step - 1):
        low, step = low + step, step * 2
    high = low + step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if await _is_after(mesh, service, middle - 1) else (low, middle)
    return low


async def last_minute(mesh: Mesh, service: str, last: int, now: datetime) -> list[dict[str, Any]]:
    """The events up to number `last` that are younger than a minute, at most a hundred."""
    page = await mesh.get(service, "/v1/events", after=max(last - PAGE, 0), limit=PAGE)
    return [event for event in page["items"] if datetime.fromisoformat(event["time"]) > now - MINUTE]


async def _is_after(mesh: Mesh, service: str, sequence: int) -> bool:
    response = await mesh.send("GET", service, "/v1/events", params={"after": sequence, "limit": 1})
    return bool(response.json()["items"])


async def _oldest(mesh: Mesh, service: str) -> int:
    """The number before the oldest event that is kept."""
    try:
        await _is_after(mesh, service, 0)
    except Refused as refused:
        oldest = refused.problem.get("oldest")
        if isinstance(oldest, int):
            return oldest - 1
        raise
    return 0
