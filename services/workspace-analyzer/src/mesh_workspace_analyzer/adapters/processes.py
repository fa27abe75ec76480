"""Foreign programs: bounded in time and output, alone in their process group, never alive after us."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from mesh_workspace_analyzer.adapters import reaper

GRACE_S = 5.0
REMOVAL_S = 60.0
_PATH = re.compile(r"(?<![\w.])/[^\s'\":]+")


class OutputLimitExceeded(Exception):
    """The program wrote more than it may."""


@dataclass(slots=True)
class Output:
    """What a program wrote: at most `limit_bytes`, of which the last `kept_bytes` are kept.

    All of it is `heard` as it comes.
    """

    limit_bytes: int
    kept_bytes: int
    heard: Callable[[bytes], None] = lambda _: None
    _total: int = 0
    _kept: bytearray = field(default_factory=bytearray)

    @property
    def data(self) -> bytes:
        return bytes(self._kept)

    @property
    def text(self) -> str:
        """As text that any database takes."""
        return self.data.decode(errors="replace").replace("\0", "")

    def write(self, chunk: bytes) -> None:
        """Raises `OutputLimitExceeded`."""
        self.heard(chunk)
        self._total += len(chunk)
        self._kept += chunk
        del self._kept[: -self.kept_bytes]
        if self._total > self.limit_bytes:
            raise OutputLimitExceeded


def without_paths(text: str) -> str:
    """What a program said, without the folders of this machine."""
    return _PATH.sub("…", text)


class _Watch(asyncio.SubprocessProtocol):
    """Takes what a program writes, until nobody is left who could write."""

    def __init__(self, outputs: Mapping[int, Output], *, has_lifeline: bool) -> None:
        self._outputs = outputs
        self._has_lifeline = has_lifeline
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.wrote_too_much = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.program = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        try:
            self._outputs[fd].write(data)
        except OutputLimitExceeded:
            self.wrote_too_much = True
            self.stop()

    def process_exited(self) -> None:
        # Whoever it left behind would hold its pipes open.
        self._kill_group()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def give(self, data: bytes) -> None:
        """Writes the program's input, which ends then; a program that has ended wants none."""
        if not (pipe := self._input()).is_closing():
            pipe.write(data)
            pipe.write_eof()

    def stop(self) -> None:
        """Ends the program and what it has started."""
        if self._has_lifeline:
            self._input().close()
        else:
            self._kill_group()

    def _input(self) -> asyncio.WriteTransport:
        return cast("asyncio.WriteTransport", self.program.get_pipe_transport(0))

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.program.get_pid(), signal.SIGKILL)


async def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout_s: float,
    output: Output,
    errors: Output | None = None,
    given: bytes | None = None,
) -> int:
    """The exit code of `argv`, when it and whatever it started have ended.

    What it says as errors goes to `errors`, or to `output` when there is none. `given` is its input. Without
    any it runs under the reaper and dies when this process does. Raises `TimeoutError` or
    `OutputLimitExceeded`.
    """
    command = [str(part) for part in argv]
    _, watch = await asyncio.get_running_loop().subprocess_exec(
        lambda: _Watch({1: output, 2: errors or output}, has_lifeline=given is None),
        *(command if given is not None else [sys.executable, "-IS", reaper.__file__, *command]),
        cwd=cwd,
        env=dict(env),
        stdin=DEVNULL if given == b"" else PIPE,
        stderr=STDOUT if errors is None else PIPE,
        start_new_session=True,
    )
    try:
        if given:
            watch.give(given)
        await asyncio.wait({watch.ended}, timeout=timeout_s)
    finally:
        is_late = not watch.ended.done()
        if is_late:
            watch.stop()
            await asyncio.wait({watch.ended}, timeout=GRACE_S)
        watch.program.close()
    if watch.wrote_too_much:
        raise OutputLimitExceeded
    if is_late:
        raise TimeoutError
    return watch.program.get_returncode() or 0


async def remove(folder: Path) -> None:
    """Deletes a folder with all that is in it, however deep; what cannot be deleted stays."""
    said = Output(limit_bytes=1 << 40, kept_bytes=1000)
    with suppress(TimeoutError):
        argv = ["/bin/rm", "-rf", "--", folder]
        await run(argv, cwd=Path("/"), env={}, timeout_s=REMOVAL_S, output=said, given=b"")
