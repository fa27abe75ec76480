"""Bodies between a stream and memory."""

from collections.abc import AsyncIterator

from mesh_shared.errors import MeshError


async def once(body: bytes) -> AsyncIterator[bytes]:
    """A body that is here already."""
    yield body


async def whole(pieces: AsyncIterator[bytes], limit: int, refusal: MeshError) -> bytes:
    """All of a body. Raises `refusal` beyond `limit` bytes."""
    body = bytearray()
    async for piece in pieces:
        body += piece
        if len(body) > limit:
            raise refusal
    return bytes(body)
