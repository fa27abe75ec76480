"""Who may do what with a connection: nobody and nothing, unless a live grant says so."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """At most `calls` in a row, and then one more every `per_s / calls` seconds."""

    calls: int
    per_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """At most `units` in all, of which every call takes `per_call`."""

    units: int
    per_call: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Lets `subject` use `connection` with these methods on paths that match one of these patterns.

    `expires_at` is in Unix seconds. A revoked or expired grant stays on record and allows nothing.
    """

    id: UUID
    subject: str
    connection: str
    methods: tuple[str, ...]
    paths: tuple[str, ...]
    expires_at: int | None
    is_revoked: bool
    rate: Rate | None = None
    budget: Budget | None = None
    needs_approval: bool = False

    def is_live(self, now: float) -> bool:
        """True before the expiry, unless revoked; `now` in Unix seconds."""
        return not self.is_revoked and (self.expires_at is None or now < self.expires_at)

    @property
    def freedom(self) -> tuple[bool, bool, bool]:
        """Sorts the grant that asks least of a call to the front."""
        return self.needs_approval, self.budget is not None, self.rate is not None


def permissions(grants: Iterable[Grant], now: float) -> tuple[str, ...]:
    """What the live ones of `grants` allow, as `METHOD pattern`, sorted."""
    return tuple(
        sorted(
            {f"{method} {path}" for g in grants if g.is_live(now) for method in g.methods for path in g.paths}
        )
    )
