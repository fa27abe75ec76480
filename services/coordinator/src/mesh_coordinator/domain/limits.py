"""How many attempts may be open at once: of all runs, of one payer's, and with one agent."""

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from mesh_coordinator.domain.attempt import State

AT_WORK = frozenset({State.RESERVING, State.OPENING, State.FUNDED, State.INVOKING, State.PAYING})
"""The agent has the call, or is about to get it; what follows is between us and the chain."""


@dataclass(frozen=True, slots=True)
class Room:
    """How many attempts may be opened besides those that are: in `total`, and with one agent.

    `busy` are the calls that an agent has already.
    """

    total: int
    per_agent: int
    busy: Mapping[str, int] = field(default_factory=dict[str, int])

    def at(self, agent: str) -> int:
        """Calls that the agent may be given."""
        return self.per_agent - self.busy.get(agent, 0)


ENDLESS = Room(sys.maxsize, sys.maxsize)


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """An attempt on which there is something left to do; `owner` is whose run it belongs to."""

    owner: str
    agent: str
    state: State
    conductor: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The operator's; a payer is whoever asked for the run, and whose money it spends."""

    total: int
    per_payer: int
    per_agent: int


class Occupancy:
    """Who has how much in hand, counted on while a turn opens more."""

    def __init__(self, limits: Limits, attempts: Iterable[OpenAttempt]) -> None:
        self._limits = limits
        self._payers: Counter[str] = Counter()
        self._agents: Counter[str] = Counter()
        for attempt in attempts:
            self._payers[attempt.owner] += 1
            self._agents[attempt.agent] += attempt.state in AT_WORK

    def room(self, payer: str) -> Room:
        """What may be opened for a run of `payer`'s."""
        total = self._limits.total - self._payers.total()
        per_payer = self._limits.per_payer - self._payers[payer]
        return Room(min(total, per_payer), self._limits.per_agent, self._agents)

    def take(self, payer: str, agent: str) -> None:
        """Counts an attempt that was opened."""
        self._payers[payer] += 1
        self._agents[agent] += 1

    def take_any(self, payer: str, agents: Sequence[str]) -> bool:
        """Counts an attempt with the first of `agents` that has room; false when none has."""
        room = self.room(payer)
        agent = next((one for one in agents if room.total > 0 and room.at(one) > 0), None)
        if agent is not None:
            self.take(payer, agent)
        return agent is not None
