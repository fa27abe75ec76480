"""All that one subject was ever granted on one connection, and which of it fits a call."""

from bisect import insort
from collections.abc import Iterable, Iterator
from heapq import merge
from operator import attrgetter
from uuid import UUID

from mesh_security_gateway.domain.grants import Grant
from mesh_security_gateway.domain.patterns import Patterns

MOST_TRIED = 8
"""Grants that a call is tried with: when policies forbid so many, the next says nothing new."""

_freedom = attrgetter("freedom")


class Holding:
    """The grants of one subject on one connection; those that change are taken in one by one."""

    def __init__(self, grants: Iterable[Grant] = (), now: float = 0) -> None:
        self._grants: dict[UUID, Grant] = {}
        self._of_method: dict[str, _Covering] = {}
        self.grants: tuple[Grant, ...] = ()
        """All that there ever were, live or not."""
        self.take(grants, now)

    def take(self, grants: Iterable[Grant], now: float) -> None:
        """Takes in what is new, and in stead of what it knew what changed; `now` is in Unix seconds."""
        for grant in grants:
            if (known := self._grants.get(grant.id)) is not None:
                self._forget(known)
            self._grants[grant.id] = grant
            if grant.is_live(now):
                for method in grant.methods:
                    self._of_method.setdefault(method, _Covering()).add(grant)
        self.grants = tuple(self._grants.values())

    def _forget(self, grant: Grant) -> None:
        for method in grant.methods:
            if (covering := self._of_method.get(method)) is not None:
                covering.drop(grant)

    def fitting(self, method: str, path: str, now: float) -> Iterator[tuple[Grant, tuple[str, ...]]]:
        """Live grants for this, each with its patterns that cover the path; the freest first, 8 at most."""
        if (grants := self._of_method.get(method)) is not None:
            yield from grants.fitting(path, now)


class _Covering:
    """Live grants by their patterns; each list has the freest first."""

    def __init__(self) -> None:
        self._of: dict[str, list[Grant]] = {}
        self._patterns = Patterns()

    def add(self, grant: Grant) -> None:
        for pattern in dict.fromkeys(grant.paths):
            if pattern not in self._of:
                self._of[pattern] = []
                self._patterns.add(pattern)
            insort(self._of[pattern], grant, key=_freedom)

    def drop(self, grant: Grant) -> None:
        """Forgets the grant, if it is there; its patterns stay, for nobody."""
        for pattern in grant.paths:
            if pattern in self._of:
                self._of[pattern] = [other for other in self._of[pattern] if other.id != grant.id]

    def fitting(self, path: str, now: float) -> Iterator[tuple[Grant, tuple[str, ...]]]:
        covering, tried = self._patterns.covering(path), set[UUID]()
        of_each = [self._of[pattern] for pattern in sorted(covering)]
        for grant in of_each[0] if len(of_each) == 1 else merge(*of_each, key=_freedom):
            if len(tried) == MOST_TRIED:
                return
            if grant.id not in tried and grant.is_live(now):
                tried.add(grant.id)
                yield grant, tuple(pattern for pattern in grant.paths if pattern in covering)
