"""Which providers could run a group at all, and the first reason why another could not."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_deployer.domain.market import Cause
from mesh_deployer.domain.screening import Demand, Supply, declined
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.domain.workload import Group
from mesh_deployer.schemas.sdl import HELLO

HUGE = Supply(
    provider="akash1huge",
    cpu_millis=10**9,
    memory_bytes=2**50,
    storage_bytes=2**60,
    gpus=100,
    gpu_models=frozenset({"a100", "h100/ram/80Gi"}),
    storage_classes=frozenset({"default", "beta2", "beta3", "ram"}),
    leases_ips=True,
    attributes={"region": "eu-west", "tier": "community"},
    auditors=frozenset({"akash1auditor", "akash1other"}),
)
GPU = "        gpu: {units: 1, attributes: {vendor: {nvidia: MODELS}}}\n        cpu:"
DISK = "        storage:\n          size: 512Mi"


def group(*changes: tuple[str, str]) -> Group:
    sdl = HELLO
    for old, new in changes:
        assert old in sdl
        sdl = sdl.replace(old, new, 1)
    compilation = compile_sdl(sdl)
    assert compilation.ok, compilation.issues
    return compilation.groups[0]


def cause(asked: Group, supply: Supply, price: str = "1", **wanted: str) -> str | None:
    found = declined(Demand.of(asked, wanted), supply, Decimal(price))
    return found and f"{found.cause}: {found.reason}"


def test_who_has_everything_would_run_it():
    assert cause(group(), HUGE, region="eu-west") is None


@pytest.mark.parametrize(
    ("lack", "reason"),
    [
        ({"cpu_millis": 99}, "capacity: 99 thousandths of a CPU are free, 100 are asked for."),
        ({"memory_bytes": 1}, "capacity: 1 bytes of memory are free, 134217728 are asked for."),
        ({"storage_bytes": 1}, "capacity: 1 bytes of storage are free, 536870912 are asked for."),
        ({"attributes": {}}, "residency: region is not declared, eu-west is required."),
        ({"attributes": {"region": "us"}}, "residency: region is us, eu-west is required."),
    ],
)
def test_what_a_provider_lacks_is_the_reason(lack: dict[str, Any], reason: str):
    assert cause(group(), replace(HUGE, **lack), region="eu-west") == reason


def test_another_attribute_is_no_matter_of_residency():
    assert cause(group(), HUGE, tier="datacenter") == (
        "attribute: tier is community, datacenter is required."
    )


def test_replicas_are_counted_together():
    three = group(("count: 1", "count: 3"))

    assert cause(three, replace(HUGE, cpu_millis=300)) is None
    assert cause(three, replace(HUGE, cpu_millis=299)) is not None


@pytest.mark.parametrize(
    ("models", "supply", "reason"),
    [
        ("[]", {}, None),
        ("[{model: a100}]", {}, None),
        ("[{model: v100}, {model: a100}]", {}, None),
        ("[{model: v100}]", {}, "resources: It has no GPU of the model v100."),
        ("[{model: v100}, {model: t4}]", {}, "resources: It has no GPU of the model t4 or v100."),
        ("[]", {"gpus": 0}, "resources: It has no free GPU."),
    ],
)
def test_a_gpu_has_to_be_of_one_of_the_models(models: str, supply: dict[str, Any], reason: str | None):
    asked = group(("        cpu:", GPU.replace("MODELS", models)))

    assert cause(asked, replace(HUGE, **supply)) == reason


def test_more_gpus_than_are_free_are_a_matter_of_capacity():
    asked = group(("        cpu:", GPU.replace("MODELS", "[]")), ("count: 1", "count: 4"))

    assert cause(asked, replace(HUGE, gpus=3)) == "capacity: 3 GPUs are free, 4 are asked for."


@pytest.mark.parametrize(
    ("attributes", "classes", "reason"),
    [
        ("", frozenset[str](), None),
        (", attributes: {class: ram}", frozenset({"ram"}), None),
        (
            ", attributes: {class: ram}",
            frozenset({"beta2"}),
            "resources: It has no storage of the class ram.",
        ),
    ],
)
def test_storage_of_a_class_has_to_be_offered(attributes: str, classes: frozenset[str], reason: str | None):
    asked = group((DISK, f"        storage: {{size: 512Mi{attributes}}}"))

    assert cause(asked, replace(HUGE, storage_classes=classes)) == reason


def test_a_leased_ip_has_to_be_on_offer():
    asked = group(
        ("- global: true", "- {global: true, ip: front}"),
        ("services:", "endpoints: {front: {kind: ip}}\nservices:"),
    )

    assert cause(asked, HUGE) is None
    assert cause(asked, replace(HUGE, leases_ips=False)) == "resources: It leases no IPs."


@pytest.mark.parametrize(
    ("signed_by", "auditors", "reason"),
    [
        ("{anyOf: [a, b]}", {"b"}, None),
        ("{allOf: [a, b]}", {"a", "b", "c"}, None),
        ("{anyOf: [a, b]}", {"c"}, "auditor: None of a, b has signed its attributes."),
        ("{allOf: [a, b]}", {"a"}, "auditor: b has not signed its attributes."),
        ("{allOf: [a], anyOf: [b]}", {"a"}, "auditor: None of b has signed its attributes."),
        ("{anyOf: [a]}", set[str](), "auditor: No auditor has signed its attributes."),
    ],
)
def test_auditors_have_to_have_signed(signed_by: str, auditors: set[str], reason: str | None):
    asked = group(("      pricing:", f"      signedBy: {signed_by}\n      pricing:"))

    assert cause(asked, replace(HUGE, auditors=frozenset(auditors))) == reason


def test_a_price_above_what_the_order_pays_is_the_last_reason():
    assert cause(group(), HUGE, "100") is None
    assert cause(group(), HUGE, "100.000001") == (
        "price: Would take 100.000001 uact per block, the order pays at most 100."
    )
    assert (cause(group(), replace(HUGE, cpu_millis=1), "101") or "").startswith("capacity")


@given(
    st.integers(1, 300), st.integers(2**20, 2**30), st.integers(2**20, 2**30), st.decimals(1, 200, places=2)
)
def test_whoever_is_declined_has_too_little_or_wants_too_much(
    cpu_millis: int, memory_bytes: int, storage_bytes: int, price: Decimal
):
    supply = replace(HUGE, cpu_millis=cpu_millis, memory_bytes=memory_bytes, storage_bytes=storage_bytes)
    asked = group()

    found = declined(Demand.of(asked, {}), supply, price)

    fits = cpu_millis >= 100 and memory_bytes >= 128 * 2**20 and storage_bytes >= 512 * 2**20
    assert (found is None) == (fits and price <= asked.ceiling)
    assert found is None or found.cause is (Cause.PRICE if fits else Cause.CAPACITY)
