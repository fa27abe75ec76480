"""The life of a secret's versions.

    active ──rotate──▶ grace ──its end──▶ revoked ──destroy──▶ destroyed
       └──────rotate or revoke──────────────▲

One version at most is active and one in grace. A call goes out under the active one; one in grace takes its
place when there is none, or when the upstream does not know the new one yet.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

State = Literal["active", "grace", "revoked", "destroyed"]
LIVE: tuple[State, ...] = ("active", "grace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One secret that was put to a connection; `not_after` (Unix seconds) ends its grace."""

    number: int
    state: State
    fingerprint: str
    created_at: datetime
    not_after: int | None

    def at(self, now: float) -> State:
        """Its state at `now` (Unix seconds)."""
        is_over = self.state == "grace" and self.not_after is not None and now >= self.not_after
        return "revoked" if is_over else self.state

    def is_live(self, now: float) -> bool:
        """True while a call may go out under it."""
        return self.at(now) in LIVE
