"""Time and money as they go over the wire: every member, its unit, and what is null until it is known."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from mesh_workspace_analyzer.domain.affected import Change
from mesh_workspace_analyzer.domain.analysis import Analysis, Comparison, Revision, conclude
from mesh_workspace_analyzer.domain.cost import Interval, Pipeline
from mesh_workspace_analyzer.domain.graph import Dependency, Project, ProjectGraph
from mesh_workspace_analyzer.domain.history import Run
from mesh_workspace_analyzer.domain.rates import Runner
from mesh_workspace_analyzer.domain.targets import Target
from mesh_workspace_analyzer.schemas.analyses import AnalysisView
from mesh_workspace_analyzer.schemas.figures import IntervalView
from mesh_workspace_analyzer.schemas.requests import AnalysisRequest, Ci
from pydantic import ValidationError

BUILD = (Target("build", ("^build",), cache=True),)
GRAPH = ProjectGraph(
    projects=(
        Project(name="app", root="app", targets=BUILD),
        Project(name="core", root="core", targets=BUILD),
        Project(name="docs", root="docs", targets=BUILD),
    ),
    dependencies=(Dependency("app", "core"),),
)
RUNS = (
    Run(task="core:build", duration_ms=60_000, ended_ms=1),
    Run(task="core:build", duration_ms=120_000, ended_ms=2),
    Run(task="core:build", duration_ms=240_000, ended_ms=3),
    Run(task="app:build", duration_ms=90_000, ended_ms=4),
    Run(task="gone:build", duration_ms=1, ended_ms=5),
)


def analysis(changes: tuple[Change, ...] | None = (Change("app/x.ts"),), **more: Any) -> Analysis:
    comparison = Comparison(
        workspace="shop",
        base=Revision("main", "1" * 40),
        head=Revision("HEAD", "2" * 40),
        tree="3" * 40,
        changes=changes,
    )
    return conclude(
        GRAPH,
        comparison,
        id=UUID(int=1),
        tool_versions={},
        duration_ms=5,
        created_at=datetime(2025, 3, 4, tzinfo=UTC),
        **more,
    )


def told(found: Analysis) -> dict[str, Any]:
    return json.loads(AnalysisView.of(found).model_dump_json())


def test_a_critical_path_of_time_is_told_with_every_number_that_it_rests_on():
    path = told(analysis(runs=RUNS))["criticalPath"]

    assert path == {
        "unit": "ms",
        "tasks": [
            {
                "id": "core:build",
                "project": "core",
                "startMs": 0,
                "durationMs": 120_000,
                "p90Ms": 240_000,
                "source": "history",
                "samples": 3,
                "slackMs": 0,
            },
            {
                "id": "app:build",
                "project": "app",
                "startMs": 120_000,
                "durationMs": 90_000,
                "p90Ms": 90_000,
                "source": "history",
                "samples": 1,
                "slackMs": 0,
            },
        ],
        "length": 2,
        "near": [
            {
                "id": "docs:build",
                "project": "docs",
                "startMs": 0,
                "durationMs": 105_000,
                "p90Ms": None,
                "source": "estimate",
                "samples": 0,
                "slackMs": 105_000,
            }
        ],
        "totalMs": 210_000,
        "makespanMs": {
            "1": 315_000,
            "2": 210_000,
            "3": 210_000,
            "4": 210_000,
            "8": 210_000,
            "16": 210_000,
        },
        "lowerBoundMs": {
            "1": 315_000,
            "2": 210_000,
            "3": 210_000,
            "4": 210_000,
            "8": 210_000,
            "16": 210_000,
        },
        "coverage": 0.6667,
    }


def test_money_is_told_with_its_rate_its_bounds_and_the_minutes_that_it_is_for():
    pipeline = Pipeline(runner=Runner.LINUX_4_CORE, workers=2, setup_ms=30_000, runs_per_month=10)

    cost = told(analysis(runs=RUNS, pipeline=pipeline))["costImpact"]

    assert cost | {"assumptions": [], "rateDate": ""} == {
        "projectsSkippedPct": 67,
        "method": "billed-minutes",
        "assumptions": [],
        "currency": "USD",
        "runner": "linux_4_core",
        "ratePerMinute": "0.012",
        "rateSource": "github/docs content/billing/reference/actions-runner-pricing.md",
        "rateDate": "",
        "full": {"low": "0.036", "mid": "0.048", "high": "0.072"},
        "affected": {"low": "0.024", "mid": "0.024", "high": "0.024"},
        "avoided": {"low": "0.012", "mid": "0.024", "high": "0.048"},
        "avoidedPerMonth": {"low": "0.120", "mid": "0.240", "high": "0.480"},
        "fullMinutes": 4,
        "affectedMinutes": 2,
        "minutesSkippedPct": 50,
    }


def test_the_assumptions_name_the_job_and_the_cache():
    runs = (*RUNS, Run(task="app:build", duration_ms=2, is_hit=True))

    assumptions = told(analysis(runs=runs))["costImpact"]["assumptions"]

    assert assumptions == [
        "One job on linux_2_core_advanced with 3 tasks at once and 60000 ms before the first; "
        "each job is billed by the whole minute.",
        "20 % of what can be cached is, with and without the change.",
        "What is not affected but waited for comes from the cache when it can be cached.",
    ]


def test_when_what_changed_is_not_known_the_money_is_all_spent():
    cost = told(analysis(None, runs=RUNS))["costImpact"]

    assert cost["full"] == cost["affected"]
    assert cost["avoided"] == {"low": "0.000", "mid": "0.000", "high": "0.000"}
    assert (cost["projectsSkippedPct"], cost["minutesSkippedPct"]) == (0, 0)


def test_runs_of_tasks_that_are_gone_are_not_kept():
    assert analysis(runs=RUNS).history.measured.keys() == {"app:build", "core:build"}


def test_an_analysis_with_time_and_money_survives_being_stored():
    found = analysis(runs=RUNS, pipeline=Pipeline(runs_per_month=3))

    assert msgspec.convert(json.loads(json.dumps(msgspec.to_builtins(found))), Analysis) == found


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0", "0"), ("0.006", "0.006"), ("1E+3", "1000"), ("1E-7", "0.0000001"), ("12.30", "12.30")],
)
def test_an_amount_is_text_without_an_exponent(amount: str, text: str):
    value = Decimal(amount)

    assert IntervalView.of(Interval(value, value, value)).mid == text


@pytest.mark.parametrize(
    ("given", "pipeline"),
    [
        ({}, Pipeline()),
        ({"runner": "macos_l"}, Pipeline(runner=Runner.MACOS_L)),
        ({"workers": 1, "setupMs": 0}, Pipeline(workers=1, setup_ms=0)),
        ({"workers": 64, "runsPerMonth": 1_000_000}, Pipeline(workers=64, runs_per_month=1_000_000)),
    ],
)
def test_a_job_is_described_by_what_differs_from_the_usual(given: dict[str, Any], pipeline: Pipeline):
    assert Ci.model_validate(given).pipeline() == pipeline


@pytest.mark.parametrize(
    "given",
    [
        {"runner": ""},
        {"runner": "linux"},
        {"runner": 4},
        {"workers": 65},
        {"workers": "3"},
        {"workers": True},
        {"setupMs": 3_600_001},
        {"setupMs": 0.5},
        {"runsPerMonth": 1_000_001},
        {"rate": "0.001"},
    ],
)
def test_a_job_that_is_none_is_refused(given: dict[str, Any]):
    with pytest.raises(ValidationError):
        Ci.model_validate(given)


def test_a_request_may_tell_of_runs_in_three_ways():
    asked = AnalysisRequest.model_validate(
        {
            "workspace": "shop",
            "durations": [{"task": "a:build", "durationMs": 5}],
            "runs": [
                {
                    "tasks": [
                        {
                            "projectName": "b",
                            "target": "build",
                            "startTime": "2026-01-01T00:00:00.000Z",
                            "endTime": "2026-01-01T00:00:00.250Z",
                            "status": 1,
                        }
                    ]
                },
                {
                    "execution": {"startTime": 0, "endTime": 1},
                    "tasks": [
                        {
                            "package": "c",
                            "task": "build",
                            "execution": {"startTime": 10, "endTime": 40, "exitCode": 0},
                        }
                    ],
                },
            ],
        }
    )

    assert [(run.task, run.duration_ms, run.succeeded) for run in asked.former_runs()] == [
        ("a:build", 5, True),
        ("b:build", 250, False),
        ("c:build", 30, True),
    ]
