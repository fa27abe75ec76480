"""All that one subject was ever granted on one connection, and which of it fits a call."""

from collections.abc import Iterable, Iterator
from heapq import merge
from operator import attrgetter

from mesh_security_gateway.domain.grants import Grant
from mesh_security_gateway.domain.patterns import Patterns

MOST_TRIED = 8
"""Grants that a call is tried with: when policies forbid so many, the next says nothing new."""

_freedom = attrgetter("freedom")


class Holding:
    """The grants of one subject on one connection at one moment; `now` is in Unix seconds."""

    def __init__(self, grants: Iterable[Grant], now: float) -> None:
        self.grants = tuple(grants)
        live = sorted((grant for grant in self.grants if grant.is_live(now)), key=_freedom)
        methods = {method for grant in live for method in grant.methods}
        self._of_method = {m: _Covering(grant for grant in live if m in grant.methods) for m in methods}

    def fitting(self, method: str, path: str, now: float) -> Iterator[tuple[Grant, tuple[str, ...]]]:
        """Live grants for this, each with its patterns that cover the path; the freest first, 8 at most."""
        if (grants := self._of_method.get(method)) is not None:
            yield from grants.fitting(path, now)


class _Covering:
    """Live grants by their patterns; each list has the freest first."""

    def __init__(self, grants: Iterable[Grant]) -> None:
        self._of: dict[str, list[Grant]] = {}
        for grant in grants:
            for pattern in dict.fromkeys(grant.paths):
                self._of.setdefault(pattern, []).append(grant)
        self._patterns = Patterns(self._of)

    def fitting(self, path: str, now: float) -> Iterator[tuple[Grant, tuple[str, ...]]]:
        covering, tried = self._patterns.covering(path), set[Grant]()
        for grant in merge(*(self._of[pattern] for pattern in sorted(covering)), key=_freedom):
            if len(tried) == MOST_TRIED:
                return
            if grant not in tried and grant.is_live(now):
                tried.add(grant)
                yield grant, tuple(pattern for pattern in grant.paths if pattern in covering)
