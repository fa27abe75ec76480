"""A plan drawn as text: one row per step, one column per result that is still needed below."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A step as it is drawn: one character that says how it stands, and a line about it."""

    id: str
    needs: Sequence[str]
    mark: str
    label: str


def draw(waves: Sequence[Sequence[str]], nodes: Mapping[str, Node]) -> str:
    """The DAG in ASCII. A step's column goes down to the last step that needs it, where it ends in `'`.

    wave 1  o       find
            | o     read
    wave 2  '-'-o   report
    """
    board = _Board(nodes)
    rows = [(number, nodes[id], board.row(nodes[id])) for number, wave in enumerate(waves, 1) for id in wave]
    width = max(len(lanes) for _, _, lanes in rows)
    id_width = max(len(node.id) for _, node, _ in rows)
    lines: list[str] = []
    last = 0
    for number, node, lanes in rows:
        wave = f"wave {number}" if number != last else ""
        lines.append(f"{wave:<9}{lanes:<{width}}  {node.id:<{id_width}}  {node.label}".rstrip())
        last = number
    return "\n".join(lines) + "\n"


class _Board:
    """The columns; each is free or carries the result of one step down to those that need it."""

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self._awaited = Counter(need for node in nodes.values() for need in set(node.needs))
        self._lanes: list[str | None] = []

    def row(self, node: Node) -> str:
        """Draws the row of `node`, ends the columns that nobody below needs, and begins its own."""
        own = self._free_lane()
        sources = {self._lanes.index(need) for need in node.needs}
        span = range(min({own, *sources}), max({own, *sources}))
        for need in set(node.needs):
            self._awaited[need] -= 1
        text = "".join(self._cell(lane, own, sources, span, node.mark) for lane in range(len(self._lanes)))
        self._settle(own, node.id)
        return text.rstrip()

    def _free_lane(self) -> int:
        if None not in self._lanes:
            self._lanes.append(None)
        return self._lanes.index(None)

    def _cell(self, lane: int, own: int, sources: set[int], span: range, mark: str) -> str:
        """One column and the gap to its right."""
        gap = "-" if lane in span else " "
        if lane == own:
            return mark + gap
        id = self._lanes[lane]
        if id is None:
            return gap * 2
        if lane in sources:
            return ("+" if self._awaited[id] else "'") + gap
        return "|" + gap

    def _settle(self, own: int, id: str) -> None:
        self._lanes[own] = id
        self._lanes = [lane if lane is not None and self._awaited[lane] else None for lane in self._lanes]
