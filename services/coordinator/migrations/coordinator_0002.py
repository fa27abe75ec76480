"""The ledger of small amounts: the database keeps its balances, and nobody changes what is on record."""

import sqlalchemy as sa
from alembic import op
from mesh_shared.database.types import BigId, Utc

revision = "coordinator_0002"
down_revision = "coordinator_0001"

POSTED = """
UPDATE ledger_accounts
SET balance_units = balance_units + CASE WHEN name = NEW.credit THEN NEW.units ELSE -NEW.units END
WHERE name IN (NEW.debit, NEW.credit);
"""
KNOWN = "INSERT INTO ledger_accounts (name, balance_units) VALUES (NEW.debit, 0), (NEW.credit, 0)"
ON_SQLITE = (
    f"""CREATE TRIGGER ledger_post BEFORE INSERT ON ledger_transfers BEGIN
    {KNOWN.replace("INSERT", "INSERT OR IGNORE")}; {POSTED} END""",
    """CREATE TRIGGER ledger_keep BEFORE UPDATE ON ledger_transfers BEGIN
    SELECT RAISE(ABORT, 'a transfer is not changed'); END""",
    """CREATE TRIGGER ledger_hold BEFORE DELETE ON ledger_transfers BEGIN
    SELECT RAISE(ABORT, 'a transfer is not removed'); END""",
)
# Both accounts are locked in the order of their names, so that no two transfers wait for each other.
ON_POSTGRESQL = (
    f"""CREATE FUNCTION ledger_post() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    {KNOWN} ON CONFLICT DO NOTHING;
    PERFORM 1 FROM ledger_accounts WHERE name IN (NEW.debit, NEW.credit) ORDER BY name FOR UPDATE;
    {POSTED} RETURN NEW; END $$""",
    """CREATE FUNCTION ledger_keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'a transfer is not changed or removed' USING ERRCODE = 'integrity_constraint_violation';
    END $$""",
    """CREATE TRIGGER ledger_post BEFORE INSERT ON ledger_transfers
    FOR EACH ROW EXECUTE FUNCTION ledger_post()""",
    """CREATE TRIGGER ledger_keep BEFORE UPDATE OR DELETE ON ledger_transfers
    FOR EACH ROW EXECUTE FUNCTION ledger_keep()""",
)


def upgrade() -> None:
    op.create_table(
        "ledger_accounts",
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("balance_units", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("balance_units >= 0 OR name = 'payer'", name="ck_ledger_accounts_balance"),
        sa.PrimaryKeyConstraint("name", name="pk_ledger_accounts"),
    )
    op.create_table(
        "ledger_transfers",
        sa.Column("position", BigId, autoincrement=True, nullable=False),
        sa.Column("key", sa.String(60), nullable=False),
        sa.Column("debit", sa.String(60), nullable=False),
        sa.Column("credit", sa.String(60), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.CheckConstraint("units > 0", name="ck_ledger_transfers_units"),
        sa.CheckConstraint("debit <> credit", name="ck_ledger_transfers_accounts"),
        sa.ForeignKeyConstraint(["debit"], ["ledger_accounts.name"], name="fk_ledger_transfers_debit"),
        sa.ForeignKeyConstraint(["credit"], ["ledger_accounts.name"], name="fk_ledger_transfers_credit"),
        sa.PrimaryKeyConstraint("position", name="pk_ledger_transfers"),
        sa.UniqueConstraint("key", name="uq_ledger_transfers_key"),
    )
    op.create_index("ix_ledger_transfers_debit", "ledger_transfers", ["debit"])
    op.create_index("ix_ledger_transfers_credit", "ledger_transfers", ["credit"])
    op.create_table(
        "payouts",
        sa.Column("position", BigId, autoincrement=True, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payee", sa.String(42), nullable=False),
        sa.Column("open_payee", sa.String(42), nullable=True),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("sends", sa.Integer(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("paid_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("position", name="pk_payouts"),
        sa.UniqueConstraint("id", name="uq_payouts_id"),
        sa.UniqueConstraint("open_payee", name="uq_payouts_open_payee"),
    )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in ON_SQLITE if is_sqlite else ON_POSTGRESQL:
        op.execute(statement)
