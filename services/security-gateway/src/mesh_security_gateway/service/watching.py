"""Whether agents are still what the chain said when their owners signed."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from mesh_shared.auth.tokens import Principal, Verifier

from mesh_security_gateway.domain.standing import Standing
from mesh_security_gateway.errors import AgentBarred, AgentNotFound
from mesh_security_gateway.ports import AgentRegistry
from mesh_security_gateway.service.sharing import Sharing

FRESH_S = 10.0
"""How old an answer of the registry may be. It is some seconds behind the chain itself, so what happens there
is felt here within half a minute.
"""
MOST_KEPT = 10_000

Kept = tuple[float, Standing]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """Asks the registry for each agent once in ten seconds, however many calls there are."""

    registry: AgentRegistry
    least_stake_units: int
    clock: Callable[[], float] = time.monotonic
    kept: OrderedDict[str, Kept] = field(default_factory=OrderedDict[str, Kept])
    asking: Sharing[str, Standing] = field(default_factory=Sharing[str, Standing])

    async def admitted(self, agent: str) -> Standing:
        """The agent's standing. Raises `AgentNotFound`, `AgentBarred` for one that may not come in, and
        `Unavailable` when the registry does not say.
        """
        found = self.kept.get(agent)
        if found is not None and self.clock() - found[0] < FRESH_S:
            standing = found[1]
        else:
            standing = await self.asking.result(agent, lambda: self._ask(agent))
        if not standing.admits(self.least_stake_units):
            raise AgentBarred
        return standing

    async def require(self, agent: str, owner: str) -> None:
        """Lets pass an agent that is in good standing and belongs to `owner`.

        Raises `AgentBarred`, and what `admitted` does.
        """
        if (await self.admitted(agent)).owner != owner:
            raise AgentBarred

    async def _ask(self, agent: str) -> Standing:
        asked_at = self.clock()
        standing = await self.registry.standing(agent)
        if standing is None:
            self.kept.pop(agent, None)
            raise AgentNotFound
        self.kept[agent] = (asked_at, standing)
        self.kept.move_to_end(agent)
        while len(self.kept) > MOST_KEPT:
            self.kept.popitem(last=False)
        return standing


@dataclass(frozen=True, slots=True)
class WatchedVerifier:
    """Implements `Verifier`: a session on wallets holds only while the chain still bears it out."""

    verifier: Verifier
    watching: Watching

    async def verify(self, token: str, *, is_bound: bool = False) -> Principal:
        """Raises what `Watching.require` raises besides."""
        caller = await self.verifier.verify(token, is_bound=is_bound)
        for agent, owner in caller.wallets:
            await self.watching.require(agent, owner)
        return caller
