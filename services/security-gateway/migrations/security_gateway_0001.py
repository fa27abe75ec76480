"""API keys, providers, connections with their secrets, grants, and the audit."""

import sqlalchemy as sa
from alembic import op
from mesh_shared.database.types import BigId, Utc

revision = "security_gateway_0001"
down_revision = None
branch_labels = ("security_gateway",)


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("position", BigId, autoincrement=True, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_by", sa.String(128), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", Utc(), nullable=True),
        sa.Column("jkt", sa.String(43), nullable=True),
        sa.PrimaryKeyConstraint("position", name="pk_api_keys"),
        sa.UniqueConstraint("id", name="uq_api_keys_id"),
        sa.UniqueConstraint("digest", name="uq_api_keys_digest"),
    )
    op.create_index("ix_api_keys_subject", "api_keys", ["subject"])
    op.create_table(
        "wallet_answers",
        sa.Column("nonce", sa.String(56), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("nonce", name="pk_wallet_answers"),
    )
    op.create_index("ix_wallet_answers_expires_at", "wallet_answers", ["expires_at"])
    op.create_table(
        "providers",
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("origin", sa.String(270), nullable=False),
        sa.Column("base_path", sa.String(200), nullable=False),
        sa.Column("injector", sa.JSON(), nullable=False),
        sa.Column("allow_private", sa.Boolean(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_providers"),
    )
    op.create_table(
        "connections",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("provider", sa.String(63), nullable=False),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(16), nullable=False),
        sa.Column("rules", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("rotated_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_connections"),
        sa.UniqueConstraint("name", name="uq_connections_name"),
        sa.ForeignKeyConstraint(["provider"], ["providers.name"], name="fk_connections_provider"),
    )
    op.create_index("ix_connections_provider", "connections", ["provider"])
    op.create_table(
        "secret_versions",
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("kek_id", sa.String(16), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.String(16), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("not_after", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("connection_id", "version", name="pk_secret_versions"),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.id"],
            name="fk_secret_versions_connection_id",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "tokens",
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kek_id", sa.String(16), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("fetched_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("connection_id", "version", name="pk_tokens"),
        sa.ForeignKeyConstraint(
            ["connection_id", "version"],
            ["secret_versions.connection_id", "secret_versions.version"],
            name="fk_tokens_connection_id",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "grants",
        sa.Column("position", BigId, autoincrement=True, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False),
        sa.Column("methods", sa.JSON(), nullable=False),
        sa.Column("paths", sa.JSON(), nullable=False),
        sa.Column("created_by", sa.String(128), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", Utc(), nullable=True),
        sa.Column("calls", sa.Integer(), nullable=True),
        sa.Column("per_s", sa.Integer(), nullable=True),
        sa.Column("units", sa.BigInteger(), nullable=True),
        sa.Column("per_call", sa.BigInteger(), nullable=True),
        sa.Column("spent", sa.BigInteger(), nullable=False),
        sa.Column("needs_approval", sa.Boolean(), nullable=False),
        sa.Column("changed_in", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_grants"),
        sa.UniqueConstraint("id", name="uq_grants_id"),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name="fk_grants_connection_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_grants_connection_id_subject", "grants", ["connection_id", "subject"])
    op.create_index("ix_grants_subject", "grants", ["subject"])
    op.create_table(
        "leases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("path", sa.String(230), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("holder", sa.String(128), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("is_revoked", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_leases"),
        sa.UniqueConstraint("path", name="uq_leases_path"),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name="fk_leases_connection_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_leases_connection_id", "leases", ["connection_id"])
    op.create_index("ix_leases_holder", "leases", ["holder"])
    op.create_table(
        "policies",
        sa.Column("position", BigId, autoincrement=True, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("author", sa.String(128), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_policies"),
    )
    op.create_index("ix_policies_hash", "policies", ["hash"])
    op.create_table(
        "approvals",
        sa.Column("position", BigId, autoincrement=True, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("agent", sa.String(128), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("method", sa.String(10), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("query_keys", sa.JSON(), nullable=False),
        sa.Column("body_digest", sa.String(64), nullable=False),
        sa.Column("body_bytes", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("approver", sa.String(128), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_approvals"),
        sa.UniqueConstraint("id", name="uq_approvals_id"),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name="fk_approvals_connection_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_approvals_agent_state", "approvals", ["agent", "state"])
    op.create_index("ix_approvals_connection_id", "approvals", ["connection_id"])
    op.create_index("ix_approvals_digest", "approvals", ["digest"])
    op.create_table(
        "audit_entries",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("agent", sa.String(128), nullable=False),
        sa.Column("connection", sa.String(63), nullable=True),
        sa.Column("intent", sa.BigInteger(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_audit_entries"),
    )
    op.create_index("ix_audit_entries_agent_sequence", "audit_entries", ["agent", "sequence"])
    op.create_index("ix_audit_entries_connection_sequence", "audit_entries", ["connection", "sequence"])
    op.create_index("ix_audit_entries_intent", "audit_entries", ["intent"])
    op.create_table(
        "audit_nodes",
        sa.Column("height", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("height", "index", name="pk_audit_nodes"),
    )
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("peaks", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_head"),
    )
    op.create_table(
        "audit_checkpoints",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("size", name="pk_audit_checkpoints"),
    )
