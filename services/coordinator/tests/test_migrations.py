from mesh_coordinator.repository.tables import Base
from mesh_coordinator.settings import Settings
from mesh_shared.chain.journal import ChainTables
from mesh_shared.database import engine, migrate
from mesh_shared.events.outbox import Foundation
from mesh_shared.testing import schema_differences

MIGRATIONS = Settings.model_fields["migrations_dir"].default


async def test_the_migrations_make_the_tables_that_the_code_expects(bare_database_url: str):
    database = engine.connect(bare_database_url)

    await migrate.upgrade(database, [*Settings.extra_migrations, MIGRATIONS])

    tables = (Foundation.metadata, ChainTables.metadata, Base.metadata)
    assert await schema_differences(database, *tables) == []
    await database.engine.dispose()


async def test_migrating_again_changes_nothing(bare_database_url: str):
    database = engine.connect(bare_database_url)
    folders = [*Settings.extra_migrations, MIGRATIONS]

    await migrate.upgrade(database, folders)
    await migrate.upgrade(database, folders)

    tables = (Foundation.metadata, ChainTables.metadata, Base.metadata)
    assert await schema_differences(database, *tables) == []
    await database.engine.dispose()
