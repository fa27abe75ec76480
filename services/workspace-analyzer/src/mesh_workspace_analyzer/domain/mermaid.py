"""What is affected as a diagram in the language of Mermaid, which GitHub and GitLab draw."""

import re
from collections.abc import Iterable

from mesh_workspace_analyzer.domain.affected import Affected

MOST_NODES = 200
"""Mermaid draws no more than 500 edges, and nobody reads so many."""
EMPTY = "#8709;"
_SPECIAL = re.compile(r"[^A-Za-z0-9_ ./@-]")


def diagram(affected: tuple[Affected, ...]) -> str:
    """A flow chart of the ways from what changed to what is affected; changed projects have a thick border.

    The first 200 by name. Names are labels, with entities for whatever means something to Mermaid.
    """
    shown = affected[:MOST_NODES]
    edges = sorted({(edge.source, edge.target) for found in shown for edge in found.via})
    ids = _ids({found.project for found in shown}.union(*edges))
    lines = ["flowchart LR", *(f'  {id}["{label(name)}"]' for name, id in ids.items())]
    lines += [f"  {ids[source]} --> {ids[target]}" for source, target in edges]
    if changed := [ids[found.project] for found in shown if not found.via]:
        lines += ["  classDef changed stroke-width:3px", f"  class {','.join(changed)} changed"]
    return "\n".join(lines) + "\n"


def label(name: str) -> str:
    """A name with entities. Source: mermaid, `docs/syntax/flowchart.md`, "Entity codes"."""
    return _SPECIAL.sub(lambda special: f"#{ord(special[0])};", name) or EMPTY


def _ids(names: Iterable[str]) -> dict[str, str]:
    return {name: f"p{place}" for place, name in enumerate(sorted(names))}
