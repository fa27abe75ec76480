"""Looks for the documents that agents name, beside the indexing, so that a dead CID holds up nothing."""

import asyncio
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

LEASE = timedelta(seconds=60)
LONGEST_PAUSE_S = 3600
IDLE_S = 1.0


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Several may run side by side, in one process or many: each takes a document on lease."""

    database: Database
    store: ContentStore
    instance: str
    indexed: Bell
    """Rings when there may be something to look for, and when we found it."""
    look_s: float = 30.0
    """Half a lease. A document that takes longer, such as one of very many blocks, counts as not there."""

    async def recover(self) -> None:
        """Frees what this replica was looking for when it died."""
        async with self.database.write() as session:
            await Documents(session).free(self.instance, datetime.now(UTC))

    async def turn(self) -> None:
        """Looks for one document, or waits when none is due. Raises `StoreUnavailable`, to be tried again."""
        ticket = self.indexed.ticket()
        search = await self._next()
        if search is None:
            await wait(ticket, IDLE_S)
            return
        try:
            document = await self._look(search.cid)
        except StoreUnavailable:
            async with self.database.write() as session:
                await Documents(session).postpone(search, datetime.now(UTC))
            raise
        await self._end(search, document)

    async def _next(self) -> Search | None:
        now = datetime.now(UTC)
        async with self.database.read() as session:
            if not await Documents(session).is_due(now):
                return None
        async with self.database.write() as session:
            return await Documents(session).lease(self.instance, now, now + LEASE)

    async def _look(self, cid: str) -> Document:
        """What the store has under `cid`. Bytes that do not match it count as not there."""
        try:
            async with asyncio.timeout(self.look_s):
                data = await collect(self.store.cat(cid), MAX_DOCUMENT_BYTES)
            return Document(DocumentState.FETCHED, registration_files.read(data))
        except (ContentNotFound, ContentCorrupt, TimeoutError):
            return Document(DocumentState.UNAVAILABLE)
        except (ContentTooLarge, MetadataInvalid):
            return Document(DocumentState.INVALID)

    async def _end(self, search: Search, document: Document) -> None:
        now = datetime.now(UTC)
        if document.state is DocumentState.UNAVAILABLE:
            async with self.database.write() as session:
                await Documents(session).postpone(search, now + pause(search.attempts), document.state)
        else:
            async with self.database.sole(INDEX_ROLE), self.database.write() as session:
                await Projection(session, now).learn(search.cid, document)
        self.indexed.ring()


def pause(attempts: int) -> timedelta:
    """How long to wait after the attempt that followed `attempts` others: 1 s, doubling, up to an hour."""
    return timedelta(seconds=min(LONGEST_PAUSE_S, 2 ** min(attempts, 12)))
