"""What is compiled can be written as an SDL again, which compiles to the very same manifest."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mesh_deployer.domain.manifest import group_specs, version_hash
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.domain.workload import Credentials, Group
from mesh_deployer.domain.writing import write_sdl
from mesh_deployer.errors import NotWritten
from mesh_deployer.schemas.sdl import HELLO

HERE = Path(__file__).parent / "parity"
EVERYTHING = (HERE / "everything.yaml").read_text()
EDITS = [
    (old, new)
    for old, new, version_hash in map(json.loads, (HERE / "edits.jsonl").read_text().splitlines())
    if version_hash
][::5]
(HELLO_GROUP,) = compile_sdl(HELLO).groups
(HELLO_SERVICE,) = HELLO_GROUP.services
ALPHABET = st.characters(codec="utf-8", exclude_categories=["C"])


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


@pytest.mark.parametrize(("old", "new"), EDITS, ids=[f"{i}" for i in range(len(EDITS))])
def test_an_edit_of_it_hashes_as_before_or_is_refused(old: str, new: str):
    groups = without(compile_sdl(EVERYTHING.replace(old, new)).groups)

    try:
        written = write_sdl(groups)
    except NotWritten:
        return
    assert compile_sdl(written).version_hash == version_hash(groups)


@settings(max_examples=25)
@given(
    cpu=st.integers(10, 384_000),
    memory=st.integers(2**20, 2**40),
    storage=st.integers(5 * 2**20, 2**44),
    count=st.integers(1, 50),
    port=st.integers(1, 65535),
    env=st.dictionaries(st.from_regex(r"\A[A-Z_]{1,9}\Z"), st.text(ALPHABET, max_size=20), max_size=4),
)
def test_any_workload_of_one_service_is_written_as_it_was_compiled(
    cpu: int, memory: int, storage: int, count: int, port: int, env: dict[str, str]
):
    service = HELLO_SERVICE
    wanted = replace(
        service,
        count=count,
        env=tuple(f"{name}={value}" for name, value in env.items()),
        exposes=tuple(replace(expose, port=port) for expose in service.exposes),
        resources=replace(
            service.resources,
            cpu_millis=cpu,
            memory_bytes=memory,
            volumes=(replace(service.resources.volumes[0], size_bytes=storage),),
        ),
    )
    group = replace(HELLO_GROUP, services=(wanted,))

    (again,) = compile_sdl(write_sdl([group])).groups

    assert again == group


def test_credentials_are_written_with_the_email_that_only_the_newest_language_keeps():
    known = Credentials("registry.example", "who@example.org", "puller", "only-pulls")
    group = replace(HELLO_GROUP, services=(replace(HELLO_SERVICE, credentials=known),))

    written = write_sdl([group])

    assert json.loads(written)["version"] == "2.1"
    assert compile_sdl(written).groups[0].services[0].credentials == known


def test_services_that_share_a_unit_share_a_profile():
    """Only SDL 2.1 joins them, and counts them together."""
    shared = (HELLO_SERVICE, replace(HELLO_SERVICE, name="worker", exposes=()))
    group = replace(HELLO_GROUP, services=shared)

    written = json.loads(write_sdl([group]))

    assert written["version"] == "2.1"
    assert list(written["profiles"]["compute"]) == ["dcloud-1"]
    assert compile_sdl(json.dumps(written)).groups[0].units == group.units
