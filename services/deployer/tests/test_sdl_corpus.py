"""Parity with Akash's own compiler on its own examples, where they lie beside the repository.

A few documents with what Akash's Go package makes of them are in `test_parity.py` and need nothing beside it.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from mesh_deployer.domain.issues import Severity
from mesh_deployer.domain.manifest import group_specs, manifest
from mesh_deployer.domain.sdl import compile_sdl

CORPUS = Path(__file__).parents[4] / "shared" / "corpora" / "akash-sdl" / "testdata" / "sdl"
VALID = sorted(CORPUS.glob("input/v2.*/*/input.yaml"))
INVALID = sorted(CORPUS.glob("input/invalid/*.yaml"))
ODD = sorted(CORPUS.glob("input/schema-only-invalid/*.yaml"))

pytestmark = pytest.mark.skipif(
    not VALID, reason="the corpus of Akash's examples is not beside the repository"
)


def name(path: Path) -> str:
    return "-".join(path.parts[-3:-1]) if path.name == "input.yaml" else path.stem


def expected(path: Path, kind: str) -> Any:
    folder = CORPUS / "output-fixtures" / path.parent.parent.name / path.parent.name
    return json.loads((folder / f"{kind}.json").read_text())


def oracle_hash(manifest: Any) -> str:
    """Akash's rule in its shortest form, apart from ours."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(text.replace("&", "\\u0026").replace("<", "\\u003c").encode()).hexdigest()


@pytest.mark.parametrize("path", VALID, ids=name)
def test_akashs_examples_are_compiled_as_akash_does(path: Path):
    compilation = compile_sdl(path.read_bytes())

    wanted = expected(path, "manifest")
    assert manifest(compilation.groups) == wanted
    assert compilation.version_hash == oracle_hash(wanted)
    assert group_specs(compilation.groups) == expected(path, "group-specs")


@pytest.mark.parametrize("path", INVALID, ids=name)
def test_what_akash_rejects_is_rejected_with_its_place_reason_and_hint(path: Path):
    compilation = compile_sdl(path.read_bytes())

    assert (compilation.ok, compilation.groups, compilation.version_hash) == (False, (), None)
    faults = [issue for issue in compilation.issues if issue.severity is Severity.ERROR]
    assert all(issue.path and issue.code and issue.message and issue.hint for issue in faults)


@pytest.mark.parametrize("path", ODD, ids=name)
def test_what_only_akashs_schema_rejects_is_compiled_with_a_warning(path: Path):
    compilation = compile_sdl(path.read_bytes())

    assert compilation.ok
    assert compilation.issues
