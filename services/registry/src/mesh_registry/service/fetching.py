"""Looks for the documents that agents name, beside the indexing, so that a dead CID holds up nothing."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mesh_shared.bell import Bell, wait
from mesh_shared.content.errors import ContentCorrupt, ContentNotFound, ContentTooLarge, StoreUnavailable
from mesh_shared.content.store import ContentStore, collect
from mesh_shared.database.engine import Database

from mesh_registry.domain import registration_files
from mesh_registry.domain.agents import Document, DocumentState
from mesh_registry.domain.metadata import MAX_DOCUMENT_BYTES
from mesh_registry.errors import MetadataInvalid
from mesh_registry.repository.documents import Documents, Search
from mesh_registry.service.projection import INDEX_ROLE, Projection

AT_ONCE = 20
"""So many are looked for together and end in one commit. Each may be 256 KiB, and more when it is read."""
TOGETHER_S = 0.05
"""Those that are found within it are written together; who is slower holds up nobody."""
LEASE = timedelta(seconds=60)
LONGEST_PAUSE_S = 3600
IDLE_S = 1.0
MISSED = Document(DocumentState.UNAVAILABLE)

Found = Mapping[Search, Document | None]
"""None where there was no store to look in."""


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Several may run side by side, in one process or many: each takes documents on lease."""

    database: Database
    store: ContentStore
    instance: str
    indexed: Bell
    """Rings when there may be something to look for, and when we found it."""
    look_s: float = 30.0
    """Half a lease. A document that takes longer, such as one of very many blocks, counts as not there."""
    at_once: int = AT_ONCE

    async def recover(self) -> None:
        """Frees what this replica was looking for when it died."""
        async with self.database.write() as session:
            await Documents(session).free(self.instance, datetime.now(UTC))

    async def turn(self) -> None:
        """Looks for some documents, or waits when none is due.

        Raises `StoreUnavailable` when one could not be looked for, to be tried again.
        """
        ticket = self.indexed.ticket()
        searches = await self._next()
        if not searches:
            await wait(ticket, IDLE_S)
            return
        is_down = False
        async with aclosing(self._found(searches)) as portions:
            async for found in portions:
                await self._end(found)
                is_down |= None in found.values()
        if is_down:
            raise StoreUnavailable

    async def _next(self) -> Sequence[Search]:
        now = datetime.now(UTC)
        async with self.database.read() as session:
            if not await Documents(session).is_due(now):
                return []
        async with self.database.write() as session:
            return await Documents(session).lease(self.instance, now, now + LEASE, self.at_once)

    async def _found(self, searches: Sequence[Search]) -> AsyncGenerator[Found, None]:
        """What there is, as it comes: those of a moment together."""
        looks = {asyncio.create_task(self._look(search.cid)): search for search in searches}
        try:
            while looks:
                done, _ = await asyncio.wait(looks, timeout=TOGETHER_S)
                if done:
                    yield {looks.pop(look): look.result() for look in done}
        finally:
            for look in looks:
                look.cancel()

    async def _look(self, cid: str) -> Document | None:
        """What the store has under `cid`; None while there is no store.

        Bytes that do not match count as not there.
        """
        try:
            async with asyncio.timeout(self.look_s):
                data = await collect(self.store.cat(cid), MAX_DOCUMENT_BYTES)
            return Document(DocumentState.FETCHED, registration_files.read(data))
        except (ContentNotFound, ContentCorrupt, TimeoutError):
            return MISSED
        except (ContentTooLarge, MetadataInvalid):
            return Document(DocumentState.INVALID)
        except StoreUnavailable:
            return None

    async def _end(self, found: Found) -> None:
        now = datetime.now(UTC)
        denied = [search for search, document in found.items() if document is None]
        missed = [(s, now + pause(s.attempts)) for s, document in found.items() if document == MISSED]
        known = {search.cid: document for search, document in found.items() if document}
        decided = {cid: document for cid, document in known.items() if document != MISSED}
        async with self.database.sole(INDEX_ROLE), self.database.write() as session:
            await Documents(session).release(denied, now)
            await Documents(session).postpone(missed)
            await Projection(session, now).learn(decided)
        self.indexed.ring()


def pause(attempts: int) -> timedelta:
    """How long to wait after the attempt that followed `attempts` others: 1 s, doubling, up to an hour."""
    return timedelta(seconds=min(LONGEST_PAUSE_S, 2 ** min(attempts, 12)))
