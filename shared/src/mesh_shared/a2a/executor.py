"""An agent behind the protocol: what it is asked, and what it may do with a task."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from mesh_shared.a2a.model import Artifact, Message, State, Task
from mesh_shared.auth.tokens import Principal


@dataclass(frozen=True, slots=True)
class Call:
    """Who is asking. `key` makes it safe to ask again; None when the caller gave none."""

    caller: Principal
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One message to the agent, and the task that it belongs to."""

    call: Call
    message: Message
    task: Task


@dataclass(frozen=True, slots=True)
class Moved:
    """The task is in another state; `said` is what the agent says to it."""

    state: State
    said: str | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """An artifact, or with `append` more of the one with that id."""

    artifact: Artifact
    append: bool = False
    is_last: bool = True


Update = Moved | Made | Message
"""What an agent does. A message as the first and only one is the whole answer, and there is no task."""


class Executor(Protocol):
    """The agent behind the protocol."""

    @property
    def can_stop(self) -> bool:
        """Whether work that has begun may be broken off."""
        ...

    def execute(self, turn: Turn) -> AsyncIterator[Update]:
        """What the agent does with a message, step by step, up to a settled state.

        What it raises at the call, before the first step, is the answer, and there is no task.
        """
        ...
