"""A block store in a folder, for a mesh on one machine."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import NamedTemporaryFile

from mesh_shared.content import cid as cids
from mesh_shared.content import unixfs
from mesh_shared.content.cid import ParsedCid
from mesh_shared.content.errors import ContentNotFound, StoreUnavailable
from mesh_shared.content.store import Stored


class EmbeddedStore:
    """Implements `ContentStore` with one file per block, under the block's CID."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def add(self, data: AsyncIterator[bytes]) -> Stored:
        root = await unixfs.write(data, self._put)
        return Stored(str(root.cid), root.file_bytes)

    def cat(self, cid: str) -> AsyncIterator[bytes]:
        return unixfs.read(_parse(cid), self._get)

    async def ping(self) -> None:
        if not await asyncio.to_thread(os.access, self._folder, os.W_OK):
            raise StoreUnavailable

    async def _put(self, cid: ParsedCid, block: bytes) -> None:
        try:
            await asyncio.to_thread(_write_whole, self._folder / str(cid), block)
        except OSError:
            raise StoreUnavailable from None

    async def _get(self, cid: ParsedCid) -> bytes:
        try:
            return await asyncio.to_thread((self._folder / str(cid)).read_bytes)
        except FileNotFoundError:
            await self.ping()  # without its folder the store knows nothing of what it has
            raise ContentNotFound(str(cid)) from None
        except OSError:
            raise StoreUnavailable from None


def _parse(cid: str) -> ParsedCid:
    try:
        return cids.parse(cid)
    except ValueError:
        raise ContentNotFound(cid) from None


def _write_whole(path: Path, block: bytes) -> None:
    """Readers see all of the block or none; a crash leaves no half of it under its name."""
    if path.exists() and path.read_bytes() == block:
        return
    with NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(block)
        file.flush()
        os.fsync(file.fileno())
    os.replace(file.name, path)
