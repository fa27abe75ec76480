"""Ends what a market holds for nobody: the order of a step that came through after the deployment's end."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from mesh_shared.database.engine import Database
from mesh_shared.errors import Unavailable

from mesh_deployer.domain.deployment import Backend
from mesh_deployer.ports import Marketplace
from mesh_deployer.repository.deployments import Deployments

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """Looks at every backend that was ever used, once in `pause_s`."""

    database: Database
    markets: Mapping[Backend, Marketplace]
    pause_s: float
    timeout_s: float

    async def turn(self) -> None:
        """Looks once, then waits."""
        async with self.database.read() as session:
            used = await Deployments(session).backends()
        for name, market in self.markets.items():
            if name not in used:
                continue
            try:
                async with asyncio.timeout(self.timeout_s):
                    await self._sweep(market)
            except (Unavailable, TimeoutError) as error:
                log.warning("sweep_postponed", provider=name, error=repr(error))
        await asyncio.sleep(self.pause_s)

    async def _sweep(self, market: Marketplace) -> None:
        held = await market.held()
        async with self.database.read() as session:
            live = await Deployments(session).live(held)
        for id in set(held).difference(live):
            log.warning("leftover_removed", deployment=str(id))
            await market.close(id)
