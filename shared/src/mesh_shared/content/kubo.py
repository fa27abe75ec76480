"""Kubo over its RPC API (aioipfs)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import aioipfs
from aiohttp import ClientError, MultipartWriter

from mesh_shared.content import cid as cids
from mesh_shared.content import unixfs
from mesh_shared.content.cid import ParsedCid
from mesh_shared.content.errors import ContentCorrupt, ContentNotFound, StoreUnavailable
from mesh_shared.content.store import Stored

ADD_TIMEOUT_S = 60.0
# A block that Kubo does not have is looked for in the network, for ever if we let it.
GET_TIMEOUT_S = 10.0

ADD_PARAMETERS = {
    "cid-version": "1",
    "raw-leaves": "true",
    "chunker": f"size-{unixfs.CHUNK_BYTES}",
    "pin": "true",
}

T = TypeVar("T")


class KuboStore:
    """Implements `ContentStore`. Every CID that Kubo returns is compared with the one computed here."""

    def __init__(self, host: str, port: int) -> None:
        self._ipfs: Any = aioipfs.AsyncIPFS(host=host, port=port)

    async def add(self, data: AsyncIterator[bytes]) -> Stored:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "content"
            root = await unixfs.write(_spool(data, path), _forget)
            entry = await self._ask(self._add(path), ADD_TIMEOUT_S)
        if entry["Hash"] != str(root.cid):
            raise ContentCorrupt(str(root.cid))
        return Stored(str(root.cid), root.file_bytes)

    def cat(self, cid: str) -> AsyncIterator[bytes]:
        try:
            return unixfs.read(cids.parse(cid), self._get)
        except ValueError:
            raise ContentNotFound(cid) from None

    async def ping(self) -> None:
        await self._ask(self._ipfs.core.version(), GET_TIMEOUT_S)

    async def close(self) -> None:
        await self._ipfs.close()

    async def _add(self, path: Path) -> dict[str, Any]:
        # aioipfs's own `add(path)` leaves the file open; its form post takes ours.
        with path.open("rb") as file, MultipartWriter("form-data") as form:
            form.append(file).set_content_disposition("form-data", name="file", filename="content")
            return await self._ipfs.core.add_single(form, params=ADD_PARAMETERS)

    async def _get(self, cid: ParsedCid) -> bytes:
        try:
            return await self._ask(self._ipfs.block.get(str(cid)), GET_TIMEOUT_S)
        except (aioipfs.APIError, TimeoutError):
            raise ContentNotFound(str(cid)) from None

    async def _ask(self, asked: Awaitable[T], timeout_s: float) -> T:
        try:
            async with asyncio.timeout(timeout_s):
                answer = await asked
        except (ClientError, OSError, aioipfs.IPFSConnectionError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise StoreUnavailable from None
        if answer is None:  # aioipfs's way to say that the connection broke
            raise StoreUnavailable
        return answer


async def _spool(data: AsyncIterator[bytes], path: Path) -> AsyncIterator[bytes]:
    """Passes `data` on and keeps it in `path`."""
    with path.open("wb") as file:
        async for piece in data:
            await asyncio.to_thread(file.write, piece)
            yield piece


async def _forget(cid: ParsedCid, block: bytes) -> None:
    """Kubo makes its own blocks; ours are only hashed."""
