from mesh_deployer.repository.tables import Base
from mesh_deployer.settings import Settings
from mesh_shared.database import engine, migrate
from mesh_shared.events.outbox import Foundation
from mesh_shared.testing import schema_differences

MIGRATIONS = Settings.model_fields["migrations_dir"].default


async def test_the_migrations_make_the_tables_that_the_code_expects(bare_database_url: str):
    database = engine.connect(bare_database_url)

    await migrate.upgrade(database, [MIGRATIONS])

    assert await schema_differences(database, Foundation.metadata, Base.metadata) == []
    await database.engine.dispose()
