"""Brings a database to the newest schema at start.

The migrations of a folder are one line, and each file is named for its revision: `registry_0002.py` follows
`registry_0001.py`. So a start that finds nothing to do need not load Alembic.
"""

import asyncio
import multiprocessing
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from mesh_shared.database import engine
from mesh_shared.database.engine import Database

HERE = Path(__file__).parent
FOUNDATION = HERE / "versions"


async def upgrade(database: Database, migrations: Sequence[Path]) -> None:
    """Applies every migration of `migrations` that the database has not seen.

    Replicas that start together take turns.
    """
    folders = [FOUNDATION, *migrations]
    async with database.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            await connection.execute(text("SELECT pg_advisory_xact_lock(371)"))
        if await connection.run_sync(_applied) != _newest(folders):
            await connection.run_sync(_upgrade, folders)


def upgrade_beside(url: str, migrations: Sequence[Path]) -> None:
    """The same in a process of its own, which takes Alembic's 12 MB away with it.

    Only before there are threads, because it forks. A failure is not told: the `upgrade` of the start that
    follows meets it too.
    """
    child = multiprocessing.get_context("fork").Process(target=_upgrade_at, args=(url, migrations))
    child.start()
    child.join()


def _upgrade_at(url: str, migrations: Sequence[Path]) -> None:
    with suppress(Exception):
        asyncio.run(_connect_and_upgrade(url, migrations))


async def _connect_and_upgrade(url: str, migrations: Sequence[Path]) -> None:
    database = engine.connect(url)
    try:
        await upgrade(database, migrations)
    finally:
        await database.engine.dispose()


def _newest(folders: Sequence[Path]) -> set[str]:
    names = ([path.stem for path in folder.glob("*.py")] for folder in folders)
    return {max(revisions) for revisions in names if revisions}


def _applied(connection: Connection) -> set[str]:
    if not inspect(connection).has_table("alembic_version"):
        return set()
    return set(connection.scalars(text("SELECT version_num FROM alembic_version")))


def _upgrade(connection: Connection, folders: Sequence[Path]) -> None:
    from alembic import command  # noqa: PLC0415 - see the module's docstring
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(HERE / "script"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(str(path) for path in folders))
    config.attributes["connection"] = connection
    command.upgrade(config, "heads")
