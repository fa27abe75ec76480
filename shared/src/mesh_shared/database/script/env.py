"""Alembic's entry: runs on the connection that `mesh_shared.database.migrate` hands over."""

from alembic import context

connection = context.config.attributes["connection"]
# SQLite changes a table by copying it, which batch mode does.
context.configure(connection=connection, render_as_batch=connection.dialect.name == "sqlite")
with context.begin_transaction():
    context.run_migrations()
