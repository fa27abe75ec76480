"""Parity with Akash's own compiler: what its Go package answered to these documents was written down once.

`parity/everything.yaml` has every part of the language. `parity/edits.jsonl` has an edit of it a line, with
the version hash that Akash's package gave the edited document, or null where it refused it. Recorded with
github.com/akash-network/chain-sdk at 55f1c683 (Apache-2.0).
"""

import json
from pathlib import Path
from typing import Any

import pytest
from mesh_deployer.domain.issues import Severity
from mesh_deployer.domain.manifest import group_specs, manifest
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.domain.workload import Workload

HERE = Path(__file__).parent / "parity"
EVERYTHING = (HERE / "everything.yaml").read_text()
EDITS = [json.loads(line) for line in (HERE / "edits.jsonl").read_text().splitlines()]
EVERYWHERE = "front-door"


def edited(old: str, new: str) -> str:
    assert old in EVERYTHING
    return EVERYTHING.replace(old, new, -1 if old == EVERYWHERE else 1)


@pytest.mark.parametrize("version", ["2.0", "2.1"])
def test_every_part_of_the_language_is_compiled_as_akash_does(version: str):
    wanted: Any = json.loads((HERE / f"everything-{version}.json").read_text())

    compilation = compile_sdl(edited('version: "2.1"', f'version: "{version}"'))

    assert manifest(compilation.groups) == wanted["manifest"]
    assert group_specs(compilation.groups) == wanted["groups"]
    assert compilation.version_hash == wanted["version_hash"]


@pytest.mark.parametrize(("old", "new", "version_hash"), EDITS, ids=[f"{i}" for i in range(len(EDITS))])
def test_an_edit_is_accepted_or_refused_as_akash_does(old: str, new: str, version_hash: str | None):
    compilation = compile_sdl(edited(old, new))

    assert compilation.version_hash == version_hash
    if version_hash is None:
        assert any(issue.severity is Severity.ERROR for issue in compilation.issues)


def test_a_refusal_has_a_code_a_message_and_a_hint():
    refused = [compile_sdl(edited(old, new)).issues for old, new, version_hash in EDITS if not version_hash]

    faults = [issue for issues in refused for issue in issues if issue.severity is Severity.ERROR]
    assert len(faults) >= len(refused)
    assert all(issue.code and issue.message for issue in faults)
    assert {issue.code for issue in faults if not issue.hint} <= {"yaml", "alias"}


def test_how_long_a_provider_must_warn_is_kept_beside_the_groups():
    assert compile_sdl(EVERYTHING).reclamation_ns == 24 * 3600 * 10**9
    assert compile_sdl(edited("reclamation:\n  min_window: 24h\n", "")).reclamation_ns is None


def test_what_nothing_here_runs_is_named():
    _, west = compile_sdl(EVERYTHING).groups

    assert Workload((west,)).extras == [
        "GPUs",
        "a kind of processor",
        "confidential computing",
        "leased IPs",
        "permissions on its deployment",
        "registry credentials",
    ]


def test_a_password_is_in_no_issue_and_no_representation():
    compilation = compile_sdl(edited('" example "', "hunter2"))

    assert compilation.ok
    assert "hunter2" not in repr(compilation)
