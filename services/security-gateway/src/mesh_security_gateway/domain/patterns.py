"""Path patterns, found by the path that they cover: two thousand cost hardly more than one."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

REST = "**"


@dataclass(slots=True)
class _Node:
    """What may follow in a pattern; `here` and `below` are patterns that end at this place."""

    literals: dict[str, "_Node"] = field(default_factory=dict[str, "_Node"])
    globs: dict[str, "_Node"] = field(default_factory=dict[str, "_Node"])
    here: str | None = None
    below: str | None = None

    def follow(self, segment: str) -> "_Node":
        kind = self.globs if "*" in segment else self.literals
        return kind.setdefault(segment, _Node())

    def after(self, segment: str) -> "list[_Node]":
        literal = self.literals.get(segment)
        found = [literal] if literal is not None else []
        if self.globs and segment:
            found += [after for glob, after in self.globs.items() if fnmatchcase(segment, glob)]
        return found


class Patterns:
    """A tree of patterns, one level for each segment.

    `*` stands for characters within one segment and, alone, for one segment that is not empty; `/**` at the
    end for everything below, however deep.
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._root = _Node()
        for pattern in patterns:
            self.add(pattern)

    def add(self, pattern: str) -> None:
        """Takes in one more; the same again changes nothing."""
        *before, last = pattern.split("/")
        node = self._root
        for segment in before:
            node = node.follow(segment)
        if last == REST:
            node.below = pattern
        else:
            node.follow(last).here = pattern

    def covering(self, path: str) -> frozenset[str]:
        """The patterns that the canonical `path` fits."""
        found, nodes = list[str | None](), [self._root]
        for segment in path.split("/"):
            found += [node.below for node in nodes]
            nodes = [after for node in nodes for after in node.after(segment)]
        found += [node.here for node in nodes]
        return frozenset(pattern for pattern in found if pattern is not None)
