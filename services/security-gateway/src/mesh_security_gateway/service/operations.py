"""Secure operations: the data path for who wants one whole answer and the context it came about in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from mesh_shared.auth.tokens import Principal
from msgspec import structs

from mesh_security_gateway.domain.headers import Fields
from mesh_security_gateway.domain.paths import canonical_path, checked_query
from mesh_security_gateway.errors import OperationUnfit, PathRefused
from mesh_security_gateway.service.bodies import once
from mesh_security_gateway.service.calls import Calls
from mesh_security_gateway.service.sending import Asked

ACTION = "secure-operation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What is to be done: `path` may carry a query, `json` is the body's canonical JSON."""

    connection: str
    method: str
    path: str
    fields: Fields
    json: bytes | None
    approval: UUID | None = None
    lease: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Performed:
    """The answer, what the caller may do here, and the ids of the audit entries that the operation left."""

    status: int
    fields: Fields
    body: Any
    permissions: tuple[str, ...]
    audit_trail: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """Performs one call and returns its whole answer, of at most `max_bytes`."""

    calls: Calls
    max_bytes: int

    async def perform(self, caller: Principal, operation: Operation, key: str | None) -> Performed:
        """Sends the operation; the idempotency `key` goes to the upstream too, for a request that is
        repeated.

        Raises `OperationUnfit` for a path or header that is not forwarded, and what `Calls.open` and
        `Exchange.answer` raise.
        """
        try:
            exchange = await self.calls.open(caller, _asked(operation, key))
        except PathRefused:
            raise OperationUnfit from None
        async with structs.replace(exchange, max_bytes=self.max_bytes).answer() as pieces:
            body = b"".join([piece async for piece in pieces])
        return Performed(
            status=exchange.status,
            fields=exchange.fields(),
            body=_read(body, exchange.clean),
            permissions=exchange.permissions(),
            audit_trail=exchange.pending.ids,
        )


def _asked(operation: Operation, key: str | None) -> Asked:
    path, _, query = operation.path.partition("?")
    fields = operation.fields
    if operation.json is not None:
        fields = (*fields, ("content-type", "application/json"))
    if key is not None:
        fields = (*fields, ("idempotency-key", key))
    return Asked(
        action=ACTION,
        connection=operation.connection,
        method=operation.method,
        path=canonical_path(path.encode()),
        query=checked_query(query.encode()),
        fields=fields,
        body=None if operation.json is None else once(operation.json),
        length=None if operation.json is None else len(operation.json),
        approval=operation.approval,
        lease=operation.lease,
    )


def _read(body: bytes, clean: Callable[[bytes], bytes]) -> Any:
    """JSON as what it says, everything else as text; null when there is nothing."""
    if not body:
        return None
    try:
        # Cleaned once more: reading undoes every escape, also one that only the upstream would think of.
        return orjson.loads(clean(orjson.dumps(orjson.loads(body))))
    except orjson.JSONDecodeError:
        return body.decode(errors="replace")
