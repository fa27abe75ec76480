"""Who may do what with a connection: nobody and nothing, unless a live grant says so."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from uuid import UUID

REST = "**"


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

    def is_live(self, now: float) -> bool:
        """True before the expiry, unless revoked; `now` in Unix seconds."""
        return not self.is_revoked and (self.expires_at is None or now < self.expires_at)

    def allows(self, method: str, path: str, now: float) -> bool:
        """True when the grant is live at `now` and covers `method` on the canonical `path`."""
        return self.is_live(now) and method in self.methods and any(matches(p, path) for p in self.paths)


def matches(pattern: str, path: str) -> bool:
    """True when the canonical `path` fits `pattern`.

    `*` stands for characters within one segment and, alone, for one segment that is not empty; `/**` at the
    end for everything below, however deep.
    """
    wanted, given = pattern.split("/"), path.split("/")
    if wanted[-1] == REST:
        wanted, rest = wanted[:-1], given[len(wanted) - 1 :]
        return bool(rest) and _all_match(wanted, given[: len(wanted)])
    return _all_match(wanted, given)


def _all_match(wanted: list[str], given: list[str]) -> bool:
    return len(wanted) == len(given) and all(
        fnmatchcase(segment, glob) and bool(segment) == bool(glob)
        for glob, segment in zip(wanted, given, strict=True)
    )


def permissions(grants: Iterable[Grant], now: float) -> tuple[str, ...]:
    """What the live ones of `grants` allow, as `METHOD pattern`, sorted."""
    return tuple(
        sorted(
            {f"{method} {path}" for g in grants if g.is_live(now) for method in g.methods for path in g.paths}
        )
    )
