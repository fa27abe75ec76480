"""The transaction journal."""

import sqlalchemy as sa
from alembic import op
from mesh_shared.database.types import BigId, UnitAmount, Utc

revision = "chain_0001"
down_revision = None
branch_labels = ("chain",)


def upgrade() -> None:
    op.create_table(
        "chain_transactions",
        sa.Column("position", BigId, autoincrement=True, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("sender", sa.String(42), nullable=False),
        sa.Column("to", sa.String(42), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("value_wei", UnitAmount(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("nonce", BigId, nullable=True),
        sa.Column("gas", BigId, nullable=True),
        sa.Column("max_fee_wei", UnitAmount(), nullable=True),
        sa.Column("priority_fee_wei", UnitAmount(), nullable=True),
        sa.Column("raw", sa.LargeBinary(), nullable=True),
        sa.Column("hash", sa.String(66), nullable=True),
        sa.Column("earlier_hashes", sa.JSON(), nullable=False),
        sa.Column("broadcast_at", Utc(), nullable=True),
        sa.Column("block_number", BigId, nullable=True),
        sa.Column("block_hash", sa.String(66), nullable=True),
        sa.Column("succeeded", sa.Boolean(), nullable=True),
        sa.Column("error", sa.String(500), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_chain_transactions"),
        sa.UniqueConstraint("id", name="uq_chain_transactions_id"),
        sa.UniqueConstraint("key", name="uq_chain_transactions_key"),
        sa.UniqueConstraint("sender", "nonce", name="uq_chain_transactions_sender_nonce"),
    )
    op.create_index("ix_chain_transactions_sender_state", "chain_transactions", ["sender", "state"])
