"""The gateway's tables."""

from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

from mesh_shared.database import types
from mesh_shared.database.types import TYPES, BigId
from sqlalchemy import BigInteger, ForeignKey, ForeignKeyConstraint, Index, LargeBinary, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


def _now() -> datetime:
    return datetime.now(UTC)


class Base(DeclarativeBase):
    metadata = types.metadata()
    type_annotation_map: ClassVar = TYPES


class ApiKeyRow(Base):
    """`digest` is the HMAC of the key under the pepper; the key itself is nowhere. Expiry in Unix seconds."""

    __tablename__ = "api_keys"

    position: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    id: Mapped[UUID] = mapped_column(unique=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    subject: Mapped[str] = mapped_column(String(128), index=True)
    scopes: Mapped[list[str]]
    created_by: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime] = mapped_column(default=_now)
    expires_at: Mapped[int | None] = mapped_column(BigInteger)
    revoked_at: Mapped[datetime | None]
    jkt: Mapped[str | None] = mapped_column(String(43))


class WalletAnswerRow(Base):
    """An answer that opened a session, until it is too old to come again. Unix seconds."""

    __tablename__ = "wallet_answers"

    nonce: Mapped[str] = mapped_column(String(56), primary_key=True)
    expires_at: Mapped[int] = mapped_column(BigInteger, index=True)


class ProviderRow(Base):
    __tablename__ = "providers"

    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    origin: Mapped[str] = mapped_column(String(270))
    base_path: Mapped[str] = mapped_column(String(200))
    injector: Mapped[dict[str, Any]]
    allow_private: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(default=_now)


class ConnectionRow(Base):
    """`version` and `fingerprint` are those of the newest secret. `rules` changes with every grant that is
    given or revoked here, so that whoever read them before knows that they are old.
    """

    __tablename__ = "connections"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(63), unique=True)
    provider: Mapped[str] = mapped_column(ForeignKey("providers.name"), index=True)
    owner: Mapped[str] = mapped_column(String(128))
    version: Mapped[int]
    fingerprint: Mapped[str] = mapped_column(String(16))
    rules: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[datetime] = mapped_column(default=_now)
    rotated_at: Mapped[datetime] = mapped_column(default=_now)


class SecretVersionRow(Base):
    """An envelope; see `domain.versions` for its states. `not_after` is in Unix seconds."""

    __tablename__ = "secret_versions"

    connection_id: Mapped[UUID] = mapped_column(
        ForeignKey("connections.id", ondelete="CASCADE"), primary_key=True
    )
    version: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(String(10))
    kek_id: Mapped[str] = mapped_column(String(16))
    wrapped_key: Mapped[bytes] = mapped_column(LargeBinary)
    ciphertext: Mapped[bytes] = mapped_column(LargeBinary)
    fingerprint: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(default=_now)
    not_after: Mapped[int | None] = mapped_column(BigInteger)


class TokenRow(Base):
    """An envelope with a token that was fetched with that version of a secret."""

    __tablename__ = "tokens"
    __table_args__ = (
        ForeignKeyConstraint(
            ["connection_id", "version"],
            ["secret_versions.connection_id", "secret_versions.version"],
            ondelete="CASCADE",
        ),
    )

    connection_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kek_id: Mapped[str] = mapped_column(String(16))
    wrapped_key: Mapped[bytes] = mapped_column(LargeBinary)
    ciphertext: Mapped[bytes] = mapped_column(LargeBinary)
    fetched_at: Mapped[datetime] = mapped_column(default=_now, onupdate=_now)


