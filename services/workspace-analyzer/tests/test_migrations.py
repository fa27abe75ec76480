from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from mesh_shared.database import engine, migrate
from mesh_workspace_analyzer.repository import Base
from mesh_workspace_analyzer.settings import Settings
from sqlalchemy import Connection


async def test_the_migrations_make_the_tables_that_the_code_expects(bare_database_url: str):
    database = engine.connect(bare_database_url)
    migrations = Settings.model_fields["migrations_dir"].default
    await migrate.upgrade(database, [migrations])

    async with database.engine.connect() as connection:
        differences = await connection.run_sync(_differences)
    await database.engine.dispose()

    assert differences == []


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"include_name": _is_ours, "compare_type": True})
    return list(compare_metadata(context, Base.metadata))


def _is_ours(name: str | None, kind: str, parents: object) -> bool:
    return kind != "table" or name in Base.metadata.tables
