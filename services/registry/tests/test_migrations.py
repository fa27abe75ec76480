"""The schema that a start brings a database to."""

from __future__ import annotations

from mesh_registry.repository.tables import Base
from mesh_registry.settings import Settings
from mesh_shared.chain import versions_dir
from mesh_shared.chain.journal import ChainTables
from mesh_shared.database import engine, migrate
from mesh_shared.events.outbox import Foundation
from mesh_shared.testing import schema_differences

MIGRATIONS = Settings.model_fields["migrations_dir"].default


async def test_the_migrations_make_the_tables_that_the_code_expects(bare_database_url: str):
    database = engine.connect(bare_database_url)

    await migrate.upgrade(database, [versions_dir, MIGRATIONS])
    await migrate.upgrade(database, [versions_dir, MIGRATIONS])

    declared = (Foundation.metadata, ChainTables.metadata, Base.metadata)
    assert await schema_differences(database, *declared) == []
    await database.engine.dispose()
