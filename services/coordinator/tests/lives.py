"""Starts coordinators that die: a process that has everything loaded forks one life after the other.

    python lives.py          one JSON object a line on stdin starts a life:
                             {"env": {"MESH_…": …}, "log": "file", "dies_after": 123, "silence_s": 15}
                             and is answered by its pid, then by how it ended

A life kills itself with SIGKILL before its `dies_after`th statement or commit, wherever that is: in the
middle of a transaction, between a commit and the call that follows it, while it starts. Forking takes a tenth
of the time of starting anew, so that many points can be tried.
"""

import ctypes
import json
import os
import signal
import sys
from typing import Any

from mesh_coordinator.app import create_app
from mesh_coordinator.settings import Settings
from mesh_shared import serve
from mesh_shared.database import role
from sqlalchemy import event
from sqlalchemy.engine import Engine

PR_SET_PDEATHSIG = 1


def die_before(number: int) -> None:
    """Ends this process before its `number`th statement or commit, without a word."""
    left = number

    def count(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", count)
    event.listen(Engine, "commit", count)


def live(order: dict[str, Any]) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(order["env"])
    role.SILENCE_S = order["silence_s"]
    if order["dies_after"] is not None:
        die_before(order["dies_after"])
    serve.main(Settings, create_app)  # pyright: ignore[reportArgumentType] - the environment has the rest


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            live(order)
            os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
