"""Analyses for people: comments and diagrams that no name in a workspace can break."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from httpx import AsyncClient
from hypothesis import given
from hypothesis import strategies as st
from mesh_workspace_analyzer.domain.affected import Affected, Change, Reason
from mesh_workspace_analyzer.domain.analysis import AffectedStatus, Analysis, Comparison, Revision, conclude
from mesh_workspace_analyzer.domain.graph import Dependency, Project, ProjectGraph
from mesh_workspace_analyzer.domain.history import Run
from mesh_workspace_analyzer.domain.markdown import MOST_ROWS, code, comment
from mesh_workspace_analyzer.domain.mermaid import MOST_NODES, diagram, label
from mesh_workspace_analyzer.domain.targets import Target

HOSTILE = ["`", "``x", "a|b", "<script>", "@everyone", "a\nb", "](http://x)", '"]', "#quot;", "end", ""]


def analysis(*names: str) -> Analysis:
    """Projects in a row, each of which needs the next; the last has changed."""
    build = (Target("build", depends_on=("^build",)),)
    graph = ProjectGraph(
        projects=tuple(Project(name=name, root=f"libs/{name}", targets=build) for name in sorted(names)),
        dependencies=tuple(sorted(map(Dependency, names, names[1:]), key=lambda edge: edge.source)),
    )
    comparison = Comparison(
        workspace="shop",
        base=Revision("main", "1" * 40),
        head=Revision("HEAD", "2" * 40),
        tree="t",
        changes=(Change(f"libs/{names[-1]}/x.ts"),),
    )
    now = datetime(2026, 1, 2, tzinfo=UTC)
    runs = [Run(task=f"{name}:build", duration_ms=2_000) for name in names]
    return conclude(
        graph, comparison, id=UUID(int=1), tool_versions={}, duration_ms=0, created_at=now, runs=runs
    )


def test_a_comment_says_what_is_affected_through_what_and_what_takes_longest():
    said = comment(analysis("web", "cart", "money"))

    assert said.startswith("### 3 of 3 projects are affected\n")
    assert "| `web` | `libs/money/x.ts` | `cart` > `money` |" in said
    assert "| `money` | `libs/money/x.ts` |  |" in said
    assert "**Longest wait** (6000 ms): `money:build` > `cart:build` > `web:build`" in said


def test_a_comment_says_when_the_change_is_not_known():
    unknown = replace(analysis("a"), status=AffectedStatus.FALLBACK_ALL)

    assert "What changed is not known, so all projects are taken." in comment(unknown)


def test_a_comment_without_anything_affected_has_no_table():
    assert "|" not in comment(replace(analysis("a"), affected=()))


def test_a_long_table_is_cut_and_says_so():
    many = tuple(Affected(f"p{n:03}", Reason.DIRECT, ("x",)) for n in range(MOST_ROWS + 7))

    said = comment(replace(analysis("a"), affected=many))

    assert said.count("| `p") == MOST_ROWS
    assert "| and 7 more | | |" in said


@pytest.mark.parametrize("name", HOSTILE)
def test_a_row_of_a_comment_stays_a_row_whatever_a_project_is_called(name: str):
    found = (Affected(name, Reason.GLOBAL, ()),)

    (row,) = [
        line for line in comment(replace(analysis("a"), affected=found)).splitlines()[4:] if "global" in line
    ]

    assert len(re.findall(r"(?<!\\)\|", row)) == 4


@given(st.text())
def test_code_shows_its_text_and_nothing_gets_out_of_it(text: str):
    span = code(text)
    fence = re.match("`+", span)

    assert fence
    inner = span[len(fence[0]) : -len(fence[0])]
    assert span.endswith(fence[0])
    assert fence[0] not in re.findall("`+", inner)
    assert "\n" not in span


def test_a_diagram_shows_the_way_from_what_changed():
    assert diagram(analysis("web", "cart", "money").affected) == (
        "flowchart LR\n"
        '  p0["cart"]\n'
        '  p1["money"]\n'
        '  p2["web"]\n'
        "  p0 --> p1\n"
        "  p2 --> p0\n"
        "  classDef changed stroke-width:3px\n"
        "  class p1 changed\n"
    )


def test_a_diagram_of_nothing_is_an_empty_chart():
    assert diagram(()) == "flowchart LR\n"


def test_a_diagram_has_no_more_projects_than_can_be_drawn():
    many = tuple(Affected(f"p{n:03}", Reason.DIRECT, ("x",)) for n in range(MOST_NODES + 1))

    assert diagram(many).count("[") == MOST_NODES


@given(st.text())
def test_a_label_means_nothing_to_mermaid(name: str):
    said = label(name)

    assert re.fullmatch(r"(?:[A-Za-z0-9_ ./@-]|#\d+;)+", said)
    if name:
        assert re.sub(r"#(\d+);", lambda entity: chr(int(entity[1])), said) == name


async def test_both_are_there_for_every_analysis(http: AsyncClient, storefront: object):
    made = (await http.post("/v1/analyses", json={"workspace": "storefront", "head": "change"})).json()

    written = await http.get(f"/v1/analyses/{made['id']}/comment")
    drawn = await http.get(f"/v1/analyses/{made['id']}/diagram")

    assert written.text.startswith("### 6 of 10 projects are affected\n")
    assert '["pricing"]' in drawn.text
