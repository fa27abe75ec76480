"""The same premises have the same conclusion, and whatever differs has one of its own."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from in_memory import SHOP
from mesh_workspace_analyzer.domain.affected import Change
from mesh_workspace_analyzer.domain.analysis import Analysis, Revision, conclude
from mesh_workspace_analyzer.domain.constraints import Constraint
from mesh_workspace_analyzer.domain.cost import Pipeline
from mesh_workspace_analyzer.domain.graph import Project, ProjectGraph
from mesh_workspace_analyzer.domain.history import Run
from mesh_workspace_analyzer.service.conclusions import Conclusions, Premises

PREMISES = Premises(
    graph_key="k",
    comparison=SHOP,
    runs=(Run(task="lib:build", duration_ms=700),),
    gaps=(),
    pipeline=Pipeline(),
    constraints=(),
)
OTHERS: dict[str, dict[str, Any]] = {
    "tree": {"graph_key": "other"},
    "base": {"comparison": replace(SHOP, base=Revision("dev", "1" * 40))},
    "change": {"comparison": replace(SHOP, changes=(Change("app/y.ts"),))},
    "unknown change": {"comparison": replace(SHOP, changes=None)},
    "duration": {"runs": (Run(task="lib:build", duration_ms=701),)},
    "gap": {"gaps": ("One page is torn.",)},
    "pipeline": {"pipeline": Pipeline(setup_ms=1)},
    "constraint": {"constraints": (Constraint(sources=("a",), only=("b",)),)},
}


def conclusion() -> Analysis:
    graph = ProjectGraph(projects=(Project(name="lib", root="lib"),))
    now = datetime.now(UTC)
    return conclude(graph, SHOP, id=UUID(int=1), tool_versions={}, duration_ms=0, created_at=now)


def test_nothing_is_at_hand_at_first():
    assert Conclusions().get(PREMISES) is None


def test_the_same_premises_have_the_conclusion_that_was_kept():
    conclusions, analysis = Conclusions(), conclusion()

    conclusions.keep(PREMISES, analysis)

    assert conclusions.get(replace(PREMISES)) is analysis


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_premises_that_differ_in_anything_have_none(other: dict[str, Any]):
    conclusions = Conclusions()
    conclusions.keep(PREMISES, conclusion())

    assert conclusions.get(replace(PREMISES, **other)) is None


def test_the_one_that_was_not_asked_for_the_longest_is_forgotten():
    conclusions, analysis = Conclusions(most=2), conclusion()
    one, two, three = [replace(PREMISES, graph_key=key) for key in "123"]
    conclusions.keep(one, analysis)
    conclusions.keep(two, analysis)

    conclusions.get(one)
    conclusions.keep(three, analysis)

    assert [conclusions.get(premises) is analysis for premises in (one, two, three)] == [True, False, True]
