"""The security gateway: credentials that are used and never seen."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec

from mesh_client.channel import Channel
from mesh_client.streams import Event, events


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed credential by its name; `fingerprint` tells two of them apart and gives nothing away."""

    name: str
    provider: str
    owner: str
    version: int
    fingerprint: str


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What `subject` may do with a connection."""

    id: str
    subject: str
    connection: str
    methods: list[str]
    paths: list[str]
    is_revoked: bool


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the audit: an `intent` before a byte leaves, an `outcome` after, or a `change`."""

    sequence: int
    id: str
    at: str
    phase: str
    action: str
    agent: str
    connection: str | None = None
    method: str | None = None
    path: str | None = None
    decision: str | None = None
    code: str | None = None
    status: int | None = None


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the audit is what was signed; `root` is the tree's, in hex."""

    valid: bool
    entries: int
    root: str


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A new key; its text is told once."""

    id: str
    subject: str
    scopes: list[str]
    key: str


@dataclass(frozen=True, slots=True)
class Gateway:
    """Keys, credentials, grants and their audit."""

    channel: Channel

    async def create_api_key(self, subject: str, *scopes: str) -> ApiKey:
        """A key for somebody else. Not repeated: an answer that was lost is a key to be revoked."""
        body = {"subject": subject, "scopes": list(scopes)}
        return await self.channel.post_once("/v1/api-keys", ApiKey, body)

    async def connect(self, name: str, provider: str, secret: str) -> Connection:
        """Seals a credential under a name. Not repeated: a name is taken once."""
        body = {"name": name, "provider": provider, "secret": secret}
        return await self.channel.post_once("/v1/connections", Connection, body)

    def connections(self) -> AsyncIterator[Connection]:
        """All connections, without their secrets."""
        return self.channel.pages("/v1/connections", Connection)

    async def grant(
        self, subject: str, connection: str, *, methods: list[str], paths: list[str], **terms: Any
    ) -> Grant:
        """Lets `subject` call through a connection. `terms` are members of the request, such as `rate`."""
        body = {"subject": subject, "connection": connection, "methods": methods, "paths": paths} | terms
        return await self.channel.post("/v1/grants", Grant, body)

    def audit(self, *, connection: str | None = None, agent: str | None = None) -> AsyncIterator[AuditEntry]:
        """The audit, newest first."""
        return self.channel.pages("/v1/audit", AuditEntry, connection=connection, agent=agent)

    async def verify_audit(self) -> Verification:
        """Whether no entry was changed, left out or added."""
        return await self.channel.get("/v1/audit/verification", Verification)

    def events(self, *, after: int = 0) -> AsyncGenerator[Event]:
        """What the gateway publishes, without end."""
        return events(self.channel, after=after)
