"""What a change saves, in whole billed minutes, counted once and never invented."""

from collections.abc import Collection
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from httpx import AsyncClient
from hypothesis import given
from hypothesis import strategies as st
from mesh_workspace_analyzer.domain.cost import CostImpact, Money, Pipeline, billed_minutes, cost_impact
from mesh_workspace_analyzer.domain.graph import Dependency, Project, ProjectGraph
from mesh_workspace_analyzer.domain.history import History, Measured
from mesh_workspace_analyzer.domain.rates import RATES, Runner
from mesh_workspace_analyzer.domain.targets import Target
from mesh_workspace_analyzer.domain.tasks import derive

MINUTE = 60_000


def row(*names: str, cached: bool = True) -> ProjectGraph:
    """Each project's build waits for the one before it."""
    build = (Target("build", ("^build",), cached),)
    return ProjectGraph(
        projects=tuple(Project(name=name, root=name, targets=build) for name in names),
        dependencies=tuple(Dependency(b, a) for a, b in pairwise(names)),
    )


def took(hits: int = 0, runs: int = 0, **minutes: float) -> History:
    """Builds that always took so many minutes."""
    times = {name: round(length * MINUTE) for name, length in minutes.items()}
    return History({f"{name}:build": Measured(ms, ms, ms, 5) for name, ms in times.items()}, hits, runs)


def impact_of(graph: ProjectGraph, affected: Collection[str], **more: Any) -> CostImpact:
    return cost_impact(graph, derive(graph), affected, **more)


def money(impact: CostImpact) -> Money:
    assert impact.money is not None
    return impact.money


@pytest.mark.parametrize(("ms", "minutes"), [(0, 0), (1, 1), (MINUTE, 1), (MINUTE + 1, 2)])
def test_every_minute_that_was_begun_is_billed(ms: int, minutes: int):
    assert billed_minutes(ms) == minutes


def test_a_run_costs_its_set_up_and_the_time_that_its_workers_take():
    found = money(impact_of(row("a", "b"), ["b"], is_exact=True, history=took(a=2.5, b=1)))

    assert (found.full_minutes, found.affected_minutes, found.minutes_skipped_pct) == (5, 2, 60)
    assert found.full.mid == 5 * Decimal("0.006")
    assert found.avoided.mid == 3 * Decimal("0.006")
    assert found.avoided_per_month is None


def test_when_nothing_is_affected_the_job_still_has_to_find_that_out():
    found = money(impact_of(row("a"), [], is_exact=True, history=took(a=10)))

    assert (found.full_minutes, found.affected_minutes) == (11, 1)


def test_what_cannot_be_cached_runs_again_for_those_that_wait_for_it():
    found = money(impact_of(row("a", "b", cached=False), ["b"], is_exact=True, history=took(a=3, b=1)))

    assert (found.full_minutes, found.affected_minutes) == (5, 5)


def test_what_the_cache_has_anyhow_is_not_saved_a_second_time():
    history = took(hits=1, runs=2, a=8, b=2)

    found = money(impact_of(row("a", "b"), ["b"], is_exact=True, history=history))

    assert (found.full_minutes, found.affected_minutes) == (6, 2)


def test_a_small_change_of_a_short_job_saves_nothing_that_is_billed():
    found = money(
        impact_of(
            row("a", "b"), ["b"], is_exact=True, history=took(a=0.2, b=0.2), pipeline=Pipeline(setup_ms=1000)
        )
    )

    assert found.minutes_skipped_pct == 0
    assert found.avoided.high == 0


def test_without_knowing_what_changed_nothing_is_saved():
    impact = impact_of(row("a", "b"), ["a", "b"], is_exact=False, history=took(a=5, b=5))

    assert (impact.skipped_pct, money(impact).avoided.high, money(impact).minutes_skipped_pct) == (0, 0, 0)
    assert "not known" in impact.assumptions[-1]


def test_without_durations_there_is_no_money():
    impact = impact_of(row("a", "b"), ["b"], is_exact=True, history=took(gone=5))

    assert (impact.money, impact.method, impact.skipped_pct) == (None, "project-count", 50)


def test_quick_and_slow_runs_are_the_bounds():
    history = History({"a:build": Measured(MINUTE, 4 * MINUTE, 9 * MINUTE, 20)})

    found = money(impact_of(row("a"), [], is_exact=True, history=history))

    assert (found.avoided.low, found.avoided.mid, found.avoided.high) == tuple(
        minutes * Decimal("0.006") for minutes in (1, 4, 9)
    )


def test_another_runner_has_another_rate_and_a_month_as_many_runs_as_one_says():
    pipeline = Pipeline(runner=Runner.LINUX_8_CORE, runs_per_month=100)

    found = money(impact_of(row("a"), [], is_exact=True, history=took(a=2), pipeline=pipeline))

    assert found.avoided_per_month is not None
    assert (found.avoided.mid, found.avoided_per_month.mid) == (Decimal("0.044"), Decimal("4.400"))


def test_every_runner_has_a_rate():
    assert RATES.keys() == set(Runner)
    assert all(rate > 0 for rate in RATES.values())


@given(
    st.sets(st.sampled_from("abcde")),
    st.lists(st.integers(0, 20), min_size=5, max_size=5),
    st.booleans(),
    st.integers(0, 10),
)
def test_no_change_costs_more_than_everything(
    affected: set[str], lengths: list[int], cached: bool, hits: int
):
    history = took(hits, 10, **dict(zip("abcde", lengths, strict=True)))

    found = money(impact_of(row(*"abcde", cached=cached), affected, is_exact=True, history=history))

    assert 0 <= found.avoided.low <= found.avoided.mid <= found.avoided.high
    assert found.full.mid == found.affected.mid + found.avoided.mid
    if affected == set("abcde"):
        assert found.avoided.high == 0


async def test_money_is_told_as_text_with_its_rate_and_where_that_is_from(
    http: AsyncClient, storefront: object
):
    durations = [
        {"task": f"{name}:build", "durationMs": 4 * MINUTE} for name in ("money", "catalog", "pricing", "api")
    ]
    ci = {"runner": "linux_4_core", "workers": 4, "runsPerMonth": 20}
    asked = {"workspace": "storefront", "durations": durations, "ci": ci}

    cost = (await http.post("/v1/analyses", json=asked)).json()["costImpact"]

    assert (cost["currency"], cost["ratePerMinute"], cost["runner"]) == ("USD", "0.012", "linux_4_core")
    assert cost["method"] == "billed-minutes"
    assert cost["full"]["mid"] == f"{cost['fullMinutes'] * Decimal('0.012'):f}"
    assert (
        cost["avoidedPerMonth"]["mid"]
        == f"{(cost['fullMinutes'] - cost['affectedMinutes']) * Decimal('0.240')}"
    )
    assert (len(cost["rateDate"]), cost["projectsSkippedPct"]) == (10, 40)


@pytest.mark.parametrize(
    "wrong", [{"runner": "my-laptop"}, {"workers": 0}, {"setupMs": -1}, {"runsPerMonth": 0}]
)
async def test_a_job_that_nobody_bills_is_refused(http: AsyncClient, wrong: dict[str, object]):
    response = await http.post("/v1/analyses", json={"workspace": "storefront", "ci": wrong})

    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"].startswith("/ci")
