"""Child processes that never outlive us."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

GRACE_S = 12.0
LOOK_S = 2.0
_PR_SET_PDEATHSIG = 1


class ProcessDied(RuntimeError):
    """The process ended before it was ready; the text has the end of its log."""


@dataclass(slots=True)
class Process:
    """A running child and everything it wrote."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    def wait_until(self, is_ready: Callable[[], bool], timeout_s: float) -> None:
        """Returns when `is_ready`. Raises `ProcessDied` or `TimeoutError`, with the last lines of the log."""
        deadline = time.monotonic() + timeout_s
        while not is_ready():
            if self.popen.poll() is not None:
                raise ProcessDied(f"{self.name} ended with {self.popen.returncode}:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} was not ready within {timeout_s:g} s:\n{self.tail()}")
            time.sleep(0.02)

    def tail(self, lines: int = 15) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, sig: signal.Signals = signal.SIGTERM, grace_s: float = GRACE_S) -> None:
        """Ends the process and its children; asks first, and kills after `grace_s`."""
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, sig)
        try:
            self.popen.wait(grace_s)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait()


def start(name: str, argv: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None) -> Process:
    """Starts `argv` in a process group of its own, with output appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        popen = subprocess.Popen(  # noqa: S603 - argv is ours, and no shell reads it
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
            process_group=0,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one C call
        )
    return Process(name, popen, log)


@contextmanager
def ends_with_us(pid: int) -> Generator[None]:
    """Interrupts a process that is no child of ours when we end before the block does, however that is."""
    watch = ["sh", "-c", f"read _; kill -INT {pid}"]
    with subprocess.Popen(watch, stdin=subprocess.PIPE, start_new_session=True) as watching:  # noqa: S603 - ours
        yield
        watching.kill()


def status_of(url: str) -> int | None:
    """The status with which `url` answers now; None while nobody does.

    For looking again and again: a client that could speak TLS takes longer to make than to ask.
    """
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=LOOK_S) as answer:
            return answer.status
    except HTTPError as refusal:
        return refusal.code
    except (OSError, HTTPException):
        return None


def die_with_parent() -> None:
    """Has the kernel kill this process when its parent ends, where the kernel is Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