class GrantRow(Base):
    """A revoked or expired grant stays: who once had one may know that the connection exists.

    `calls` in `per_s` seconds is its rate, `units` its budget, of which `spent` are gone. `changed_in` is
    what its connection's `rules` were made by giving or revoking it.
    """

    __tablename__ = "grants"
    __table_args__ = (Index("ix_grants_connection_id_subject", "connection_id", "subject"),)

    position: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    id: Mapped[UUID] = mapped_column(unique=True)
    connection_id: Mapped[UUID] = mapped_column(ForeignKey("connections.id", ondelete="CASCADE"))
    subject: Mapped[str] = mapped_column(String(128), index=True)
    methods: Mapped[list[str]]
    paths: Mapped[list[str]]
    created_by: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime] = mapped_column(default=_now)
    expires_at: Mapped[int | None] = mapped_column(BigInteger)
    revoked_at: Mapped[datetime | None]
    calls: Mapped[int | None]
    per_s: Mapped[int | None]
    units: Mapped[int | None] = mapped_column(BigInteger)
    per_call: Mapped[int | None] = mapped_column(BigInteger)
    spent: Mapped[int] = mapped_column(BigInteger, default=0)
    needs_approval: Mapped[bool] = mapped_column(default=False)
    changed_in: Mapped[int] = mapped_column(BigInteger)


class LeaseRow(Base):
    """See `domain.leases`. Instants in Unix seconds."""

    __tablename__ = "leases"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(String(230), unique=True)
    connection_id: Mapped[UUID] = mapped_column(ForeignKey("connections.id", ondelete="CASCADE"), index=True)
    holder: Mapped[str] = mapped_column(String(128), index=True)
    created_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger)
    ends_at: Mapped[int] = mapped_column(BigInteger)
    is_revoked: Mapped[bool] = mapped_column(default=False)


class PolicyRow(Base):
    """A publication; the newest holds."""

    __tablename__ = "policies"

    position: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    hash: Mapped[str] = mapped_column(String(64), index=True)
    text: Mapped[str] = mapped_column(Text)
    author: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime] = mapped_column(default=_now)


class ApprovalRow(Base):
    """A question about one exact request: `digest` is SHA-256 of it. Instants in Unix seconds."""

    __tablename__ = "approvals"
    __table_args__ = (Index("ix_approvals_agent_state", "agent", "state"),)

    position: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    id: Mapped[UUID] = mapped_column(unique=True)
    digest: Mapped[str] = mapped_column(String(64), index=True)
    agent: Mapped[str] = mapped_column(String(128))
    connection_id: Mapped[UUID] = mapped_column(ForeignKey("connections.id", ondelete="CASCADE"), index=True)
    method: Mapped[str] = mapped_column(String(10))
    path: Mapped[str] = mapped_column(Text)
    query_keys: Mapped[list[str]]
    body_digest: Mapped[str] = mapped_column(String(64))
    body_bytes: Mapped[int]
    state: Mapped[str] = mapped_column(String(10))
    approver: Mapped[str | None] = mapped_column(String(128))
    created_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger)


class AuditEntryRow(Base):
    """`leaf` is the tree's hash of `body`; the other columns only find it, and are checked against it."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_agent_sequence", "agent", "sequence"),
        Index("ix_audit_entries_connection_sequence", "connection", "sequence"),
    )

    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    agent: Mapped[str] = mapped_column(String(128))
    connection: Mapped[str | None] = mapped_column(String(63))
    intent: Mapped[int | None] = mapped_column(BigInteger, index=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    leaf: Mapped[bytes] = mapped_column(LargeBinary)


class AuditNodeRow(Base):
    """The root of a complete subtree with 2^`height` leaves, at every eighth height; `index` from left."""

    __tablename__ = "audit_nodes"

    height: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class AuditHeadRow(Base):
    """One row: the tree's right edge, and what the audit key signed of it. Writers take turns by its lock."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(BigInteger)
    peaks: Mapped[bytes] = mapped_column(LargeBinary)
    note: Mapped[str] = mapped_column(Text)


class AuditCheckpointRow(Base):
    """A signed checkpoint that stays."""

    __tablename__ = "audit_checkpoints"

    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    note: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=_now)
