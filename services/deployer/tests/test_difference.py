"""What an update can carry, and what takes a new lease: the chain's order decides, and nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest
from mesh_deployer.domain.difference import Carrier, Difference, difference
from mesh_deployer.domain.manifest import group_specs
from mesh_deployer.domain.sdl import Compilation, compile_sdl
from mesh_deployer.errors import SdlInvalid
from mesh_deployer.schemas.sdl import HELLO

HERE = Path(__file__).parent / "parity"
EVERYTHING = (HERE / "everything.yaml").read_text()
EVERYWHERE = "front-door"
EDITS = [
    (old, new)
    for old, new, version_hash in map(json.loads, (HERE / "edits.jsonl").read_text().splitlines())
    if version_hash
]


def changed(*changes: tuple[str, str], sdl: str = HELLO) -> Difference:
    after = sdl
    for old, new in changes:
        assert old in after
        after = after.replace(old, new, 1)
    return difference(compile_sdl(sdl), compile_sdl(after))


def order(compilation: Compilation) -> Any:
    """What the chain keeps; it knows no difference between no auditors and an empty list of them."""
    specs = group_specs(compilation.groups)
    for spec in specs:
        signed_by = spec["requirements"]["signed_by"]
        spec["requirements"]["signed_by"] = {key: names or [] for key, names in signed_by.items()}
    return specs, compilation.reclamation_ns


def test_the_same_sdl_is_no_difference():
    assert changed(("image: debian:trixie-slim", "image:   debian:trixie-slim")) == Difference(
        (), Carrier.NOTHING
    )


@pytest.mark.parametrize(
    ("old", "new", "what", "before", "after"),
    [
        ("trixie-slim", "bookworm", "image", "debian:trixie-slim", "debian:bookworm"),
        ('["sleep", "infinity"]', '["sleep", "1"]', "command", None, None),
        ("    expose:", "    args: [a]\n    expose:", "args", None, None),
        ("    expose:", "    env: [A=1]\n    expose:", "env A", None, None),
        ("        as: 80", "        as: 80\n        accept: [a.example]", "ports",
         "80/TCP as 80 to the world", "80/TCP as 80 to the world at a.example"),
        ("- port: 80", "- port: 8080", "ports", "80/TCP as 80 to the world", "8080/TCP as 80 to the world"),
        ("    expose:", "    expose:\n      - port: 9000", "ports",
         "80/TCP as 80 to the world", "80/TCP as 80 to the world, 9000/TCP to the placement"),
    ],
)  # fmt: skip
def test_what_only_the_manifest_says_is_an_update(
    old: str, new: str, what: str, before: str | None, after: str | None
):
    found = changed((old, new))

    (change,) = found.changes
    assert found.carried_by is change.carried_by is Carrier.UPDATE
    assert (change.placement, change.service, change.what) == ("dcloud", "web", what)
    assert (change.before, change.after) == (before, after)
    assert "the lease stays" in change.reason


@pytest.mark.parametrize(
    ("old", "new", "what", "before", "after"),
    [
        ("units: 100m", "units: 1", "cpu", "100m", "1000m"),
        ("size: 128Mi", "size: 1Gi", "memory", "128Mi", "1Gi"),
        ("size: 512Mi", "size: 1Gi", "storage", "default 512Mi", "default 1Gi"),
        ("count: 1", "count: 3", "count", "1", "3"),
        ("amount: 100", "amount: 90.5", "price", "100", "90.5"),
    ],
)
def test_what_the_order_says_takes_a_new_lease(old: str, new: str, what: str, before: str, after: str):
    found = changed((old, new))

    (change,) = found.changes
    assert found.carried_by is change.carried_by is Carrier.DEPLOYMENT
    assert (change.what, change.before, change.after) == (what, before, after)
    assert "new lease" in change.reason


@pytest.mark.parametrize(
    ("old", "new", "what", "before", "after"),
    [
        ("pricing:", "attributes: {region: eu-west}\n      pricing:", "attributes", "", "region=eu-west"),
        ("pricing:", "signedBy: {anyOf: [akash1]}\n      pricing:", "auditors",
         "any of [], all of []", "any of ['akash1'], all of []"),
        ("denom: uact", "denom: uakt", "denomination", "uact", "uakt"),
    ],
)  # fmt: skip
def test_what_a_placement_asks_of_providers_takes_a_new_lease(
    old: str, new: str, what: str, before: str, after: str
):
    found = changed((old, new))

    (change,) = found.changes
    assert (found.carried_by, change.service) == (Carrier.DEPLOYMENT, "")
    assert (change.what, change.before, change.after) == (what, before, after)


def test_another_port_for_the_world_is_another_endpoint_of_the_order():
    found = changed(("    expose:", "    expose:\n      - port: 53\n        to: [{global: true}]"))

    assert {change.what: change.carried_by for change in found.changes} == {
        "ports": Carrier.UPDATE,
        "endpoints": Carrier.DEPLOYMENT,
    }
    assert found.carried_by is Carrier.DEPLOYMENT


def test_a_service_that_comes_or_goes_is_one_change():
    more = HELLO.replace(
        "profiles:\n", "  db: {image: 'postgres:16', expose: [{port: 5432}]}\nprofiles:\n", 1
    ).replace("deployment:\n", "deployment:\n  db: {dcloud: {profile: web, count: 1}}\n")

    came = difference(compile_sdl(HELLO), compile_sdl(more))
    went = difference(compile_sdl(more), compile_sdl(HELLO))

    assert [(c.service, c.what, c.before, c.after) for c in came.changes] == [
        ("db", "service", None, "there"), ("web", "unit", "unit 1 of the order", "unit 2 of the order")
    ]  # fmt: skip
    assert next((c.service, c.what, c.before, c.after) for c in went.changes) == (
        "db", "service", "there", None
    )  # fmt: skip
    assert came.carried_by is went.carried_by is Carrier.DEPLOYMENT


def test_another_name_for_the_same_resources_leaves_the_order_alone():
    """The chain's order does not know what services are called."""
    renamed = HELLO.replace("  web:\n    image", "  app:\n    image").replace(
        "deployment:\n  web", "deployment:\n  app"
    )

    found = difference(compile_sdl(HELLO), compile_sdl(renamed))

    assert {(c.service, c.carried_by) for c in found.changes} == {
        ("app", Carrier.UPDATE), ("web", Carrier.UPDATE)
    }  # fmt: skip
    assert found.carried_by is Carrier.UPDATE


