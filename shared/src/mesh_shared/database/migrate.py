"""Brings a database to the newest schema at start."""

from collections.abc import Sequence
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from mesh_shared.database.engine import Database

HERE = Path(__file__).parent
FOUNDATION = HERE / "versions"


async def upgrade(database: Database, migrations: Sequence[Path]) -> None:
    """Applies every migration of `migrations` that the database has not seen.

    Replicas that start together take turns.
    """
    async with database.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            await connection.execute(text("SELECT pg_advisory_xact_lock(371)"))
        await connection.run_sync(_upgrade, migrations)


def _upgrade(connection: Connection, migrations: Sequence[Path]) -> None:
    config = Config()
    config.set_main_option("script_location", str(HERE / "script"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(str(path) for path in (FOUNDATION, *migrations)))
    config.attributes["connection"] = connection
    command.upgrade(config, "heads")
