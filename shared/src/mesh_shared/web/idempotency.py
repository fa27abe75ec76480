"""Makes a POST safe to repeat: one effect per key, and the first answer again.

After draft-ietf-httpapi-idempotency-key; docs/adr/0003 says where and why it differs.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Header, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy import Index, LargeBinary, String, delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from mesh_shared.database.engine import Database
from mesh_shared.errors import IdempotencyKeyReused, IdempotentRequestRunning, MeshError
from mesh_shared.events.outbox import Foundation
from mesh_shared.web import problems, security

HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)
REPLAYED_FIELDS = ("location", "content-type", "etag", "retry-after", "payment-response")
# Refusals that say nothing about the request's effect; the next attempt may fare better.
_FORGOTTEN = frozenset({401, 402, 403, 429})

Handler = Callable[[Request], Awaitable[Response]]
_FIELD = Header(
    alias=HEADER,
    min_length=1,
    max_length=255,
    pattern=r"^[\x21-\x7e]+$",
    description="Repeating the request with this key has no second effect and gets the first answer.",
    examples=["8e03978e-40d5-43e8-bc93-6894a57f9324"],
)
IdempotencyKey = Annotated[str | None, _FIELD]
"""Declare it on a POST and the route replays."""
RequiredIdempotencyKey = Annotated[str, _FIELD]
"""For a POST that moves money or a deployment; leaving it out is answered with 400."""


class IdempotencyRow(Foundation):
    """`status` is null while the first request runs, in the replica `instance`."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_created_at", "created_at"),)

    scope: Mapped[str] = mapped_column(String(64), primary_key=True)
    body_hash: Mapped[str] = mapped_column(String(64))
    instance: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime]
    status: Mapped[int | None]
    headers: Mapped[dict[str, Any] | None]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)


@dataclass(frozen=True, slots=True)
class IdempotencyKeys:
    """The keys that a service has seen in the last day."""

    database: Database
    instance: str

    async def recover(self) -> None:
        """Frees what this replica was doing when it died. The use cases recognise work done by its key."""
        async with self.database.write() as session:
            running = (IdempotencyRow.instance == self.instance, IdempotencyRow.status.is_(None))
            await session.execute(delete(IdempotencyRow).where(*running))
            await session.execute(
                delete(IdempotencyRow).where(IdempotencyRow.created_at < datetime.now(UTC) - KEPT)
            )

    async def once(self, request: Request, handle: Handler) -> Response:
        """The answer of the first request with this key; runs `handle` when this is the first.

        Raises `IdempotencyKeyReused` for another body, `IdempotentRequestRunning` while the first runs.
        """
        scope, body_hash = await _scope(request), hashlib.sha256(await request.body()).hexdigest()
        if not await self._claim(scope, body_hash):
            return await self._replay(scope, body_hash)
        answered = False
        try:
            response = await _answer(request, handle)
            answered = response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
            answered = answered and response.status_code not in _FORGOTTEN
            if answered:
                await self._keep(scope, response)
            return response
        finally:
            if not answered:
                await self._free(scope)

    async def _claim(self, scope: str, body_hash: str) -> bool:
        row = IdempotencyRow(
            scope=scope, body_hash=body_hash, instance=self.instance, created_at=datetime.now(UTC)
        )
        try:
            async with self.database.write() as session:
                session.add(row)
        except IntegrityError:
            return False
        return True

    async def _replay(self, scope: str, body_hash: str) -> Response:
        async with self.database.read() as session:
            row = await session.get(IdempotencyRow, scope)
        if row is not None and row.body_hash != body_hash:
            raise IdempotencyKeyReused("This key belongs to a request with another body.")
        if row is None or row.status is None:
            raise IdempotentRequestRunning("The first request with this key is still running.")
        headers = (row.headers or {}) | {"Idempotency-Replayed": "true"}
        return Response(row.body, row.status, headers)

    async def _keep(self, scope: str, response: Response) -> None:
        async with self.database.write() as session:
            row = await session.get_one(IdempotencyRow, scope)
            row.status = response.status_code
            row.headers = {name: value for name, value in response.headers.items() if name in REPLAYED_FIELDS}
            row.body = bytes(response.body)

    async def _free(self, scope: str) -> None:
        async with self.database.write() as session:
            await session.execute(delete(IdempotencyRow).where(IdempotencyRow.scope == scope))


async def _answer(request: Request, handle: Handler) -> Response:
    try:
        return await handle(request)
    except RequestValidationError:
        raise
    except MeshError as error:
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        return problems.render(request.url.path, error)


async def _scope(request: Request) -> str:
    caller = await security.authenticate(request)
    parts = (caller.subject if caller else "", request.method, request.url.path, request.headers[HEADER])
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
