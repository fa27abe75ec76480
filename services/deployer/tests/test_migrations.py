from mesh_deployer.repository.tables import Base
from mesh_deployer.settings import Settings
from mesh_shared.database import engine, migrate
from sqlalchemy import Connection

MIGRATIONS = Settings.model_fields["migrations_dir"].default


def differences(connection: Connection) -> list[object]:
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415 - slow to import
    from alembic.migration import MigrationContext  # noqa: PLC0415

    ours = set(Base.metadata.tables)
    context = MigrationContext.configure(
        connection,
        opts={"compare_type": True, "include_name": lambda name, kind, _: kind != "table" or name in ours},
    )
    return list(compare_metadata(context, Base.metadata))


async def test_the_migrations_make_the_tables_that_the_code_expects(database_url: str):
    database = engine.connect(database_url)

    await migrate.upgrade(database, [MIGRATIONS])

    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await database.engine.dispose()
