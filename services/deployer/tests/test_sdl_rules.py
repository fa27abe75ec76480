"""What holds for every SDL: rules of Akash's compiler that no single example shows."""

import json
import random
from collections.abc import Iterator
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from mesh_deployer.domain.issues import Issue, Severity
from mesh_deployer.domain.manifest import group_specs, manifest, version_hash
from mesh_deployer.domain.quantities import spelled
from mesh_deployer.domain.sdl import Compilation, compile_sdl

Json = dict[str, Any]
few = settings(max_examples=20)
"""A document is large, and each is looked at as a whole."""
NAMES = st.sampled_from(["api", "db", "web", "worker"])
PLACEMENTS = ["east", "west"]
exposes = st.fixed_dictionaries(
    {"port": st.integers(1, 65535)},
    optional={
        "as": st.integers(1, 65535) | st.just(80),
        "proto": st.sampled_from(["tcp", "udp", "TCP"]),
        "to": st.lists(st.sampled_from([{"global": True}, {"service": "web"}]), min_size=1, max_size=2),
    },
)
services = st.fixed_dictionaries(
    {
        "image": st.sampled_from(["nginx:1.27", "debian:trixie-slim"]),
        "expose": st.lists(exposes, max_size=3).map(
            lambda more: [{"port": 80, "to": [{"global": True}]}, *more]
        ),
    },
    optional={
        "env": st.lists(st.sampled_from(["A=1", "B=<x>", "C"]), max_size=3),
        "args": st.lists(st.sampled_from(["a", "--b", "c d"]), max_size=2),
    },
)
resources = st.fixed_dictionaries(
    {
        "cpu": st.fixed_dictionaries({"units": st.integers(10, 9_000).map(lambda millis: f"{millis}m")}),
        "memory": st.fixed_dictionaries({"size": st.integers(1, 9_000).map(lambda mebi: f"{mebi}Mi")}),
        "storage": st.fixed_dictionaries({"size": st.integers(5, 9_000).map(lambda mebi: f"{mebi}Mi")}),
    }
)


@st.composite
def documents(draw: st.DrawFn, version: str | None = None) -> Json:
    """An SDL that compiles: some services, each in one or both placements, on one of two profiles."""
    named = draw(st.dictionaries(NAMES, services, min_size=1, max_size=3))
    where = st.lists(st.sampled_from(PLACEMENTS), min_size=1, max_size=2, unique=True)
    entry = st.fixed_dictionaries(
        {"profile": st.sampled_from(["small", "large"]), "count": st.integers(1, 3)}
    )
    prices = {
        profile: {"denom": "uact", "amount": draw(st.integers(1, 999))} for profile in ("small", "large")
    }
    return {
        "version": version or draw(st.sampled_from(["2.0", "2.1"])),
        "services": named,
        "profiles": {
            "compute": {name: {"resources": draw(resources)} for name in ("small", "large")},
            "placement": {name: {"pricing": deepcopy(prices)} for name in PLACEMENTS},
        },
        "deployment": {name: {p: draw(entry) for p in draw(where)} for name in named},
    }


def compiled(document: Json) -> Compilation:
    """JSON is YAML, and is written much faster."""
    return compile_sdl(json.dumps(document))


def shuffled(node: Any, seed: int) -> Any:
    """The same with the keys of every mapping in another order."""
    if isinstance(node, list):
        return [shuffled(item, seed) for item in node]  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(node, dict):
        return node
    keys: list[str] = list(node)  # pyright: ignore[reportUnknownArgumentType]
    random.Random(seed).shuffle(keys)  # noqa: S311 - no secret
    return {key: shuffled(node[key], seed) for key in keys}


def leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value that is no mapping and no list."""
    if isinstance(node, dict | list):
        pairs: Any = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in pairs:
            yield from leaves(value, (*path, key))
    else:
        yield path


def without(document: Json, path: tuple[Any, ...]) -> Json:
    changed = deepcopy(document)
    parent: Any = changed
    for step in path[:-1]:
        parent = parent[step]
    del parent[path[-1]]
    return changed


def errors(compilation: Compilation) -> list[Issue]:
    return [issue for issue in compilation.issues if issue.severity is Severity.ERROR]


@few
@given(documents(), st.integers(0, 99))
def test_neither_the_order_of_keys_nor_the_style_of_yaml_is_in_the_hash(document: Json, seed: int):
    one, other = compiled(document), compile_sdl(yaml.safe_dump(shuffled(document, seed)))

    assert one.ok
    assert (one.version_hash, group_specs(one.groups)) == (other.version_hash, group_specs(other.groups))


@few
@given(documents())
def test_a_version_hash_is_that_of_its_own_groups_and_of_no_other_image(document: Json):
    one = compiled(document)
    for service in document["services"].values():
        service["image"] += ".1"

    other = compiled(document)

    assert one.version_hash == version_hash(one.groups)
    assert one.version_hash != other.version_hash
    assert group_specs(one.groups) == group_specs(other.groups)


@few
@given(documents())
def test_groups_services_and_ports_come_sorted(document: Json):
    groups = compiled(document).groups

    used = {placement for entry in document["deployment"].values() for placement in entry}
    assert [group.name for group in groups] == sorted(used)
    for group in groups:
        placed = [name for name, entry in document["deployment"].items() if group.name in entry]
        assert [service.name for service in group.services] == sorted(placed)
        for service in group.services:
            keys = [(e.service, e.port, e.protocol, not e.is_global) for e in service.exposes]
            assert keys == sorted(keys)


@few
@given(documents())
def test_a_service_has_an_entry_for_each_port_and_destination(document: Json):
    for group in compiled(document).groups:
        for service in group.services:
            wanted = [
                (item["port"], item.get("as", 0), to.get("service", ""), to.get("global", False))
                for item in document["services"][service.name]["expose"]
                for to in item.get("to", [{}])
            ]
            found = [(e.port, e.external_port, e.service, e.is_global) for e in service.exposes]
            assert sorted(found) == sorted(wanted)


@few
@given(documents())
def test_a_global_port_is_an_endpoint_shared_for_http_and_random_for_the_rest(document: Json):
    for group in manifest(compiled(document).groups):
        for service in group["services"]:
            wanted: list[Json] = []
            for expose in service["expose"]:
                is_http = expose["proto"] == "TCP" and (expose["externalPort"] or expose["port"]) == 80
                if expose["global"]:
                    wanted.append({"sequence_number": 0} | ({} if is_http else {"kind": 1}))
            assert service["resources"]["endpoints"] == wanted


@few
@given(documents(version="2.0"))
def test_in_version_2_0_every_service_is_a_unit_of_its_own(document: Json):
    compilation = compiled(document)

    for group, spec in zip(compilation.groups, group_specs(compilation.groups), strict=True):
        assert [unit["resource"]["id"] for unit in spec["resources"]] == [*range(1, len(group.services) + 1)]
        assert [unit["count"] for unit in spec["resources"]] == [s.count for s in group.services]


@few
@given(documents(version="2.1"))
def test_in_version_2_1_services_of_one_profile_share_a_unit_and_are_counted_together(document: Json):
    for spec in group_specs(compiled(document).groups):
        counts: dict[str, int] = {}
        for entry in document["deployment"].values():
            if used := entry.get(spec["name"]):
                counts[used["profile"]] = counts.get(used["profile"], 0) + used["count"]
        assert sorted(unit["count"] for unit in spec["resources"]) == sorted(counts.values())


@few
@given(documents())
def test_the_order_names_the_price_of_one_replica_and_the_ceiling_that_of_all(document: Json):
    prices = document["profiles"]["placement"]["east"]["pricing"]
    for group in compiled(document).groups:
        entries = [e[group.name] for e in document["deployment"].values() if group.name in e]
        assert group.ceiling == sum(Decimal(prices[e["profile"]]["amount"]) * e["count"] for e in entries)
        assert group.shape.cpu_millis == sum(
            int(document["profiles"]["compute"][e["profile"]]["resources"]["cpu"]["units"][:-1]) * e["count"]
            for e in entries
        )


@few
@given(documents())
def test_what_nothing_deploys_changes_nothing_and_is_a_warning(document: Json):
    before = compiled(document)
    document["services"]["zzz"] = {"image": "never", "expose": [{"port": 1}]}
    document["profiles"]["compute"]["spare"] = {"resources": {"cpu": {"units": 1}}}
    document["profiles"]["placement"]["spare"] = {"pricing": {}}

    after = compiled(document)

    assert (after.groups, after.version_hash) == (before.groups, before.version_hash)
    assert {issue.severity for issue in after.issues} == {Severity.WARNING}


@few
@given(documents())
def test_an_alias_means_what_it_stands_for(document: Json):
    """PyYAML writes one for every part that is the same object; the dump without them spells all out."""
    shared = {"resources": {"cpu": {"units": "1"}, "memory": {"size": "1Gi"}, "storage": {"size": "1Gi"}}}
    document["profiles"]["compute"] = {"small": shared, "large": shared}

    text = yaml.safe_dump(document)

    assert "&id" in text
    assert compile_sdl(text) == compile_sdl(json.dumps(document))


@few
@given(documents(), st.data())
def test_a_part_that_is_missing_never_goes_unnoticed_where_akash_needs_it(
    document: Json, data: st.DataObject
):
    needed = [
        path
        for path in leaves(document)
        if path[-1] in ("image", "units", "size", "amount", "denom", "profile")
    ]
    path = data.draw(st.sampled_from(needed))
    in_use = {(p, e["profile"]) for entry in document["deployment"].values() for p, e in entry.items()}
    is_idle = path[0] == "profiles" and not any(
        path[2] in used and (path[1] == "compute" or path[4] in used) for used in in_use
    )

    compilation = compiled(without(document, path))

    assert compilation.ok == (is_idle and path[1] == "compute")
    assert any(
        issue.path.startswith(str(path[0])) or "deployment" in issue.path for issue in compilation.issues
    )


@given(
    documents(),
    st.data(),
    st.text(max_size=12) | st.integers() | st.none() | st.lists(st.integers(), max_size=2),
)
def test_any_value_in_any_place_is_compiled_or_refused_with_a_place_and_a_hint(
    document: Json, data: st.DataObject, value: Any
):
    path = data.draw(st.sampled_from([*leaves(document)]))
    parent: Any = document
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = value

    compilation = compiled(document)

    assert compilation.ok == (not errors(compilation))
    assert all(issue.code and issue.message for issue in compilation.issues)
    assert all(issue.path and issue.hint for issue in errors(compilation) if issue.code != "yaml")


@pytest.mark.parametrize(
    ("where", "low", "high"),
    [
        ("cpu", 10, 384_000),
        ("memory", 2**20, 2 * 2**40),
        ("storage", 5 * 2**20, 32 * 2**40),
    ],
)
@pytest.mark.parametrize("off", [-1, 0, 1])
def test_a_limit_is_met_exactly(where: str, low: int, high: int, off: int):
    def is_taken(amount: int) -> bool:
        used: Json = {"cpu": {"units": "1"}, "memory": {"size": "1Gi"}, "storage": {"size": "1Gi"}}
        used[where] = {"units": f"{amount}m"} if where == "cpu" else {"size": str(amount)}
        document = {
            "version": "2.0",
            "services": {"web": {"image": "nginx", "expose": [{"port": 80, "to": [{"global": True}]}]}},
            "profiles": {
                "compute": {"web": {"resources": used}},
                "placement": {"a": {"pricing": {"web": {"denom": "uact", "amount": 1}}}},
            },
            "deployment": {"web": {"a": {"profile": "web", "count": 1}}},
        }
        return compiled(document).ok

    assert is_taken(low + off) == (off >= 0)
    assert is_taken(high + off) == (off <= 0)


@given(st.integers(1, 2**45))
def test_a_size_is_spelled_so_that_it_is_read_back(size: int):
    document: Any = {
        "version": "2.0",
        "profiles": {"compute": {"a": {"resources": {"memory": {"size": spelled(size)}}}}},
    }

    assert not [i for i in compiled(document).issues if i.path.endswith("memory.size")]
