"""What is not there at once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


async def eventually(look: Callable[[], Awaitable[Any]], timeout_s: float = 60) -> Any:
    """The first answer of `look` that is true."""
    async with asyncio.timeout(timeout_s):
        while not (found := await look()):
            await asyncio.sleep(0.02)
        return found
