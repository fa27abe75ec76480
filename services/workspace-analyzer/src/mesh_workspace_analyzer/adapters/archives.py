"""Workspaces as tar archives, unpacked so that nothing in one can reach beyond its folder or its limits.

Files and folders are written by us, one by one; a link, a device or a `.git` makes the archive refused.
"""

import asyncio
import gzip
import hashlib
import shutil
import tarfile
import tempfile
import time
import zlib
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, cast

from mesh_workspace_analyzer.adapters.git import borrowing
from mesh_workspace_analyzer.adapters.sources import FALLBACK, Limits, OpenSource, Reading, a_home
from mesh_workspace_analyzer.domain.affected import Change
from mesh_workspace_analyzer.errors import AnalysisTimedOut, ArchiveRefused, WorkspaceTooLarge
from mesh_workspace_analyzer.ports import Archive

GZIP = b"\x1f\x8b"
CHUNK_BYTES = 1 << 16
MOST_RATIO = 200
"""Source code becomes a tenth when it is packed; what becomes less than this was made to hurt."""
NO_HISTORY = f"An archive has no history, and no changed files were named. {FALLBACK}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSources:
    """Implements `ports.Archives`."""

    scratch: Path
    timeout_s: float
    limits: Limits

    @asynccontextmanager
    async def receive(self, chunks: AsyncIterable[bytes]) -> AsyncGenerator[Archive, None]:
        """See `ports.Archives.receive`."""
        digest = hashlib.sha256()
        with tempfile.NamedTemporaryFile(dir=self.scratch) as file:
            async for chunk in chunks:
                digest.update(chunk)
                await asyncio.to_thread(file.write, chunk)
            file.flush()
            yield Archive(Path(file.name), digest.hexdigest())

    @asynccontextmanager
    async def open(
        self, archive: Archive, *, workspace: str, changed: Sequence[str] | None, changed_in: str | None
    ) -> AsyncGenerator[OpenSource, None]:
        """See `ports.Archives.open`."""
        async with a_home(self.scratch) as home:
            folder = await asyncio.to_thread(_unpacked, archive.path, home / "files", self)
            git = await borrowing(None, home, self.timeout_s)
            reading = Reading(git, folder, ".", workspace, "archive", "HEAD", self.limits)
            source = OpenSource(
                comparison=await reading.as_it_stands(NO_HISTORY),
                git=git,
                folder=folder,
                home=home,
                prefix=".",
                limits=self.limits,
            )
            if changed_in is not None:
                changed = (*(changed or ()), *await _named_in(source, changed_in))
            if changed is not None:
                names = await source.names()
                changes = tuple(Change(path, is_deleted=path not in names) for path in changed)
                source.comparison = replace(source.comparison, changes=changes, warnings=())
            yield source


async def _named_in(source: OpenSource, name: str) -> list[str]:
    if (text := (await source.texts([name])).get(name)) is None:
        raise ArchiveRefused(f"{name} is no text in it: it should name the changed files.")
    return [line for line in text.splitlines() if line]


@dataclass(slots=True)
class _Bounded:
    """What is unpacked, up to a number of bytes and a point in time."""

    file: IO[bytes] | gzip.GzipFile
    left: int
    deadline: float
    source: ArchiveSources

    def read(self, size: int) -> bytes:
        """Raises `WorkspaceTooLarge` or `AnalysisTimedOut`."""
        if time.monotonic() > self.deadline:
            raise AnalysisTimedOut(self.source.timeout_s)
        data = self.file.read(size)
        self.left -= len(data)
        if self.left < 0:
            raise WorkspaceTooLarge(files=0, size_bytes=self.source.limits.size_bytes)
        return data


def _unpacked(archive: Path, target: Path, source: ArchiveSources) -> Path:
    """The workspace's folder: what is unpacked, or the one folder that everything is in."""
    target.mkdir()
    try:
        with archive.open("rb") as file:
            is_packed = file.read(len(GZIP)) == GZIP
            file.seek(0)
            most = min(source.limits.size_bytes, max(archive.stat().st_size, CHUNK_BYTES) * MOST_RATIO)
            stream = _Bounded(
                gzip.GzipFile(fileobj=file) if is_packed else file,
                most,
                time.monotonic() + source.timeout_s,
                source,
            )
            _write_all(stream, target, source.limits)
    except (tarfile.TarError, EOFError, OSError, zlib.error, ValueError, OverflowError) as error:
        raise ArchiveRefused(f"It cannot be unpacked: {type(error).__name__}.") from None
    inside = list(target.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else target


def _write_all(stream: _Bounded, target: Path, limits: Limits) -> None:
    size_bytes = 0
    with tarfile.open(
        fileobj=cast("IO[bytes]", stream), mode="r|", encoding="utf-8", errors="surrogateescape"
    ) as tar:
        for count, member in enumerate(tar, start=1):
            size_bytes += member.size  # a sparse file has more than what is in the archive
            limits.check(count, size_bytes)
            path = _place(member, target)
            if member.isdir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:  # a second file of that name is refused
                shutil.copyfileobj(cast("IO[bytes]", tar.extractfile(member)), file)


def _place(member: tarfile.TarInfo, target: Path) -> Path:
    """Where a member belongs. Raises `ArchiveRefused` for what no archive of a workspace needs."""
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    shown = member.name.encode(errors="replace").decode()[:200]
    if not (member.isreg() or member.isdir()):
        raise ArchiveRefused(f"{shown} is a link or a device: leave it out.")
    if member.name.startswith("/") or ".." in parts:
        raise ArchiveRefused(f"{shown} leads out of the archive.")
    if any(part.lower() == ".git" for part in parts):
        raise ArchiveRefused(f"{shown} is a repository: leave it out, and name the changed files.")
    return target.joinpath(*parts)
