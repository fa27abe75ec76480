"""Starts a service again and again in a tenth of the time, for tests that kill it.

    python -m mesh_cli.zygote mesh_registry

loads the service once and forks a life of it for each order on its stdin: one JSON object a line,
`{"env": {…}, "log": "file"}`, answered by the life's pid. `{"pid": 1, "timeout_s": 5}` waits until a life has
ended and is answered by its exit code, negative for a signal, or null when the time is over. A life is what
`python -m mesh_registry` is, and dies with the zygote (Android's word for such a process). Whoever wants
lives of another kind calls `obey` in a program of their own.
"""

import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mesh_cli.processes import die_with_parent

LOOK_S = 0.01


@dataclass(slots=True)
class Life:
    """A process of the service."""

    zygote: "Zygote"
    pid: int
    code: int | None = None
    """With which it is known to have ended, negative for a signal."""

    def send(self, sig: signal.Signals) -> None:
        if self.code is None:
            os.kill(self.pid, sig)

    def wait(self, timeout_s: float = 60) -> int:
        """Its exit code once it has ended. Raises `TimeoutError`."""
        if self.code is None:
            self.code = self.zygote.ask(pid=self.pid, timeout_s=timeout_s)
        if self.code is None:
            raise TimeoutError(f"process {self.pid} has not ended within {timeout_s:g} s")
        return self.code

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.wait()


class Zygote:
    """A process that has loaded what it forks and waits for orders; `argv` are Python's arguments."""

    def __init__(self, *argv: str) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self._process = subprocess.Popen(  # noqa: S603 - ours
                [sys.executable, *argv], stdin=theirs.fileno(), stdout=theirs.fileno()
            )
            self._line = ours.makefile("rw")

    @classmethod
    def of(cls, service: str) -> "Zygote":
        """Of the service in the package of that name."""
        return cls("-m", "mesh_cli.zygote", service)

    def start(self, environment: Mapping[str, str], log: Path, **more: Any) -> Life:
        """A new life, with what it writes appended to `log`. It is not ready yet."""
        return Life(self, self.ask(env=dict(environment), log=str(log), **more))

    def ask(self, **order: Any) -> Any:
        self._line.write(json.dumps(order) + "\n")
        self._line.flush()
        return json.loads(self._line.readline())

    def close(self) -> None:
        """Ends it with every life that is left."""
        self._process.kill()
        self._process.wait()
        self._line.close()


def obey(live: Callable[[dict[str, Any]], object]) -> None:
    """Forks a process for each order on stdin, which does `live` with it, until there are no more."""
    for line in sys.stdin:
        order = json.loads(line)
        if "pid" in order:
            answer = _ended(order["pid"], order["timeout_s"])
        elif (answer := os.fork()) == 0:
            _settle(order["env"], order["log"])
            live(order)
            sys.exit()
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _settle(environment: dict[str, str], log: str) -> None:
    die_with_parent()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for target, source in ((0, os.open(os.devnull, os.O_RDONLY)), (1, output), (2, output)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(environment)


def _ended(pid: int, timeout_s: float) -> int | None:
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(LOOK_S)
    return None


def main(service: str) -> None:
    importlib.import_module(f"{service}.__main__")

    def live(_: dict[str, Any]) -> None:
        sys.argv = [service]
        del sys.modules[f"{service}.__main__"]
        runpy.run_module(service, run_name="__main__", alter_sys=True)

    obey(live)


if __name__ == "__main__":
    main(sys.argv[1])
