"""Operations, the index of the chain, and documents."""

import sqlalchemy as sa
from alembic import op
from mesh_shared.database.types import UnitAmount, Utc

revision = "registry_0001"
down_revision = None
branch_labels = ("registry",)


def _of_agent(name: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["token_id"],
        ["agents.token_id"],
        name=name,
        ondelete="CASCADE",
        deferrable=True,
        initially="DEFERRED",
    )


def upgrade() -> None:
    op.create_table(
        "operations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("claim", sa.String(100), nullable=True),
        sa.Column("agent_id", sa.String(66), nullable=False),
        sa.Column("cid", sa.String(59), nullable=True),
        sa.Column("intent", sa.JSON(), nullable=False),
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_operations"),
        sa.UniqueConstraint("claim", name="uq_operations_claim"),
    )
    op.create_table(
        "challenges",
        sa.Column("nonce", sa.String(32), nullable=False),
        sa.Column("owner", sa.String(42), nullable=False),
        sa.Column("change", sa.JSON(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("expires_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("nonce", name="pk_challenges"),
    )
    op.create_index("ix_challenges_requested_by", "challenges", ["requested_by"])
    op.create_index("ix_challenges_expires_at", "challenges", ["expires_at"])
    op.create_table(
        "blocks",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.String(66), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_blocks"),
    )
    op.create_table(
        "occurrences",
        sa.Column("block_hash", sa.String(66), nullable=False),
        sa.Column("log_index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("transaction_hash", sa.String(66), nullable=False),
        sa.Column("token_id", sa.BigInteger(), nullable=False),
        sa.Column("fact", sa.JSON(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("block_hash", "log_index", name="pk_occurrences"),
    )
    op.create_index("ix_occurrences_block_number", "occurrences", ["block_number"])
    op.create_index("ix_occurrences_token_id", "occurrences", ["token_id", "block_number", "log_index"])
    op.create_table(
        "agents",
        sa.Column("token_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("agent_id", sa.String(66), nullable=False),
        sa.Column("did", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("cid", sa.String(59), nullable=True),
        sa.Column("owner", sa.String(42), nullable=False),
        sa.Column("stake_units", UnitAmount(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("capability_hashes", sa.Text(), nullable=False),
        sa.Column("reputation_ppm", sa.Integer(), nullable=False),
        sa.Column("feedback_count", sa.Integer(), nullable=False),
        sa.Column("unproven_count", sa.Integer(), nullable=False),
        sa.Column("supporter_count", sa.Integer(), nullable=False),
        sa.Column("praised_in", sa.BigInteger(), nullable=False),
        sa.Column("penalty_count", sa.Integer(), nullable=False),
        sa.Column("place", sa.String(120), nullable=False),
        sa.Column("transaction_hash", sa.String(66), nullable=False),
        sa.Column("registered_in", sa.BigInteger(), nullable=False),
        sa.Column("changed_in", sa.BigInteger(), nullable=False),
        sa.Column("stated_in", sa.BigInteger(), nullable=False),
        sa.Column("registered_at", sa.BigInteger(), nullable=False),
        sa.Column("stated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token_id", name="pk_agents"),
        sa.UniqueConstraint("agent_id", name="uq_agents_agent_id"),
    )
    op.create_index("ix_agents_cid", "agents", ["cid"])
    op.create_index("ix_agents_is_active_place", "agents", ["is_active", "place"])
    op.create_index("ix_agents_stated_at", "agents", ["stated_at", "token_id"])
    op.create_table(
        "offers",
        sa.Column("token_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("label", sa.String(129), nullable=False),
        sa.Column("price", UnitAmount(), nullable=True),
        sa.Column("place", sa.String(120), nullable=False),
        sa.PrimaryKeyConstraint("token_id", "label", name="pk_offers"),
        sa.ForeignKeyConstraint(
            ["token_id"], ["agents.token_id"], name="fk_offers_token_id", ondelete="CASCADE"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_offers_label_place", "offers", ["label", "place"])
    op.create_table(
        "documents",
        sa.Column("cid", sa.String(59), nullable=False),
        sa.Column("state", sa.String(11), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", Utc(), nullable=False),
        sa.Column("leased_by", sa.String(100), nullable=True),
        sa.Column("server_title", sa.Text(), nullable=True),
        sa.Column("found_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("cid", name="pk_documents"),
    )
    op.create_index("ix_documents_server_title", "documents", ["server_title"])
    op.create_index("ix_documents_state_due_at", "documents", ["state", "due_at"])
    op.create_table(
        "postings",
        sa.Column("term", sa.String(48), nullable=False),
        sa.Column("cid", sa.String(59), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("term", "cid", name="pk_postings"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "cards",
        sa.Column("agent_id", sa.String(66), nullable=False),
        sa.Column("cid", sa.String(59), nullable=False),
        sa.Column("url", sa.String(500), nullable=False),
        sa.Column("card", sa.JSON(), nullable=False),
        sa.Column("verdict", sa.String(13), nullable=False),
        sa.Column("key", sa.String(43), nullable=True),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("seen_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("agent_id", name="pk_cards"),
    )
    op.create_table(
        "feedback",
        sa.Column("token_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("client", sa.String(42), nullable=False),
        sa.Column("index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("value", UnitAmount(), nullable=False),
        sa.Column("decimals", sa.Integer(), nullable=False),
        sa.Column("tag1", sa.Text(), nullable=False),
        sa.Column("tag2", sa.Text(), nullable=False),
        sa.Column("quality_ppm", sa.Integer(), nullable=True),
        sa.Column("escrow_id", sa.String(66), nullable=True),
        sa.Column("is_refunded", sa.Boolean(), nullable=False),
        sa.Column("is_revoked", sa.Boolean(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("transaction_hash", sa.String(66), nullable=False),
        sa.PrimaryKeyConstraint("token_id", "client", "index", name="pk_feedback"),
        _of_agent("fk_feedback_token_id"),
    )
    op.create_index("ix_feedback_token_id", "feedback", ["token_id", "block_number", "log_index"])
    op.create_table(
        "responses",
        sa.Column("block_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("log_index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("token_id", sa.BigInteger(), nullable=False),
        sa.Column("client", sa.String(42), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("responder", sa.String(42), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("block_number", "log_index", name="pk_responses"),
        _of_agent("fk_responses_token_id"),
    )
    op.create_index("ix_responses_token_id", "responses", ["token_id", "client", "index"])
    op.create_table(
        "validations",
        sa.Column("token_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("validator", sa.String(42), nullable=False),
        sa.Column("request_hash", sa.String(66), nullable=False),
        sa.Column("request_uri", sa.Text(), nullable=False),
        sa.Column("response", sa.Integer(), nullable=True),
        sa.Column("response_uri", sa.Text(), nullable=True),
        sa.Column("tag", sa.Text(), nullable=True),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("token_id", "validator", "request_hash", name="pk_validations"),
        _of_agent("fk_validations_token_id"),
    )
    op.create_index("ix_validations_token_id", "validations", ["token_id", "block_number", "log_index"])
    op.create_table(
        "settlements",
        sa.Column("escrow_id", sa.String(66), nullable=False),
        sa.Column("is_refunded", sa.Boolean(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("escrow_id", name="pk_settlements"),
    )
    op.create_index("ix_settlements_block_number", "settlements", ["block_number"])
