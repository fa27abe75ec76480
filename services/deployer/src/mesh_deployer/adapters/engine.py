"""A connection to a Docker engine through Docker's own SDK, which blocks: every question takes a thread.

The SDK is imported when the engine is first needed: a deployer that only simulates does not carry it.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from mesh_shared.errors import Unavailable

if TYPE_CHECKING:
    from docker import DockerClient

    from mesh_deployer.adapters.containers import Containers

T = TypeVar("T")

THREADS = 8
"""An engine that hangs holds these, and no thread of anybody else."""
_UNIX = "unix://"


@dataclass(frozen=True, slots=True)
class Engine:
    """The engine at `url`; what is put there carries `owner` as a label."""

    url: str
    owner: str
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(THREADS, thread_name_prefix="docker")
    )
    _turn: Lock = field(default_factory=Lock)
    _connections: list["DockerClient"] = field(default_factory=list["DockerClient"])

    async def ask(self, question: "Callable[[Containers], T]") -> T:
        """The answer to `question`. Raises `Unavailable` when there is none, and what the question raises."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, question)

    def close(self) -> None:
        """Ends the connection; questions under way end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for connection in self._connections:
            connection.close()

    def _ask(self, question: "Callable[[Containers], T]") -> T:
        if self.url.startswith(_UNIX) and not Path(self.url.removeprefix(_UNIX)).exists():
            raise Unavailable("docker")
        from mesh_deployer.adapters import containers  # noqa: PLC0415 - see the module's docstring

        try:
            if not self._connections:
                self._connections.append(containers.connect(self.url))
            return question(containers.Containers(self._connections[0], self.owner, self._turn))
        except containers.FAILURES as failure:
            raise Unavailable("docker") from failure
