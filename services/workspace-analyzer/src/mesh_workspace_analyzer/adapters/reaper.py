"""Runs a program and ends everything that it started, when it ends or when its owner does.

    python reaper.py program argument …

The owner holds the input of this process open; whatever happens to the owner, that ends with it. A process
group is not enough to end everything: Nx gives each task a session of its own. Orphans come to this process
(PR_SET_CHILD_SUBREAPER, prctl(2)), so that on Linux none is lost. Uses the standard library only and starts
in 20 ms.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
PAUSE_S = 0.01


def main(argv: list[str]) -> int:
    """The program's exit code, 128 and the signal's number when a signal ended it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    program = subprocess.Popen(argv, stdin=subprocess.DEVNULL)  # noqa: S603 - the caller's own arguments
    threading.Thread(target=_end_with_owner, daemon=True).start()
    code = program.wait()
    _kill_descendants()
    return code if code >= 0 else 128 - code


def _end_with_owner() -> None:
    while os.read(0, 1):
        pass
    _kill_descendants()


def _kill_descendants() -> None:
    """Kills until none is left: one may start another while we look."""
    while living := _descendants(os.getpid()):
        for pid in living:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(PAUSE_S)


def _descendants(ancestor: int) -> set[int]:
    parents = dict(_processes())
    found: set[int] = set()
    while more := {pid for pid, parent in parents.items() if parent in found | {ancestor}} - found:
        found |= more
    return found


def _processes() -> "list[tuple[int, int]]":
    """The living processes with their parents."""
    living: list[tuple[int, int]] = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            # The name in parentheses may hold anything; what follows it does not (proc_pid_stat(5)).
            state, parent = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
            if state not in "ZX":
                living.append((int(folder.name), int(parent)))
    return living


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
