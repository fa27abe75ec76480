"""The critical path as a drawing: which tasks decide the end of a build, and how much others could wait."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from mesh_workspace_analyzer.domain.analysis import Analysis
from mesh_workspace_analyzer.domain.critical import Basis, CriticalPath, TimedTask, Unit
from mesh_workspace_analyzer.domain.drawing import add, canvas, finished, label, listed, width

MOST_BARS = 60
LEFT, TOP, ROW, BAR, SPAN = 24.0, 84.0, 26.0, 16.0, 760.0
MOST_MARKS = 10
THINNEST = 1.5
SECOND = 1000


def timeline(analysis: Analysis) -> str:
    """An SVG with a bar for each of the first 60 tasks of the path, and for those that come near it.

    Tasks start as early as what they need allows, with a worker for everybody.
    """
    path = analysis.critical_path
    on_path = path.tasks[:MOST_BARS]
    bars = sorted((*on_path, *path.near), key=lambda task: (task.start, task.slack, task.id))
    svg = canvas(
        f"{analysis.workspace}: the longest wait is {_length(path.total, path.unit)}",
        listed(_caption(path, len(on_path))),
    )
    side = LEFT + max((width(label(task.id)) for task in bars), default=0.0) + 16
    scale = SPAN / max(path.total, 1)
    bottom = TOP + ROW * len(bars)
    _scale(svg, path, side, scale, bottom)
    for row, task in enumerate(bars):
        _bar(svg, task, path.unit, side, scale, TOP + ROW * row)
    return finished(svg, side + SPAN + 110, bottom + 36)


def _caption(path: CriticalPath, shown: int) -> Iterator[str]:
    yield "red: on the critical path"
    if path.near:
        yield "grey: beside it, dotted as long as it could wait"
    if path.unit is Unit.MS and path.coverage < 1:
        yield f"pale: estimated, {path.coverage:.0%} of the tasks are measured"
    if len(path.tasks) > shown:
        yield f"and {len(path.tasks) - shown} more tasks"


def _scale(svg: Element, path: CriticalPath, side: float, scale: float, bottom: float) -> None:
    step = _round_step(path.total / MOST_MARKS)
    for at in range(0, path.total + 1, step):
        x = side + at * scale
        add(svg, "line", x1=x, x2=x, y1=TOP - 8, y2=bottom, class_="grid")
        add(svg, "text", _length(at, path.unit), x=x, y=bottom + 18, text_anchor="middle", class_="faint")


def _bar(svg: Element, task: TimedTask, unit: Unit, side: float, scale: float, y: float) -> None:
    group = add(svg, "g")
    add(group, "title", listed([task.id, _length(task.length, unit), f"{task.samples} samples"]))
    add(group, "text", label(task.id), x=side - 16, y=y + 12, text_anchor="end")
    start, end = side + task.start * scale, side + (task.start + task.length) * scale
    end = max(end, start + THINNEST)
    add(group, "rect", x=start, y=y, width=end - start, height=BAR, rx=3, class_=_marks(task))
    late, middle = end + task.slack * scale, y + BAR / 2
    add(group, "line", x1=end, x2=late, y1=middle, y2=middle, class_="slack")
    add(group, "text", _length(task.length, unit), x=late + 6, y=y + 12, class_="faint")


def _marks(task: TimedTask) -> str:
    critical = " critical" if task.slack == 0 else ""
    return f"bar{critical}{' guessed' if task.basis is Basis.ESTIMATE else ''}"


def _round_step(least: float) -> int:
    """1, 2 or 5 with noughts, no less than asked."""
    size = 1
    while True:
        for step in (size, 2 * size, 5 * size):
            if step >= least:
                return step
        size *= 10


def _length(length: int, unit: Unit) -> str:
    if unit is Unit.HOPS:
        return f"{length} tasks"
    return f"{length} ms" if 0 < length < SECOND else f"{round(length / SECOND, 1):g} s"
