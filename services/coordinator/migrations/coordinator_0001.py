"""Runs, their steps, the attempts at each step, and what happened in order."""

import sqlalchemy as sa
from alembic import op
from mesh_shared.database.types import BigId, Utc

revision = "coordinator_0001"
down_revision = None
branch_labels = ("coordinator",)


def upgrade() -> None:
    op.create_table(
        "budgets",
        sa.Column("position", BigId, autoincrement=True, nullable=False),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("limit_units", sa.BigInteger(), nullable=False),
        sa.Column("reserved_units", sa.BigInteger(), nullable=False),
        sa.Column("spent_units", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.CheckConstraint(
            "reserved_units >= 0 AND spent_units >= 0 AND reserved_units + spent_units <= limit_units",
            name="ck_budgets_limit",
        ),
        sa.PrimaryKeyConstraint("position", name="pk_budgets"),
        sa.UniqueConstraint("owner", "name", name="uq_budgets_owner_name"),
    )
    op.create_table(
        "runs",
        sa.Column("position", BigId, autoincrement=True, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("forked_from", sa.Uuid(), nullable=True),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("task_hash", sa.String(64), nullable=False),
        sa.Column("given", sa.JSON(), nullable=False),
        sa.Column("wanted_output", sa.JSON(), nullable=False),
        sa.Column("output", sa.JSON(), nullable=True),
        sa.Column("on_failure", sa.String(10), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("stopping", sa.String(10), nullable=True),
        sa.Column("is_paused", sa.Boolean(), nullable=False),
        sa.Column("budget_units", sa.BigInteger(), nullable=False),
        sa.Column("reserved_units", sa.BigInteger(), nullable=False),
        sa.Column("spent_units", sa.BigInteger(), nullable=False),
        sa.Column("shared_budget", BigId, nullable=True),
        sa.Column("conductor", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("traceparent", sa.String(55), nullable=True),
        sa.Column("quorum", sa.Integer(), nullable=True),
        sa.Column("parallel", sa.Integer(), nullable=True),
        sa.Column("deadline", Utc(), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.CheckConstraint(
            "reserved_units >= 0 AND spent_units >= 0 AND reserved_units + spent_units <= budget_units",
            name="ck_runs_budget",
        ),
        sa.ForeignKeyConstraint(["shared_budget"], ["budgets.position"], name="fk_runs_shared_budget"),
        sa.PrimaryKeyConstraint("position", name="pk_runs"),
        sa.UniqueConstraint("id", name="uq_runs_id"),
    )
    op.create_index("ix_runs_status", "runs", ["status"])
    op.create_table(
        "steps",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.String(80), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("is_mapped", sa.Boolean(), nullable=False),
        sa.Column("parent", sa.String(70), nullable=True),
        sa.Column("is_undoable", sa.Boolean(), nullable=False),
        sa.Column("is_undo", sa.Boolean(), nullable=False),
        sa.Column("item_number", sa.Integer(), nullable=False),
        sa.Column("item", sa.JSON(), nullable=True),
        sa.Column("needs", sa.JSON(), nullable=False),
        sa.Column("is_optional", sa.Boolean(), nullable=False),
        sa.Column("agents", sa.JSON(), nullable=False),
        sa.Column("requirement", sa.JSON(), nullable=False),
        sa.Column("candidates", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("auction", sa.String(10), nullable=True),
        sa.Column("bids_until", Utc(), nullable=True),
        sa.Column("approval", sa.String(10), nullable=True),
        sa.Column("approval_id", sa.Uuid(), nullable=True),
        sa.Column("approval_by", sa.String(128), nullable=True),
        sa.Column("approval_at", Utc(), nullable=True),
        sa.Column("reason", sa.String(40), nullable=True),
        sa.Column("hedge_after_s", sa.Integer(), nullable=True),
        sa.Column("winner", sa.Integer(), nullable=True),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("kept_from", sa.Uuid(), nullable=True),
        sa.Column("started_at", Utc(), nullable=True),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_steps_run_id"),
        sa.PrimaryKeyConstraint("run_id", "id", name="pk_steps"),
    )
    op.create_table(
        "attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("step_id", sa.String(80), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("candidate", sa.JSON(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("price_units", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("failure", sa.String(40), nullable=True),
        sa.Column("detail", sa.String(300), nullable=True),
        sa.Column("outcome", sa.String(10), nullable=True),
        sa.Column("escrow_id", sa.String(66), nullable=True),
        sa.Column("terms", sa.JSON(), nullable=True),
        sa.Column("transaction_id", sa.Uuid(), nullable=True),
        sa.Column("sends", sa.Integer(), nullable=False),
        sa.Column("doubted_id", sa.Uuid(), nullable=True),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("delivery", sa.JSON(), nullable=True),
        sa.Column("report", sa.JSON(), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("called_at", Utc(), nullable=True),
        sa.Column("delivered_at", Utc(), nullable=True),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_attempts_run_id"),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
        sa.UniqueConstraint("run_id", "step_id", "number", name="uq_attempts_run_id_step_id_number"),
    )
    op.create_index("ix_attempts_state", "attempts", ["state"])
    op.create_index("ix_attempts_escrow_id", "attempts", ["escrow_id"])
    op.create_table(
        "bids",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("step_id", sa.String(80), nullable=False),
        sa.Column("agent_id", sa.String(66), nullable=False),
        sa.Column("price_units", sa.BigInteger(), nullable=False),
        sa.Column("signature", sa.String(132), nullable=False),
        sa.Column("time", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_bids_run_id"),
        sa.PrimaryKeyConstraint("run_id", "step_id", "agent_id", name="pk_bids"),
    )
    op.create_table(
        "run_events",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("time", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_run_events_run_id"),
        sa.PrimaryKeyConstraint("run_id", "sequence", name="pk_run_events"),
    )
