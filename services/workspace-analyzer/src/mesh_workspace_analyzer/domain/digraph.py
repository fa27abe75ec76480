"""Directed graphs of numbers: who needs whom, with circles taken together."""

from collections.abc import Sequence
from dataclasses import dataclass

Needs = Sequence[Sequence[int]]
"""By position, the positions that each needs."""


@dataclass(frozen=True, slots=True)
class Condensed:
    """Groups of positions that all need each other, most often one, each group after those that it needs."""

    groups: list[list[int]]
    needs: list[list[int]]
    """By group, the groups that it needs, without itself."""


def condense(needs: Needs) -> Condensed:
    """The graph with each of its circles as one. Positions in a group are in order."""
    import rustworkx as rx  # noqa: PLC0415 - 4 MiB, which nobody needs who analyses nothing

    digraph = rx.PyDiGraph[None, None]()
    digraph.add_nodes_from([None] * len(needs))
    digraph.add_edges_from_no_data([(at, need) for at, needed in enumerate(needs) for need in needed])
    # Kosaraju's order, which petgraph promises: a group comes after those that its members lead to.
    groups = [sorted(group) for group in rx.strongly_connected_components(digraph)]
    home = [0] * len(needs)
    for position, group in enumerate(groups):
        for at in group:
            home[at] = position
    between = [
        sorted({home[need] for at in group for need in needs[at]} - {position})
        for position, group in enumerate(groups)
    ]
    return Condensed(groups, between)


def inverse(needs: Needs) -> list[list[int]]:
    """By position, the positions that need it."""
    dependents: list[list[int]] = [[] for _ in needs]
    for at, needed in enumerate(needs):
        for other in needed:
            dependents[other].append(at)
    return dependents


def reach(needs: Needs) -> list[int]:
    """By position, how many need it, at any remove, itself included."""
    graph = condense(needs)
    # One bit for each: the union of two sets of ten thousand is one instruction of big integers.
    masks = [sum(1 << at for at in group) for group in graph.groups]
    for position in reversed(range(len(masks))):
        for need in graph.needs[position]:
            masks[need] |= masks[position]
    counts = [0] * len(needs)
    for group, mask in zip(graph.groups, masks, strict=True):
        for at in group:
            counts[at] = mask.bit_count()
    return counts
