"""Follows the chain: every block once, in order, and back again when the chain goes back."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

import structlog
from mesh_shared.bell import Bell, wait
from mesh_shared.chain.errors import ChainUnavailable, RpcError
from mesh_shared.database.engine import Database

from mesh_registry.domain.chain import Block, Occurrence
from mesh_registry.ports import ChainLog
from mesh_registry.repository.ledger import WINDOW, Ledger
from mesh_registry.service.projection import INDEX_ROLE, Projection

MAX_SPAN = 5_000
USUAL_EVENTS = 2_500
"""From here on a stretch grows no more: its events are in memory together, and committed together."""

log = structlog.get_logger()


@dataclass(slots=True)
class Indexer:
    """The only writer of agents and feedback. Nothing of the contracts happened before `first_block`.

    `hint` rings when there may be something new; without it the chain is looked at every `poll_s` seconds.
    """

    database: Database
    chain: ChainLog
    first_block: int
    hint: Bell
    poll_s: float
    indexed: Bell = field(default_factory=Bell)
    """Rings when the index has changed."""
    _span: int = 100
    """Blocks that are asked for at once: less after a refusal, more after an answer."""

    async def turn(self) -> None:
        """Takes in the next stretch of the chain, or waits when there is none.

        A stretch that a node refuses is halved at once. Raises `ChainUnavailable`, to be tried again later
        with a shorter one, and `RpcError` when a single block is refused.
        """
        ticket = self.hint.ticket()
        try:
            async with self.database.sole(INDEX_ROLE):
                has_moved = await self._step()
        except ChainUnavailable:
            self._shorten()
            raise
        except RpcError:
            if self._span == 1:
                raise
            self._shorten()
            return
        if has_moved:
            self.indexed.ring()
        else:
            await wait(ticket, self.poll_s)

    async def _step(self) -> bool:
        async with self.database.read() as session:
            newest = await Ledger(session).head()
        cursor = self.first_block - 1 if newest is None else newest.number
        if newest is not None and (await self._hashes([cursor]))[cursor] != newest.hash:
            await self._go_back()
            return True
        head = await self.chain.head()
        if cursor >= head:
            return False
        last = min(head, cursor + self._span)
        blocks = await self._linked(cursor, newest and newest.hash, last, head)
        said = await self.chain.occurrences(cursor + 1, last)
        if blocks is None or not await self._still_holds(blocks, said):
            log.warning("chain_changed_while_read", first=cursor + 1, last=last)
            return False  # the next turn sees how
        async with self.database.write() as session:
            await Ledger(session).extend(blocks, said)
            await Projection(session, datetime.now(UTC)).add(said)
        if len(said) < USUAL_EVENTS:
            self._span = min(MAX_SPAN, self._span * 2)
        return True

    def _shorten(self) -> None:
        self._span = max(1, self._span // 2)

    async def _linked(self, cursor: int, hash: str | None, last: int, head: int) -> Sequence[Block] | None:
        """The blocks to remember up to `last`; None when they do not follow from one another."""
        first = min(last, max(cursor + 1, head - WINDOW))
        blocks = [block for block in await self.chain.blocks(range(first, last + 1)) if block is not None]
        follow = all(one.hash == other.parent_hash for one, other in pairwise(blocks))
        if first == cursor + 1 and hash is not None and blocks:
            follow = follow and blocks[0].parent_hash == hash
        return blocks if follow and len(blocks) == last - first + 1 else None

    async def _still_holds(self, blocks: Sequence[Block], said: Sequence[Occurrence]) -> bool:
        """Whether log and blocks are of one chain: nodes behind one address need not agree."""
        hashes = {block.number: block.hash for block in blocks}
        if any(hashes.get(o.block_number, o.block_hash) != o.block_hash for o in said):
            return False
        last = blocks[-1]
        return (await self._hashes([last.number]))[last.number] == last.hash

    async def _go_back(self) -> None:
        """Returns to the newest block that the chain still has; to the start when it is beyond memory."""
        async with self.database.read() as session:
            known = {row.number: row.hash for row in await Ledger(session).recent()}
        now = await self._hashes(sorted(known))
        common = max((n for n, hash in known.items() if now[n] == hash), default=self.first_block - 1)
        async with self.database.write() as session:
            token_ids = await Ledger(session).forget_after(common)
            await Projection(session, datetime.now(UTC)).rebuild(token_ids)

    async def _hashes(self, numbers: Sequence[int]) -> dict[int, str | None]:
        blocks = await self.chain.blocks(numbers)
        return {n: block and block.hash for n, block in zip(numbers, blocks, strict=True)}
