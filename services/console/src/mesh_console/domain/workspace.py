"""An analysis as a picture."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any


def graph(analysis: Mapping[str, Any]) -> dict[str, Any]:
    """The affected projects and how the change reached each; those on the critical path stand out.

    An analysis answers only these edges and that path: projects that neither touches are not drawn.
    """
    path = [task["project"] for task in analysis["criticalPath"]["tasks"]]
    affected = {each["project"]: each["reason"] for each in analysis["affectedDetail"]}
    reached = {(via["target"], via["source"]) for each in analysis["affectedDetail"] for via in each["via"]}
    edges = reached | {(one, other) for one, other in pairwise(path) if one != other}
    names = sorted({*affected, *path} | {end for edge in edges for end in edge})
    return {"nodes": [_node(name, affected, path) for name in names], "edges": sorted(map(list, edges))}


def _node(name: str, affected: Mapping[str, str], path: list[str]) -> dict[str, str]:
    note = affected.get(name, "not affected") + (", critical" if name in path else "")
    tone = {"direct": "bad", "global": "bad"}.get(
        affected.get(name, ""), "wait" if name in affected else "calm"
    )
    return {"id": name, "label": name, "note": note, "tone": tone, "href": "#affected"}
