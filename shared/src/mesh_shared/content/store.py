"""The port to a content store."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from mesh_shared.content.errors import ContentTooLarge


@dataclass(frozen=True, slots=True)
class Stored:
    """What a store answers to an add: the CIDv1 and the number of bytes."""

    cid: str
    size: int


class ContentStore(Protocol):
    """Keeps bytes under their CID. Both adapters give the same CID for the same bytes."""

    async def add(self, data: AsyncIterator[bytes]) -> Stored:
        """Stores and pins `data`. Repeating it changes nothing. Raises `StoreUnavailable`."""
        ...

    def cat(self, cid: str) -> AsyncIterator[bytes]:
        """The bytes under `cid`, each block re-hashed before it is given out.

        Raises `ContentNotFound`, `ContentCorrupt`, `StoreUnavailable`.
        """
        ...

    async def ping(self) -> None:
        """Raises `StoreUnavailable` when the store cannot take writes."""
        ...


async def once(data: bytes) -> AsyncIterator[bytes]:
    """`data` as the stream that `ContentStore.add` takes."""
    yield data


async def collect(parts: AsyncIterator[bytes], limit_bytes: int) -> bytes:
    """All of `parts` as one value. Raises `ContentTooLarge` above `limit_bytes`."""
    whole = bytearray()
    async for part in parts:
        whole += part
        if len(whole) > limit_bytes:
            raise ContentTooLarge(limit_bytes)
    return bytes(whole)
