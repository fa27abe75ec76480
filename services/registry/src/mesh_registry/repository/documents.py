"""What is under the CIDs that agents name, and what is still being looked for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy import Select, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_registry.domain.agents import NOWHERE, SOUGHT, Document, DocumentState
from mesh_registry.domain.metadata import MCP
from mesh_registry.domain.registration_files import Known
from mesh_registry.repository.portions import portions
from mesh_registry.repository.tables import AgentRow, DocumentRow

REMEMBERED, REMEMBERED_LENGTH = 1024, 8192
"""Documents, and the characters of one at most: 8 MB of text."""


@dataclass(frozen=True, slots=True)
class Search:
    """A document to look for; `attempts` have been made before."""

    cid: str
    attempts: int


class Documents:
    """Every query on `documents`. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def ensure(self, cids: Iterable[str | None], now: datetime) -> Mapping[str | None, Document]:
        """What is known of documents; those of which nothing was known are looked for from `now` on."""
        wanted = {cid for cid in cids if cid is not None}
        known: dict[str | None, Document] = {None: NOWHERE}
        for some in portions(sorted(wanted)):
            query = select(DocumentRow.cid, DocumentRow.state, DocumentRow.metadata_)
            rows = await self._session.execute(query.where(DocumentRow.cid.in_(some)))
            known |= {cid: document_from(state, said) for cid, state, said in rows}
        if new := sorted(wanted - known.keys()):
            waiting = {"state": DocumentState.WAITING, "attempts": 0, "due_at": now}
            await self._session.execute(insert(DocumentRow), [{"cid": cid} | waiting for cid in new])
        return known | dict.fromkeys(new, Document(DocumentState.WAITING))

    async def is_due(self, now: datetime) -> bool:
        """Whether there is something to look for."""
        return await self._session.scalar(_due(now).with_only_columns(DocumentRow.cid).limit(1)) is not None

    async def lease(self, instance: str, now: datetime, until: datetime, most: int) -> list[Search]:
        """The documents, `most` at most, to look for next, which nobody else looks for before `until`.

        New ones come first, so that those that were not found again and again hold up nobody; those that no
        agent names any more are let be.
        """
        query = _due(now).with_only_columns(DocumentRow.cid, DocumentRow.attempts).limit(most)
        rows = await self._session.execute(query.with_for_update(skip_locked=True))
        searches = [Search(cid, attempts) for cid, attempts in rows]
        await self._schedule((search.cid for search in searches), due_at=until, leased_by=instance)
        return searches

    async def free(self, instance: str, now: datetime) -> None:
        """Ends the leases of a replica that is at its start: it looks for nothing yet."""
        query = update(DocumentRow).where(DocumentRow.leased_by == instance)
        await self._session.execute(query.values(due_at=now, leased_by=None))

    async def release(self, searches: Iterable[Search], now: datetime) -> None:
        """Ends leases under which nobody could look."""
        await self._schedule((search.cid for search in searches), due_at=now, leased_by=None)

    async def postpone(self, searches: Iterable[tuple[Search, datetime]]) -> None:
        """One more attempt has found nothing; looks for each again at the time beside it."""
        missed = [
            {"cid": search.cid, "due_at": due_at, "attempts": search.attempts + 1} | _MISSED
            for search, due_at in searches
        ]
        if missed:
            await self._session.execute(update(DocumentRow), missed)

    async def decide(self, found: Mapping[str, Document], now: datetime) -> set[str]:
        """Ends the searches for these CIDs at `now`; those that another replica has not ended before."""
        query = select(DocumentRow.cid).where(DocumentRow.cid.in_(found), DocumentRow.state.in_(SOUGHT))
        open = set(await self._session.scalars(query))
        if decided := [_decided(cid, found[cid], now) for cid in open]:
            await self._session.execute(update(DocumentRow), decided)
        return open

    async def _schedule(self, cids: Iterable[str], **lease: object) -> None:
        for some in portions(cids):
            await self._session.execute(update(DocumentRow).where(DocumentRow.cid.in_(some)).values(**lease))


def document_from(state: str, said: str | None) -> Document:
    """A row's columns as the domain has them."""
    return (_read if said and len(said) > REMEMBERED_LENGTH else _remembered)(state, said)


def _read(state: str, said: str | None) -> Document:
    return Document(DocumentState(state), None if said is None else Known.validate_json(said))


_remembered = lru_cache(REMEMBERED)(_read)
"""The best are found again and again, and reading what they say takes longer than finding them."""


_MISSED = {"state": DocumentState.UNAVAILABLE, "leased_by": None}


def _decided(cid: str, document: Document, now: datetime) -> dict[str, object]:
    return {
        "cid": cid,
        "state": document.state,
        "leased_by": None,
        "metadata_": document.metadata and document.metadata.model_dump_json(),
        "found_at": int(now.timestamp()),
        "server_title": _server_title(document),
    }


def _server_title(document: Document) -> str | None:
    """Under which name servers are searched, if it is one."""
    metadata = document.metadata
    return metadata.name.casefold() if metadata is not None and MCP in metadata.spoken else None


def _due(now: datetime) -> Select[DocumentRow]:
    is_named = exists().where(AgentRow.cid == DocumentRow.cid)
    query = select(DocumentRow).where(DocumentRow.state.in_(SOUGHT), DocumentRow.due_at <= now, is_named)
    return query.order_by(DocumentRow.attempts, DocumentRow.due_at)
