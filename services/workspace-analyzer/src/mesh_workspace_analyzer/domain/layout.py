"""Where to draw the nodes of a directed graph: in layers, with few crossings and short lines.

Source: Sugiyama, Tagawa, Toda 1981, "Methods for visual understanding of hierarchical system structures".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from mesh_workspace_analyzer.domain.digraph import Needs, condense

SWEEPS = 12
"""Orders and places hardly get better after a few."""


@dataclass(frozen=True, slots=True)
class Line:
    """From one node to another; `bends` are where it goes through the layers between them."""

    source: int
    target: int
    bends: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """Layers of nodes, each of which needs only what is in later layers, and places in them, from 0 down.

    Numbers beyond those of the nodes are bends of lines.
    """

    layers: tuple[tuple[int, ...], ...]
    places: tuple[float, ...]
    lines: tuple[Line, ...]


def reduced(needs: Needs) -> list[list[int]]:
    """The same graph without what follows from the rest; `needs` has no circles (Aho, Garey, Ullman 1972)."""
    reaching = [0] * len(needs)
    kept: list[list[int]] = [[] for _ in needs]
    for at in _in_order(needs):
        for other in sorted(set(needs[at]), key=lambda other: (-reaching[other].bit_count(), other)):
            if not reaching[at] >> other & 1:
                kept[at].append(other)
                reaching[at] |= reaching[other] | 1 << other
    return kept


def lay_out(needs: Needs) -> Layout:
    """The layout of a graph without circles."""
    ranks = _ranks(needs)
    rows, lines, links = _with_bends(needs, ranks)
    _untangle(rows, links)
    return Layout(tuple(map(tuple, rows)), tuple(_places(rows, links)), tuple(lines))


def _in_order(needs: Needs) -> list[int]:
    """Each after all that it needs."""
    return [group[0] for group in condense(needs).groups]


def _ranks(needs: Needs) -> list[int]:
    """The layer of each; what needs nothing is in the last."""
    height = [0] * len(needs)
    for at in _in_order(needs):
        height[at] = max((height[other] + 1 for other in needs[at]), default=0)
    return [max(height) - own for own in height]


def _with_bends(
    needs: Needs, ranks: Sequence[int]
) -> tuple[list[list[int]], list[Line], list[tuple[int, int]]]:
    """Layers with a bend for each line through them, and links between neighbouring layers alone."""
    rows: list[list[int]] = [[] for _ in range(max(ranks, default=-1) + 1)]
    for at, rank in enumerate(ranks):
        rows[rank].append(at)
    lines: list[Line] = []
    links: list[tuple[int, int]] = []
    fresh = len(ranks)
    for source, needed in enumerate(needs):
        for target in needed:
            bends = range(fresh, fresh + ranks[target] - ranks[source] - 1)
            for rank, bend in enumerate(bends, start=ranks[source] + 1):
                rows[rank].append(bend)
            fresh = bends.stop
            lines.append(Line(source, target, tuple(bends)))
            way = (source, *bends, target)
            links += pairwise(way)
    return rows, lines, links


def _neighbours(rows: Sequence[Sequence[int]], links: Sequence[tuple[int, int]]) -> list[list[list[int]]]:
    """By direction, 0 for the layer before and 1 for the one after, whom each node is linked to."""
    before: list[list[int]] = [[] for row in rows for _ in row]
    after: list[list[int]] = [[] for row in rows for _ in row]
    for left, right in links:
        after[left].append(right)
        before[right].append(left)
    return [before, after]


def _untangle(rows: list[list[int]], links: Sequence[tuple[int, int]]) -> None:
    """Orders each layer by the middle of its neighbours, from left to right and back again."""
    neighbours = _neighbours(rows, links)
    place = {at: float(index) for row in rows for index, at in enumerate(row)}
    for sweep in range(SWEEPS):
        linked = neighbours[sweep % 2]
        for row in rows if sweep % 2 == 0 else reversed(rows):
            middle = {at: _mean([place[other] for other in linked[at]], place[at]) for at in row}
            row.sort(key=lambda at: (middle[at], at))
            place.update((at, float(index)) for index, at in enumerate(row))


def _places(rows: Sequence[Sequence[int]], links: Sequence[tuple[int, int]]) -> list[float]:
    """Places near those of the neighbours, at least one apart, in the order of each layer; the first is 0."""
    before, after = _neighbours(rows, links)
    place = [0.0] * len(before)
    for row in rows:
        for index, at in enumerate(row):
            place[at] = index - len(row) / 2
    for _ in range(SWEEPS):
        for row in (*rows, *reversed(rows)):
            wanted = [_mean([place[other] for other in (*before[at], *after[at])], place[at]) for at in row]
            for at, y in zip(row, _apart(wanted), strict=True):
                place[at] = y
    top = min(place, default=0.0)
    return [y - top for y in place]


def _apart(wanted: Sequence[float]) -> list[float]:
    """The nearest numbers, by least squares, each at least 1 more than the one before.

    Source: pool adjacent violators (Ayer and others 1955).
    """
    pools: list[tuple[float, int]] = []
    for index, number in enumerate(wanted):
        total, count = number - index, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            former, members = pools.pop()
            total, count = total + former, count + members
        pools.append((total, count))
    level = [total / count for total, count in pools for _ in range(count)]
    return [y + index for index, y in enumerate(level)]


def _mean(numbers: Sequence[float], default: float) -> float:
    return sum(numbers) / len(numbers) if numbers else default
