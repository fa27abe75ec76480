"""What is compiled can be written as an SDL again, which compiles to the very same manifest."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from mesh_deployer.domain.manifest import group_specs, version_hash
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.domain.workload import Group
from mesh_deployer.domain.writing import write_sdl
from mesh_deployer.errors import NotWritten

EVERYTHING = (Path(__file__).parent / "parity" / "everything.yaml").read_text()


def without(groups: tuple[Group, ...]) -> tuple[Group, ...]:
    """The groups without what nothing here runs and the writer does not know."""
    return tuple(
        replace(
            group,
            services=tuple(
                replace(s, params=s.params and replace(s.params, tee="", permissions=None))
                for s in group.services
            ),
        )
        for group in groups
    )


@pytest.mark.parametrize("version", ["2.0", "2.1"])
def test_every_part_of_the_language_is_written_so_that_it_hashes_as_before(version: str):
    groups = without(compile_sdl(EVERYTHING.replace('version: "2.1"', f'version: "{version}"')).groups)

    again = compile_sdl(write_sdl(groups))

    assert again.version_hash == version_hash(groups)
    assert [s["requirements"] for s in group_specs(again.groups)] == [
        s["requirements"] for s in group_specs(groups)
    ]
    assert [g.ceiling for g in again.groups] == [g.ceiling for g in groups]


def test_what_must_hold_is_asked_of_every_placement_and_leaves_the_hash_alone():
    groups = without(compile_sdl(EVERYTHING).groups)

    again = compile_sdl(write_sdl(groups, {"region": "eu-west"}))

    assert all(dict(group.attributes or ())["region"] == "eu-west" for group in again.groups)
    assert again.version_hash == version_hash(groups)


def test_what_cannot_be_written_without_a_change_is_refused():
    groups = compile_sdl(EVERYTHING).groups  # with confidential computing, which is not written

    with pytest.raises(NotWritten):
        write_sdl(groups)


def test_sizes_have_a_unit_and_a_port_that_is_not_named_is_left_out():
    """Akash's TypeScript refuses a size without one, and `as: 0`."""
    groups = without(compile_sdl(EVERYTHING).groups)

    written = json.loads(write_sdl(groups))

    sizes = [c["resources"]["memory"]["size"] for c in written["profiles"]["compute"].values()]
    exposes = [expose for service in written["services"].values() for expose in service["expose"]]
    assert all(size.endswith("i") for size in sizes)
    assert all(expose.get("as", 1) > 0 for expose in exposes)
