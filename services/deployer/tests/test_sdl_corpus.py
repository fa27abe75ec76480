"""Parity with Akash's own compiler on its own examples, where they lie beside the repository."""

import json
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from mesh_deployer.domain.manifest import manifest, resources
from mesh_deployer.domain.sdl import Compilation, compile_sdl
from mesh_deployer.domain.workload import Group

CORPUS = Path(__file__).parents[4] / "shared" / "corpora" / "akash-sdl" / "testdata" / "sdl"
VALID = sorted(CORPUS.glob("input/v2.*/*/input.yaml"))
INVALID = sorted(CORPUS.glob("input/invalid/*.yaml"))
ODD = sorted(CORPUS.glob("input/schema-only-invalid/*.yaml"))
NOT_COMPILED = {"unsupported", "unsupported-version"}
COMPILED = {
    "http-options",
    "multiple-services",
    "persistent-storage",
    "placement",
    "port-ranges",
    "pricing",
    "simple",
    "storage-classes",
}

pytestmark = pytest.mark.skipif(
    not VALID, reason="the corpus of Akash's examples is not beside the repository"
)


def name(path: Path) -> str:
    return path.parent.name if path.name == "input.yaml" else path.stem


def expected(path: Path, kind: str) -> Any:
    folder = CORPUS / "output-fixtures" / path.parent.parent.name / path.parent.name
    return json.loads((folder / f"{kind}.json").read_text())


def oracle_hash(manifest: Any) -> str:
    """Akash's rule in its shortest form, apart from ours."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(text.replace("&", "\\u0026").replace("<", "\\u003c").encode()).hexdigest()


def codes(compilation: Compilation) -> set[str]:
    return {issue.code for issue in compilation.issues}


def group_spec(group: Group) -> dict[str, Any]:
    """The group as the chain gets it."""
    signed_by = {"all_of": group.all_of and list(group.all_of), "any_of": group.any_of and list(group.any_of)}
    attributes = [{"key": key, "value": value} for key, value in group.attributes or ()]
    return {
        "name": group.name,
        "requirements": {"signed_by": signed_by, "attributes": attributes or None},
        "resources": [
            {
                "resource": resources(service.resource_id, service.resources, service.exposes),
                "count": service.count,
                "price": {
                    "denom": group.denom,
                    "amount": f"{service.unit_price.quantize(Decimal(10) ** -18):f}",
                },
            }
            for service in group.services
        ],
    }


@pytest.mark.parametrize("path", VALID, ids=name)
def test_what_is_compiled_is_compiled_as_akash_does_and_the_rest_is_refused_by_name(path: Path):
    compilation = compile_sdl(path.read_text())

    if not compilation.ok:
        assert codes(compilation) <= NOT_COMPILED
        return
    wanted = expected(path, "manifest")
    assert manifest(compilation.groups) == wanted
    assert compilation.version_hash == oracle_hash(wanted)
    assert [group_spec(group) for group in compilation.groups] == expected(path, "group-specs")


def test_the_part_of_the_corpus_that_is_compiled_does_not_shrink():
    assert {name(path) for path in VALID if compile_sdl(path.read_text()).ok} == COMPILED


@pytest.mark.parametrize("path", INVALID, ids=name)
def test_what_akash_rejects_is_rejected_with_its_place_and_reason(path: Path):
    compilation = compile_sdl(path.read_text())

    assert not compilation.ok
    assert (compilation.groups, compilation.version_hash) == ((), None)
    assert all(issue.path and issue.code and issue.message for issue in compilation.issues)


@pytest.mark.parametrize("path", ODD, ids=name)
def test_what_only_akashs_schema_rejects_is_a_warning_or_not_compiled(path: Path):
    compilation = compile_sdl(path.read_text())

    assert compilation.issues
    assert compilation.ok or codes(compilation) <= NOT_COMPILED
