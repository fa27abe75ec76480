"""How long agents take, as this replica has seen it since it began."""

from collections.abc import Mapping
from types import MappingProxyType

NEWEST = 1 / 8
"""What the newest call counts beside all before it, as for round trips in RFC 6298, section 2."""
MAX_AGENTS = 10_000


class Paces:
    """Smoothed seconds of a call by agent id; who was not called for the longest time is forgotten first."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    @property
    def seconds(self) -> Mapping[str, float]:
        """As they are now, and change."""
        return MappingProxyType(self._seconds)

    def took(self, agent_id: str, seconds: float) -> None:
        """Counts a call."""
        before = self._seconds.pop(agent_id, seconds)
        self._seconds[agent_id] = before + NEWEST * (seconds - before)
        if len(self._seconds) > MAX_AGENTS:
            del self._seconds[next(iter(self._seconds))]
