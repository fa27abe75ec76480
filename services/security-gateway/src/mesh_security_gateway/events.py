"""The facts this service publishes. None says what a secret is; a version and a fingerprint name it."""

from typing import ClassVar
from uuid import UUID

from mesh_shared.events.event import Event


class _KeyEvent(Event):
    id: UUID
    holder: str
    by: str

    def subject(self) -> str:
        return self.holder


class ApiKeyCreated(_KeyEvent):
    topic: ClassVar[str] = "security-gateway.api-key-created.v1"
    scopes: list[str]


class ApiKeyRescoped(_KeyEvent):
    topic: ClassVar[str] = "security-gateway.api-key-rescoped.v1"
    scopes: list[str]


class ApiKeyRevoked(_KeyEvent):
    topic: ClassVar[str] = "security-gateway.api-key-revoked.v1"


class ProviderRegistered(Event):
    topic: ClassVar[str] = "security-gateway.provider-registered.v1"
    name: str
    origin: str
    allow_private: bool
    by: str

    def subject(self) -> str:
        return self.name


class _ConnectionEvent(Event):
    name: str
    version: int
    fingerprint: str
    by: str

    def subject(self) -> str:
        return self.name


class ConnectionCreated(_ConnectionEvent):
    topic: ClassVar[str] = "security-gateway.connection-created.v1"
    provider: str


class ConnectionRotated(_ConnectionEvent):
    topic: ClassVar[str] = "security-gateway.connection-rotated.v1"


class ConnectionDeleted(_ConnectionEvent):
    topic: ClassVar[str] = "security-gateway.connection-deleted.v1"


class SecretRevoked(_ConnectionEvent):
    topic: ClassVar[str] = "security-gateway.secret-revoked.v1"


class SecretDestroyed(_ConnectionEvent):
    topic: ClassVar[str] = "security-gateway.secret-destroyed.v1"


class _GrantEvent(Event):
    id: UUID
    grantee: str
    connection: str
    by: str

    def subject(self) -> str:
        return self.grantee


class GrantGiven(_GrantEvent):
    topic: ClassVar[str] = "security-gateway.grant-given.v1"
    methods: list[str]
    paths: list[str]
    expires_at: int | None


class GrantRevoked(_GrantEvent):
    topic: ClassVar[str] = "security-gateway.grant-revoked.v1"


class PolicyPublished(Event):
    topic: ClassVar[str] = "security-gateway.policy-published.v1"
    hash: str
    by: str

    def subject(self) -> str:
        return self.hash


class _ApprovalEvent(Event):
    id: UUID
    agent: str

    def subject(self) -> str:
        return self.agent


class ApprovalAsked(_ApprovalEvent):
    topic: ClassVar[str] = "security-gateway.approval-asked.v1"
    connection: str


class ApprovalDecided(_ApprovalEvent):
    topic: ClassVar[str] = "security-gateway.approval-decided.v1"
    by: str
    state: str
