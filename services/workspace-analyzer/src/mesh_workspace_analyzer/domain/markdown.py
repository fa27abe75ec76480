"""An analysis as a comment for a pull request, in GitHub Flavored Markdown."""

import re
from collections.abc import Iterator

from mesh_workspace_analyzer.domain.affected import Affected
from mesh_workspace_analyzer.domain.analysis import AffectedStatus, Analysis
from mesh_workspace_analyzer.domain.critical import Unit

MOST_ROWS = 50
"""A comment holds 65,536 characters on GitHub; a longer table is cut, and says so."""


def comment(analysis: Analysis) -> str:
    """What a reviewer wants to know: what is affected and why, what takes longest, what could be better.

    Names of projects and files are shown as code, whatever is in them.
    """
    return "\n".join([*_summary(analysis), *_table(analysis.affected), *_path(analysis), *_advice(analysis)])


def code(text: str) -> str:
    """A code span that fits into a cell of a table. Source: GFM 0.29, sections 4.10 and 6.3."""
    plain = " ".join(text.split()) or "\N{EMPTY SET}"
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", plain)), default=0))
    padding = " " if plain.startswith("`") or plain.endswith("`") else ""
    return f"{fence}{padding}{plain}{padding}{fence}".replace("|", "\\|")


def _summary(analysis: Analysis) -> Iterator[str]:
    yield f"### {len(analysis.affected)} of {analysis.projects} projects are affected"
    yield ""
    if analysis.status is AffectedStatus.FALLBACK_ALL:
        yield "What changed is not known, so all projects are taken."
        yield ""
    yield f"{code(analysis.base.ref)} to {code(analysis.head.ref)}, read in the tier {code(analysis.mode)}."
    yield ""


def _table(affected: tuple[Affected, ...]) -> Iterator[str]:
    if not affected:
        return
    yield from ("| project | because of | through |", "|---|---|---|")
    for found in affected[:MOST_ROWS]:
        because = code(found.files[0]) if found.files else found.reason
        through = " > ".join(code(edge.target) for edge in found.via[:5])
        yield f"| {code(found.project)} | {because} | {through} |"
    if len(affected) > MOST_ROWS:
        yield f"| and {len(affected) - MOST_ROWS} more | | |"
    yield ""


def _path(analysis: Analysis) -> Iterator[str]:
    path = analysis.critical_path
    if not path.tasks:
        return
    length = f"{path.total} ms" if path.unit is Unit.MS else f"{path.total} tasks"
    tasks = " > ".join(code(task.id) for task in path.tasks[:MOST_ROWS])
    yield f"**Longest wait** ({length}): {tasks}"
    yield ""


def _advice(analysis: Analysis) -> Iterator[str]:
    for advice in analysis.recommendations[:MOST_ROWS]:
        yield f"- {advice.severity}: {code(advice.title)}"
