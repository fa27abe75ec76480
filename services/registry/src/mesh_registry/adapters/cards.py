"""Implements `ports.CardSource` over HTTP: addresses checked at the socket, no redirect, bounded answers."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp

from mesh_registry.errors import CardUnavailable

CHUNK_BYTES = 65_536
WITHIN_S = 10.0
UNREACHABLE = "The address is not a public one, or nobody answers there."
"""The same for all that fails below HTTP: the difference would tell of our network."""


@dataclass(frozen=True, slots=True)
class HttpCards:
    """Fetches through `session`; see `mesh_shared.dial`."""

    session: aiohttp.ClientSession

    async def fetch(self, url: str, limit_bytes: int) -> bytes:
        try:
            async with asyncio.timeout(WITHIN_S), self.session.get(url, allow_redirects=False) as answer:
                if answer.status != HTTPStatus.OK:
                    raise CardUnavailable(f"The address answers {answer.status}; redirects are not followed.")
                return await _bounded(answer, limit_bytes)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            raise CardUnavailable(UNREACHABLE) from None


async def _bounded(answer: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    parts: list[bytes] = []
    async for part in answer.content.iter_chunked(CHUNK_BYTES):
        parts.append(part)
        limit_bytes -= len(part)
        if limit_bytes < 0:
            raise CardUnavailable("The answer is too large.")
    return b"".join(parts)
