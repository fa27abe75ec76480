"""Wakes whoever waits for news inside one process."""

import asyncio


class Bell:
    """A broadcast that loses no ring: take a ticket, look for news, then wait on the ticket."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def ring(self) -> None:
        """Wakes every ticket taken so far."""
        self._next.set()
        self._next = asyncio.Event()

    def ticket(self) -> asyncio.Event:
        """What the next ring sets."""
        return self._next


async def wait(ticket: asyncio.Event, timeout_s: float) -> bool:
    """True when the ticket's ring came within `timeout_s`.

    A task that was asked to end does not wait: a library may have swallowed the asking, as databases' do.
    """
    if (task := asyncio.current_task()) is not None and task.cancelling():
        raise asyncio.CancelledError
    try:
        async with asyncio.timeout(timeout_s):
            return await ticket.wait()
    except TimeoutError:
        return False
