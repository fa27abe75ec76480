"""Puts checkpoints of the audit on a chain, where nobody can take them back."""

import asyncio
from dataclasses import dataclass

from mesh_shared.chain.journal import Call, Journal
from mesh_shared.database.engine import Database

from mesh_security_gateway.repository.anchors import key_of
from mesh_security_gateway.service.trail import Trail


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchoring:
    """An anchor is a transaction of `address` to itself whose data are a signed checkpoint, byte for byte.

    So whoever has the audit's key and a node can hold the record to it, and no contract is needed.
    """

    trail: Trail
    database: Database
    address: str
    every_s: float

    async def turn(self) -> None:
        """Anchors for good, one replica for all: another goes on when this one dies."""
        async with self.database.sole("audit-anchors"):
            while True:
                await asyncio.sleep(self.every_s)
                await self.anchor()

    async def anchor(self) -> None:
        """Hands the newest checkpoint to the sender, once; it waits there while the chain is away."""
        await self.trail.keep()
        for newest in await self.trail.kept(None, 1):
            async with self.database.write() as session:
                call = Call(self.address, newest.note.encode())
                await Journal(session).prepare(key_of(newest.size), self.address, call)
