"""Circles of projects, and the fewest dependencies that one would have to give up to be rid of them."""

from collections import deque
from dataclasses import dataclass

from mesh_workspace_analyzer.domain.digraph import condense
from mesh_workspace_analyzer.domain.graph import Dependency, ProjectGraph, needs

MOST_TRIED = 2_000
"""For more projects or dependencies in a circle the cut is not made small: that takes their square."""


@dataclass(frozen=True, slots=True)
class Circle:
    """Projects that all need each other, in order; a shortest way around; what to cut.

    `cut` breaks every circle among the projects, and none of it can be spared. A cut with fewer dependencies
    may exist: to find the least is NP-hard (feedback arc set, Karp 1972).
    """

    projects: tuple[str, ...]
    way: tuple[str, ...]
    cut: tuple[Dependency, ...]


def circles(graph: ProjectGraph) -> tuple[Circle, ...]:
    """All of them, in the order of their projects."""
    names, needed = graph.names, needs(graph)
    kinds = {(d.source, d.target): d for d in graph.dependencies}
    found: list[Circle] = []
    for group in condense(needed).groups:
        if len(group) > 1:
            members = set(group)
            within = {at: [other for other in needed[at] if other in members] for at in group}
            cut = sorted((names[a], names[b]) for a, b in _cut(within))
            found.append(
                Circle(
                    tuple(names[at] for at in group),
                    tuple(names[at] for at in _way_around(within)),
                    tuple(kinds[edge] for edge in cut),
                )
            )
    return tuple(sorted(found, key=lambda circle: circle.projects))


def _way_around(within: dict[int, list[int]]) -> list[int]:
    """A shortest circle through the first project."""
    start = min(within)
    came: dict[int, int] = {}
    waiting = deque([start])
    while waiting:
        at = waiting.popleft()
        for other in within[at]:
            if other == start:
                return _back(came, at, start)
            if other not in came:
                came[other] = at
                waiting.append(other)
    return [start]


def _back(came: dict[int, int], at: int, start: int) -> list[int]:
    way = [at]
    while way[-1] != start:
        way.append(came[way[-1]])
    return way[::-1]


def _cut(within: dict[int, list[int]]) -> list[tuple[int, int]]:
    place = {at: position for position, at in enumerate(_sequence(within))}
    cut = [(a, b) for a, needed in within.items() for b in needed if place[b] <= place[a]]
    kept = {a: [b for b in needed if place[b] > place[a]] for a, needed in within.items()}
    if sum(map(len, within.values())) > MOST_TRIED:
        return cut
    left: list[tuple[int, int]] = []
    for a, b in cut:
        if _reaches(kept, b, a):
            left.append((a, b))
        else:
            kept[a].append(b)
    return left


def _sequence(within: dict[int, list[int]]) -> list[int]:
    """An order in which few dependencies lead back. Source: Eades, Lin, Smyth 1993, a greedy heuristic."""
    if len(within) > MOST_TRIED:
        return sorted(within)
    out = {at: set(needed) for at, needed in within.items()}
    into: dict[int, set[int]] = {at: set() for at in within}
    for at, needed in within.items():
        for other in needed:
            into[other].add(at)
    front: list[int] = []
    back: list[int] = []
    while out:
        at = min(out, key=lambda at: (bool(out[at]) and bool(into[at]), len(into[at]) - len(out[at]), at))
        (back if not out[at] else front).append(at)
        for other in out.pop(at):
            into[other].discard(at)
        for other in into.pop(at):
            out[other].discard(at)
    return front + back[::-1]


def _reaches(edges: dict[int, list[int]], start: int, goal: int) -> bool:
    seen, waiting = {start}, [start]
    while waiting:
        at = waiting.pop()
        if at == goal:
            return True
        waiting.extend(fresh := [other for other in edges[at] if other not in seen])
        seen.update(fresh)
    return False
