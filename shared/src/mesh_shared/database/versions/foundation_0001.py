"""Events, idempotency keys, tasks of A2A and shared secrets."""

import sqlalchemy as sa
from alembic import op
from mesh_shared.database.types import BigId, Utc

revision = "foundation_0001"
down_revision = None
branch_labels = ("foundation",)


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("position", BigId, autoincrement=True, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sequence", BigId, nullable=True),
        sa.Column("type", sa.String(100), nullable=False),
        sa.Column("subject", sa.String(200), nullable=True),
        sa.Column("time", Utc(), nullable=False),
        sa.Column("traceparent", sa.String(55), nullable=True),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("is_published", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_events"),
        sa.UniqueConstraint("sequence", name="uq_events_sequence"),
    )
    op.create_index("ix_events_is_published", "events", ["is_published", "sequence"])
    op.create_table(
        "idempotency_keys",
        sa.Column("scope", sa.String(64), nullable=False),
        sa.Column("body_hash", sa.String(64), nullable=False),
        sa.Column("instance", sa.String(100), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", sa.JSON(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("scope", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    op.create_table(
        "a2a_tasks",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("context_id", sa.String(200), nullable=False),
        sa.Column("state", sa.String(30), nullable=False),
        sa.Column("instance", sa.String(100), nullable=False),
        sa.Column("version", BigId, nullable=False),
        sa.Column("message_id", sa.String(200), nullable=True),
        sa.Column("updated_at", Utc(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_a2a_tasks"),
        sa.UniqueConstraint("owner", "message_id", name="uq_a2a_tasks_owner_message_id"),
    )
    op.create_index("ix_a2a_tasks_owner", "a2a_tasks", ["owner", "updated_at", "id"])
    op.create_table(
        "service_secrets",
        sa.Column("name", sa.String(50), nullable=False),
        sa.Column("value", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_service_secrets"),
    )
