"""Coordinators that die, forked by `mesh_cli.zygote`; their orders have `dies_after` and `silence_s`, too.

A life kills itself with SIGKILL before its `dies_after`th statement or commit, wherever that is: in the
middle of a transaction, between a commit and the call that follows it, while it starts.
"""

import os
import signal
from typing import Any

from mesh_cli.zygote import obey
from mesh_coordinator.app import create_app
from mesh_coordinator.settings import Settings
from mesh_shared import serve
from mesh_shared.database import role
from sqlalchemy import event
from sqlalchemy.engine import Engine


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
    role.SILENCE_S = order["silence_s"]
    if order["dies_after"] is not None:
        die_before(order["dies_after"])
    serve.main(Settings, create_app)  # pyright: ignore[reportArgumentType] - the environment has the rest


if __name__ == "__main__":
    obey(live)
