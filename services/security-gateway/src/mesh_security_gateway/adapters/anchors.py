"""The chain that checkpoints are anchored on. Loaded where it is asked for: what signs takes 15 MB."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from mesh_shared.background import beside, forever
from mesh_shared.chain.keys import load_or_create
from mesh_shared.chain.rpc import Rpc
from mesh_shared.chain.sender import TransactionSender

from mesh_security_gateway.service.anchoring import Anchoring
from mesh_security_gateway.service.trail import Trail
from mesh_security_gateway.settings import Settings


@asynccontextmanager
async def anchored(settings: Settings, rpc_url: str, trail: Trail) -> AsyncGenerator[Anchoring]:
    """Anchors the checkpoints of `trail` while the block lasts, signed by the key in `anchor_key_file`."""
    rpc, account = Rpc(rpc_url, settings.chain_id), load_or_create(settings.anchor_key_file)
    sender = TransactionSender(trail.database, rpc, account)
    anchoring = Anchoring(
        trail=trail, database=trail.database, address=account.address, every_s=settings.anchor_s
    )
    try:
        async with (
            beside(forever("anchor-sender", sender.turn)),
            beside(forever("audit-anchors", anchoring.turn)),
        ):
            yield anchoring
    finally:
        await rpc.close()
