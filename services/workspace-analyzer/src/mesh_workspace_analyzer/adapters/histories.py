"""What tools have kept of their runs in the folder of a workspace.

The files are the workspace's own, thus anybody's: they are read whole into memory, within bounds and without
following links, and SQLite sees a copy there. Nothing is written, no lock is taken.
"""

import asyncio
import os
import sqlite3
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mesh_workspace_analyzer.adapters.folders import Roots
from mesh_workspace_analyzer.adapters.remotes import SCHEME
from mesh_workspace_analyzer.domain.history import Run
from mesh_workspace_analyzer.domain.run_files import RunFile
from mesh_workspace_analyzer.ports import Told

DATABASES = ".nx/workspace-data/*.db"
RUN_FILES = (".nx/cache/run.json", ".turbo/runs/*.json")
MOST_FILES = 20
MAX_FILE_BYTES = 32 << 20
MOST_ROWS = 20_000
PATIENCE_S = 2.0
CHECK_EVERY = 10_000
"""Instructions of SQLite's between two looks at the clock; a view can make a query endless."""
# nx 24, `task_history`. Cache hits are rows of about 2 ms.
ENDED = {"success": (True, False), "failure": (False, False)}
HITS = ("local-cache", "local-cache-kept-existing", "remote-cache")
QUERY = """
    SELECT project, target, hash, status, start, "end"
    FROM task_history JOIN task_details USING (hash) ORDER BY id DESC LIMIT ?
"""
_FILE: TypeAdapter[RunFile] = TypeAdapter(RunFile)


@dataclass(frozen=True, slots=True)
class FolderHistories:
    """Implements `ports.Histories` for folders under configured roots."""

    roots: Roots

    async def runs(self, workspace: str) -> Told:
        """See `ports.Histories.runs`. What is elsewhere has kept none that git would give us."""
        if workspace.startswith(SCHEME):
            return Told(())
        return await asyncio.to_thread(_read, self.roots.locate(workspace))


def _read(folder: Path) -> Told:
    runs, gaps = list[Run](), list[str]()
    for pattern in (DATABASES, *RUN_FILES):
        if runs and pattern == RUN_FILES[0]:
            continue  # the database has what Nx's last run was
        for path in _newest(folder, pattern):
            try:
                content = _bytes(path)
                runs += _rows(content) if path.suffix == ".db" else _FILE.validate_json(content).runs()
            except (OSError, sqlite3.Error, ValidationError, ValueError):
                gaps.append(
                    f"What {path.relative_to(folder).as_posix()} says about former runs is not readable."
                )
    return Told(tuple(runs), tuple(gaps))


def _newest(folder: Path, pattern: str) -> Iterable[Path]:
    """The last by name, of those that are really in the folder."""
    found = (path for path in folder.glob(pattern) if path.parent.resolve().is_relative_to(folder))
    return sorted(found)[-MOST_FILES:]


def _bytes(path: Path) -> bytes:
    """Raises `OSError` for a link, `ValueError` for what is no file or too large."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("no file")
        if len(content := file.read(MAX_FILE_BYTES + 1)) > MAX_FILE_BYTES:
            raise ValueError("too large")
    return content


def _rows(content: bytes) -> list[Run]:
    """Raises `sqlite3.Error` or `ValueError`."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.text_factory = _text
        # Bytes 18 and 19 say that a log is beside the file ("Database File Format", 1.3): not in memory.
        connection.deserialize(content[:18] + b"\1\1" + content[20:])
        connection.execute("PRAGMA trusted_schema = OFF")
        deadline = time.monotonic() + PATIENCE_S
        connection.set_progress_handler(lambda: time.monotonic() > deadline, CHECK_EVERY)
        return list(_runs(connection.execute(QUERY, (MOST_ROWS,))))


def _text(content: bytes) -> str:
    return content.decode(errors="replace")


def _runs(rows: Iterable[tuple[Any, ...]]) -> Iterator[Run]:
    for project, target, digest, status, start, end in rows:
        succeeded, is_hit = ENDED.get(status, (status in HITS, True))
        if isinstance(start, int) and isinstance(end, int) and (succeeded or not is_hit):
            yield Run(
                task=f"{project}:{target}",
                duration_ms=max(0, end - start),
                ended_ms=end,
                hash=str(digest),
                succeeded=succeeded,
                is_hit=is_hit,
            )
