"""The projects of a workspace as a drawing: who needs whom, from left to right, with what is affected."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from mesh_workspace_analyzer.domain.affected import Affected
from mesh_workspace_analyzer.domain.analysis import Analysis
from mesh_workspace_analyzer.domain.drawing import add, canvas, finished, label, listed, width
from mesh_workspace_analyzer.domain.graph import ProjectGraph, blast_radius
from mesh_workspace_analyzer.domain.layout import Layout, Line, lay_out, reduced

MOST_DRAWN = 120
"""So many projects are drawn; nobody finds his way among more."""
LEFT, TOP, ROW, GAP, BOX = 24.0, 84.0, 36.0, 72.0, 26.0
TIPS = ("plain", "affected", "circle")


@dataclass(frozen=True, slots=True)
class Drawn:
    """What is in the picture: names, whom each needs, and needs that close a circle."""

    names: Sequence[str]
    needs: Sequence[Sequence[int]]
    closing: frozenset[tuple[int, int]]
    mutual: frozenset[tuple[int, int]]
    """Those of them whose two projects need each other."""


def picture(graph: ProjectGraph, analysis: Analysis) -> str:
    """An SVG of all projects; of more than 120, those that are affected; of these, the nearest 120.

    A dependency that follows from others is not drawn. One that closes a circle is, as a broken line.
    """
    affected = {found.project: found for found in analysis.affected}
    drawn = _drawn(graph, analysis, affected)
    layout = lay_out(drawn.needs)
    svg = canvas(
        f"{analysis.workspace}: {len(affected)} of {analysis.projects} projects are affected",
        listed(_caption(drawn, analysis)),
    )
    for kind in TIPS:
        _tip(svg, kind)
    columns = _columns(drawn, layout)
    spots = _spots(layout, columns)
    for line in layout.lines:
        kind = _kind(line, drawn, affected)
        path = add(svg, "path", d=_way(line, spots), class_=f"line {kind}")
        if kind == "circle":
            path.set("marker-start", f"url(#tip-{kind})")
        if kind != "circle" or (line.target, line.source) in drawn.mutual:
            path.set("marker-end", f"url(#tip-{kind})")
    for at, name in enumerate(drawn.names):
        _node(svg, name, spots[at], affected.get(name))
    rows = max(layout.places, default=0.0)
    breadth = max((x + wide for x, wide in columns), default=LEFT)
    return finished(svg, breadth + LEFT, TOP + BOX + ROW * rows + LEFT)


def _drawn(graph: ProjectGraph, analysis: Analysis, affected: Mapping[str, Affected]) -> Drawn:
    radius = blast_radius(graph)

    def worth(name: str) -> tuple[bool, int, int, str]:
        found = affected.get(name)
        return found is None, found.distance if found else 0, -radius[name], name

    names = sorted(graph.names, key=worth)
    if affected and len(names) > MOST_DRAWN:
        del names[len(affected) :]
    names = sorted(names[:MOST_DRAWN])
    return _connected(graph, analysis, names)


def _connected(graph: ProjectGraph, analysis: Analysis, names: Sequence[str]) -> Drawn:
    place = {name: at for at, name in enumerate(names)}
    cuts = {(edge.source, edge.target) for circle in analysis.circles for edge in circle.cut}
    straight: list[list[int]] = [[] for _ in names]
    closing: set[tuple[int, int]] = set()
    for edge in graph.dependencies:
        if edge.source not in place or edge.target not in place or edge.source == edge.target:
            continue
        ends = place[edge.source], place[edge.target]
        if (edge.source, edge.target) in cuts:
            closing.add(ends)
        else:
            straight[ends[0]].append(ends[1])
    # A line that closes a circle runs from right to left: laid out backwards it fits between the others.
    needs = reduced(straight)
    mutual = {(source, target) for source, target in closing if source in needs[target]}
    for source, target in sorted(closing - mutual):
        needs[target].append(source)
    return Drawn(names, needs, frozenset(closing), frozenset(mutual))


def _caption(drawn: Drawn, analysis: Analysis) -> Iterator[str]:
    yield "left needs right"
    yield "filled: changed, framed: affected"
    if drawn.closing:
        yield "broken: closes a circle"
    if (left := analysis.projects - len(drawn.names)) > 0:
        yield f"and {left} more projects"


def _columns(drawn: Drawn, layout: Layout) -> list[tuple[float, float]]:
    """Where each layer begins, and how wide it is."""
    columns: list[tuple[float, float]] = []
    x = LEFT
    for layer in layout.layers:
        wide = max((_box(drawn.names[at]) for at in layer if at < len(drawn.names)), default=0.0)
        columns.append((x, wide))
        x += wide + GAP
    return columns


def _box(name: str) -> float:
    return width(label(name)) + 20


Spot = tuple[float, float, float]
"""The left end, the right end, and the height of the middle."""


def _spots(layout: Layout, columns: Sequence[tuple[float, float]]) -> dict[int, Spot]:
    return {
        at: (x, x + wide, TOP + BOX / 2 + ROW * layout.places[at])
        for (x, wide), layer in zip(columns, layout.layers, strict=True)
        for at in layer
    }


def _kind(line: Line, drawn: Drawn, affected: Mapping[str, Affected]) -> str:
    if (line.target, line.source) in drawn.closing:
        return "circle"
    ends = drawn.names[line.source], drawn.names[line.target]
    return "affected" if all(name in affected for name in ends) else "plain"


def _tip(svg: Element, kind: str) -> None:
    marker = add(
        svg, "marker", id=f"tip-{kind}", viewBox="0 0 8 8", refX=7, refY=4, markerWidth=7, markerHeight=7
    )
    marker.set("orient", "auto-start-reverse")
    marker.set("markerUnits", "userSpaceOnUse")
    add(marker, "path", d="M0 0 8 4 0 8z", class_=f"tip {kind}")


def _way(line: Line, spots: Mapping[int, Spot]) -> str:
    x, y = spots[line.source][1:]
    steps = [f"M{x:.1f} {y:.1f}"]
    for at in (*line.bends, line.target):
        start, end, height = spots[at]
        middle = (x + start) / 2
        steps.append(f"C{middle:.1f} {y:.1f} {middle:.1f} {height:.1f} {start:.1f} {height:.1f}")
        if at != line.target:
            steps.append(f"H{end:.1f}")
        x, y = end, height
    return "".join(steps)


def _node(svg: Element, name: str, spot: Spot, found: Affected | None) -> None:
    state = "" if found is None else " affected" if found.distance else " changed"
    group = add(svg, "g", class_=f"node{state}")
    add(group, "title", listed([name, *_because(found)]))
    x, end, y = spot
    add(group, "rect", x=x, y=y - BOX / 2, width=end - x, height=BOX, rx=6)
    add(group, "text", label(name), x=x + 10, y=y + 4)


def _because(found: Affected | None) -> Iterator[str]:
    if found is not None:
        yield from found.files[:1]
        if found.via:
            yield "through " + " > ".join(edge.target for edge in found.via[:5])