def test_another_placement_is_another_order():
    found = changed(
        ("    dcloud:\n      pricing", "    other:\n      pricing"),
        ("    dcloud:\n      profile", "    other:\n      profile"),
    )

    assert [(c.placement, c.what, c.after) for c in found.changes] == [
        ("dcloud", "placement", None), ("other", "placement", "there")
    ]  # fmt: skip
    assert found.carried_by is Carrier.DEPLOYMENT


def test_how_long_a_provider_must_warn_is_part_of_the_order():
    found = changed(("min_window: 24h", "min_window: 48h"), sdl=EVERYTHING)

    (change,) = found.changes
    assert (change.placement, change.what, found.carried_by) == ("", "reclamation", Carrier.DEPLOYMENT)


def test_only_the_order_of_variables_is_a_change_too():
    found = changed(
        ("[A=1, B=2]", "[B=2, A=1]"), sdl=HELLO.replace("    expose:", "    env: [A=1, B=2]\n    expose:")
    )

    assert [(c.what, c.carried_by) for c in found.changes] == [("env", Carrier.UPDATE)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    expose:", "    env: [API_TOKEN=hunter2]\n    expose:"),
        ("    expose:", "    args: [--password, hunter2]\n    expose:"),
        ("    expose:", "    credentials: {host: a, username: b, password: hunter2}\n    expose:"),
    ],
)
def test_no_change_shows_a_secret(old: str, new: str):
    found = changed((old, new))

    assert found.changes
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize("number", range(len(EDITS)))
def test_the_verdict_follows_from_the_order_and_the_hash_and_a_change_explains_it(number: int):
    old, new = EDITS[number]
    edited = EVERYTHING.replace(old, new, -1 if old == EVERYWHERE else 1)
    before, after = compile_sdl(EVERYTHING), compile_sdl(edited)

    found, back = difference(before, after), difference(after, before)

    is_same = before.version_hash == after.version_hash
    expected = Carrier.NOTHING if is_same else Carrier.UPDATE
    assert found.carried_by == (expected if order(before) == order(after) else Carrier.DEPLOYMENT)
    explained = {change.carried_by for change in found.changes} or {Carrier.NOTHING}
    assert found.carried_by in explained
    assert (Carrier.DEPLOYMENT in explained) == (found.carried_by is Carrier.DEPLOYMENT)
    assert {(c.what, c.after, c.before) for c in back.changes} == {
        (c.what, c.before, c.after) for c in found.changes
    }


def test_one_that_does_not_compile_is_refused_with_its_faults():
    with pytest.raises(SdlInvalid) as refusal:
        changed(("size: 128Mi", "size: 128MB"))

    assert "after.profiles.compute.web.resources.memory.size" in str(refusal.value.members)
