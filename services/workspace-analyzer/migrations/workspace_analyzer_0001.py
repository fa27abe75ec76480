"""Analyses, the graphs that they rest on, and what is done later: builds, and more analyses."""

import sqlalchemy as sa
from alembic import op
from mesh_shared.database.types import BigId, Utc

revision = "workspace_analyzer_0001"
down_revision = None
branch_labels = ("workspace_analyzer",)


def upgrade() -> None:
    op.create_table(
        "analyses",
        sa.Column("position", BigId, autoincrement=True, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace", sa.String(512), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("projects", sa.Integer(), nullable=False),
        sa.Column("affected", sa.Integer(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_analyses"),
        sa.UniqueConstraint("id", name="uq_analyses_id"),
    )
    op.create_index("ix_analyses_workspace_position", "analyses", ["workspace", "position"])
    op.create_table(
        "graphs",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_graphs"),
    )
    op.create_index("ix_graphs_created_at", "graphs", ["created_at"])
    op.create_index("ix_graphs_hash", "graphs", ["hash"])
    op.create_table(
        "builds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("analysis_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("instance", sa.String(100), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("started_at", Utc(), nullable=True),
        sa.Column("finished_at", Utc(), nullable=True),
        sa.Column("log_tail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_builds"),
    )
    op.create_index("ix_builds_status_created_at", "builds", ["status", "created_at"])
    op.create_table(
        "analysis_jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("instance", sa.String(100), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("started_at", Utc(), nullable=True),
        sa.Column("finished_at", Utc(), nullable=True),
        sa.Column("starts", sa.Integer(), nullable=False),
        sa.Column("asked", sa.JSON(), nullable=False),
        sa.Column("problem", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_analysis_jobs"),
    )
    op.create_index("ix_analysis_jobs_status_created_at", "analysis_jobs", ["status", "created_at"])
    op.create_table(
        "build_logs",
        sa.Column("build_id", sa.Uuid(), nullable=False),
        sa.Column("ends_at", BigId, autoincrement=False, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("build_id", "ends_at", name="pk_build_logs"),
    )
