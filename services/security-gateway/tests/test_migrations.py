from mesh_security_gateway.repository.tables import Base
from mesh_security_gateway.settings import Settings
from mesh_shared.chain.journal import ChainTables
from mesh_shared.database import engine, migrate
from mesh_shared.events.outbox import Foundation
from mesh_shared.testing import schema_differences


async def test_the_migrations_make_the_tables_that_the_code_expects(bare_database_url: str):
    database = engine.connect(bare_database_url)
    folders = [*Settings.extra_migrations, Settings.model_fields["migrations_dir"].default]
    await migrate.upgrade(database, folders)

    differences = await schema_differences(database, Base.metadata, ChainTables.metadata, Foundation.metadata)
    await database.engine.dispose()

    assert differences == []
