"""Deployments, and the book of the simulated market."""

import sqlalchemy as sa
from alembic import op
from mesh_shared.database.types import UnitAmount, Utc

revision = "deployer_0001"
down_revision = None
branch_labels = ("deployer",)


def upgrade() -> None:
    op.create_table(
        "deployments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("lease_id", sa.String(200), nullable=True),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("due_at", Utc(), nullable=True),
        sa.Column("claimed_by", sa.String(100), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deployments"),
        sa.UniqueConstraint("lease_id", name="uq_deployments_lease_id"),
    )
    op.create_index("ix_deployments_due_at", "deployments", ["due_at"])
    op.create_index("ix_deployments_owner_created_at", "deployments", ["owner", "created_at", "id"])
    op.create_index("ix_deployments_created_at", "deployments", ["created_at", "id"])
    op.create_table(
        "simulated_orders",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(20), nullable=True),
        sa.Column("offers", sa.JSON(), nullable=False),
        sa.Column("declined", sa.JSON(), nullable=False),
        sa.Column("escrow", sa.JSON(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("fault", sa.String(30), nullable=True),
        sa.Column("fault_fired", sa.Boolean(), nullable=False),
        sa.Column("leases", sa.JSON(), nullable=False),
        sa.Column("resources", sa.String(64), nullable=False),
        sa.Column("manifest", sa.JSON(), nullable=True),
        sa.Column("spent_uact", UnitAmount(), nullable=True),
        sa.PrimaryKeyConstraint("order_id", name="pk_simulated_orders"),
    )
    op.create_table(
        "remote_orders",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("backend", sa.String(20), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("dseq", sa.BigInteger(), nullable=True),
        sa.Column("void_after", sa.BigInteger(), nullable=True),
        sa.Column("resources", sa.String(64), nullable=False),
        sa.Column("manifest", sa.Text(), nullable=True),
        sa.Column("has_manifest", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(20), nullable=True),
        sa.Column("spent_uact", UnitAmount(), nullable=True),
        sa.PrimaryKeyConstraint("order_id", "backend", name="pk_remote_orders"),
        sa.UniqueConstraint("backend", "dseq", name="uq_remote_orders_backend_dseq"),
    )
