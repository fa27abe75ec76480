"""What is taken of the files that tools write, and what is not."""

from typing import Any

import pytest
from mesh_workspace_analyzer.domain.history import Run
from mesh_workspace_analyzer.domain.run_files import NX_EXAMPLE, NxRunFile, RunFile, TurboRunFile
from pydantic import TypeAdapter, ValidationError

EITHER: TypeAdapter[RunFile] = TypeAdapter(RunFile)
NX_TASK: dict[str, Any] = {
    "projectName": "web",
    "target": "build",
    "startTime": "2026-01-02T03:04:05.000Z",
    "endTime": "2026-01-02T03:04:06.000Z",
    "status": 0,
}
TURBO_TASK: dict[str, Any] = {
    "package": "web",
    "task": "build",
    "execution": {"startTime": 1000, "endTime": 3000, "exitCode": 0},
}


def nx(**changed: Any) -> list[Run]:
    return list(NxRunFile.model_validate({"tasks": [NX_TASK | changed]}).runs())


def turbo(**changed: Any) -> list[Run]:
    file = {"execution": {"startTime": 0, "endTime": 1}, "tasks": [TURBO_TASK | changed]}
    return list(TurboRunFile.model_validate(file).runs())


@pytest.mark.parametrize(
    ("changed", "succeeded", "is_hit"),
    [
        ({}, True, False),
        ({"status": 1}, False, False),
        ({"status": 130}, False, False),
        ({"status": -1}, False, False),
        ({"cacheStatus": "cache-miss"}, True, False),
        ({"cacheStatus": "local-cache-hit"}, True, True),
        ({"cacheStatus": "remote-cache-hit"}, True, True),
        ({"cacheStatus": "something else"}, True, False),
        ({"unknown": ["to", "us"]}, True, False),
    ],
)
def test_nx_says_how_a_task_ended_and_whether_a_cache_had_it(
    changed: dict[str, Any], succeeded: bool, is_hit: bool
):
    (run,) = nx(**changed)

    assert (run.succeeded, run.is_hit) == (succeeded, is_hit)


@pytest.mark.parametrize(
    ("changed", "succeeded", "is_hit"),
    [
        ({}, True, False),
        ({"execution": {"startTime": 0, "endTime": 1, "exitCode": 2}}, False, False),
        ({"execution": {"startTime": 0, "endTime": 1, "exitCode": None}}, True, False),
        ({"execution": {"startTime": 0, "endTime": 1}}, True, False),
        ({"cache": {"status": "HIT", "local": True}}, True, True),
        ({"cache": {"status": "MISS"}}, True, False),
        ({"cache": {}}, True, False),
    ],
)
def test_turborepo_says_how_a_task_ended_and_whether_a_cache_had_it(
    changed: dict[str, Any], succeeded: bool, is_hit: bool
):
    (run,) = turbo(**changed)

    assert (run.succeeded, run.is_hit) == (succeeded, is_hit)


def test_a_task_that_turborepo_did_not_run_is_no_run():
    assert turbo(execution=None) == []


def test_a_task_of_the_workspace_itself_is_turborepo_s_root():
    changed = {name: value for name, value in TURBO_TASK.items() if name != "package"}
    file = {"execution": {"startTime": 0, "endTime": 1}, "tasks": [changed]}

    assert [run.task for run in TurboRunFile.model_validate(file).runs()] == ["//:build"]


@pytest.mark.parametrize(
    ("start", "end", "duration_ms"),
    [
        ("2026-01-02T03:04:05.000Z", "2026-01-02T03:04:05.001Z", 1),
        ("2026-01-02T03:04:05.000Z", "2026-01-02T03:04:05.000Z", 0),
        ("2026-01-02T03:04:05.000Z", "2026-01-02T03:04:04.000Z", 0),
        ("2026-01-01T23:59:59.999Z", "2026-01-02T00:00:00.000Z", 1),
        ("2024-02-29T00:00:00.000Z", "2024-03-01T00:00:00.000Z", 86_400_000),
    ],
)
def test_a_duration_is_from_start_to_end_and_never_negative(start: str, end: str, duration_ms: int):
    (run,) = nx(startTime=start, endTime=end)

    assert run.duration_ms == duration_ms


@pytest.mark.parametrize(
    "moment",
    [
        "",
        "now",
        "1767323047500",
        "2026-01-02",
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05.000",
        "2026-01-02T03:04:05.000+01:00",
        "2026-13-02T03:04:05.000Z",
        "2026-01-32T03:04:05.000Z",
        "2026-01-02T24:04:05.000Z",
        "٢٠٢٦-01-02T03:04:05.000Z",
        1767323047500,
        None,
    ],
)
def test_a_moment_that_javascript_does_not_write_is_refused(moment: Any):
    with pytest.raises(ValidationError):
        nx(startTime=moment)


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "0"},
        {"status": False},
        {"status": None},
        {"projectName": None},
        {"projectName": "x" * 301},
        {"target": 5},
        {"hash": 7},
        {"cacheStatus": None},
    ],
)
def test_what_is_of_another_type_is_not_guessed_at(changed: dict[str, Any]):
    with pytest.raises(ValidationError):
        nx(**changed)


@pytest.mark.parametrize(
    "execution",
    [
        {"startTime": -1, "endTime": 1},
        {"startTime": 0, "endTime": 1 << 54},
        {"startTime": "0", "endTime": 1},
        {"endTime": 1},
        {"startTime": 0, "endTime": 1, "exitCode": "0"},
        [],
    ],
)
def test_an_execution_that_is_none_is_refused(execution: Any):
    with pytest.raises(ValidationError):
        turbo(execution=execution)


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        (NX_EXAMPLE, NxRunFile),
        ({"tasks": []}, NxRunFile),
        ({"tasks": [], "execution": {"startTime": 0, "endTime": 1}}, TurboRunFile),
        ({"tasks": [TURBO_TASK], "execution": {"startTime": 0, "endTime": 1}}, TurboRunFile),
    ],
)
def test_either_tool_is_known_by_what_its_file_has(document: dict[str, Any], kind: type):
    assert isinstance(EITHER.validate_python(document), kind)


def test_the_example_of_the_document_is_a_run():
    assert [run.task for run in NxRunFile.model_validate(NX_EXAMPLE).runs()] == ["web:build"]
