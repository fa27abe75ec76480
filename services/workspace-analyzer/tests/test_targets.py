"""What has to run before a target, in one form for all that Nx lets its users write."""

from typing import Any

import pytest
from mesh_workspace_analyzer.domain.targets import depends_on


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], ()),
        (["build"], ("build",)),
        (["^build", "web:build"], ("^build", "web:build")),
        ([{"target": "build"}], ("build",)),
        ([{"target": "build", "params": "forward", "dependencies": False}], ("build",)),
        ([{"target": "build", "dependencies": True}], ("^build",)),
        ([{"target": "build", "projects": "web"}], ("web:build",)),
        ([{"target": "build", "projects": ["web", "api"]}], ("web:build", "api:build")),
        ([{"target": "build", "projects": ["tag:app", "!web"]}], ("tag:app:build",)),
        ([{"target": "build", "projects": []}], ()),
        ([{"target": "build"}, "build"], ("build",)),
    ],
)
def test_every_way_to_write_it_has_one_short_form(given: list[Any], expected: tuple[str, ...]):
    assert depends_on(given) == expected


@pytest.mark.parametrize("given", [5, None, [], {}, {"target": 5}, {"dependencies": True}, {"projects": "a"}])
def test_what_is_no_entry_is_left_out(given: Any):
    assert depends_on([given, "build"]) == ("build",)
