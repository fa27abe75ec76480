"""Keeps what was signed of the audit, every so many seconds."""

import asyncio
from dataclasses import dataclass

from mesh_security_gateway.service.trail import Trail


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """Fixed points of the record: whoever noted one sees whatever is done to the entries before it."""

    trail: Trail
    every_s: float

    async def turn(self) -> None:
        """Waits, and keeps the checkpoint of then if anything was written since the last one."""
        await asyncio.sleep(self.every_s)
        await self.trail.keep()
