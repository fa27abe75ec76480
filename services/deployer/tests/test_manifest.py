"""What providers get, in full: names, order and presence of every field as Akash's own package writes them.

The corpus of Akash's examples says the same at length, where it lies beside the repository.
"""

import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_deployer.domain.manifest import manifest, version_hash
from mesh_deployer.domain.sdl import compile_sdl

RICH = """\
version: "2.0"
services:
  web:
    image: nginx:1.27
    command: ["sh", "-c"]
    args: ["exec nginx"]
    env: ["A=1", "EMPTY="]
    params:
      storage:
        data: {mount: /var/data, readOnly: true}
    expose:
      - port: 8080
        as: 80
        accept: [www.example.com]
        http_options: {max_body_size: 2097152, next_cases: ["500", "502"]}
        to: [{global: true}, {service: cache}]
      - port: 5353
        proto: udp
        to: [{global: true}]
  cache:
    image: redis:7
    expose: [{port: 6379, to: [{service: web}]}]
profiles:
  compute:
    web:
      resources:
        cpu: {units: 0.5}
        memory: {size: 512Mi}
        storage:
          - {size: 1Gi}
          - {name: data, size: 2Gi, attributes: {persistent: true, class: beta2}}
    cache:
      resources: {cpu: {units: 100m}, memory: {size: 64Mi}, storage: {size: 64Mi}}
  placement:
    dcloud:
      attributes: {region: eu-west, tier: community}
      signedBy: {anyOf: [akash1auditor]}
      pricing:
        web: {denom: uact, amount: 10.5}
        cache: {denom: uact, amount: 1}
deployment:
  web: {dcloud: {profile: web, count: 2}}
  cache: {dcloud: {profile: cache, count: 1}}
"""
PLAIN_HTTP = {
    "maxBodySize": 1048576,
    "readTimeout": 60000,
    "sendTimeout": 60000,
    "nextTries": 3,
    "nextTimeout": 0,
    "nextCases": ["error", "timeout"],
}
CACHE: dict[str, Any] = {
    "name": "cache",
    "image": "redis:7",
    "command": None,
    "args": None,
    "env": None,
    "resources": {
        "id": 1,
        "cpu": {"units": {"val": "100"}},
        "memory": {"size": {"val": "67108864"}},
        "storage": [{"name": "default", "size": {"val": "67108864"}}],
        "gpu": {"units": {"val": "0"}},
        "endpoints": [],
    },
    "count": 1,
    "expose": [
        {
            "port": 6379,
            "externalPort": 0,
            "proto": "TCP",
            "service": "web",
            "global": False,
            "hosts": None,
            "httpOptions": PLAIN_HTTP,
            "ip": "",
            "endpointSequenceNumber": 0,
        }
    ],
    "credentials": None,
}
WEB_HTTP = PLAIN_HTTP | {"maxBodySize": 2097152, "nextCases": ["500", "502"]}
WEB: dict[str, Any] = {
    "name": "web",
    "image": "nginx:1.27",
    "command": ["sh", "-c"],
    "args": ["exec nginx"],
    "env": ["A=1", "EMPTY="],
    "resources": {
        "id": 2,
        "cpu": {"units": {"val": "500"}},
        "memory": {"size": {"val": "536870912"}},
        "storage": [
            {"name": "default", "size": {"val": "1073741824"}},
            {
                "name": "data",
                "size": {"val": "2147483648"},
                "attributes": [{"key": "class", "value": "beta2"}, {"key": "persistent", "value": "true"}],
            },
        ],
        "gpu": {"units": {"val": "0"}},
        "endpoints": [{"kind": 1, "sequence_number": 0}, {"sequence_number": 0}],
    },
    "count": 2,
    "expose": [
        {
            "port": 5353,
            "externalPort": 0,
            "proto": "UDP",
            "service": "",
            "global": True,
            "hosts": None,
            "httpOptions": PLAIN_HTTP,
            "ip": "",
            "endpointSequenceNumber": 0,
        },
        {
            "port": 8080,
            "externalPort": 80,
            "proto": "TCP",
            "service": "",
            "global": True,
            "hosts": ["www.example.com"],
            "httpOptions": WEB_HTTP,
            "ip": "",
            "endpointSequenceNumber": 0,
        },
        {
            "port": 8080,
            "externalPort": 80,
            "proto": "TCP",
            "service": "cache",
            "global": False,
            "hosts": ["www.example.com"],
            "httpOptions": WEB_HTTP,
            "ip": "",
            "endpointSequenceNumber": 0,
        },
    ],
    "params": {"storage": [{"name": "data", "mount": "/var/data", "readOnly": True}]},
    "credentials": None,
}


def rich(*changes: tuple[str, str]) -> str:
    """`RICH` without its second use of the host, which Akash refuses, and with `changes`."""
    sdl = RICH.replace("to: [{global: true}, {service: cache}]", "to: [{global: true}]")
    for old, new in changes:
        assert old in sdl
        sdl = sdl.replace(old, new)
    return sdl


def test_a_manifest_has_every_field_of_akashs_in_its_order():
    compilation = compile_sdl(rich())

    only_global = WEB | {"expose": WEB["expose"][:2]}
    assert compilation.issues == ()
    assert manifest(compilation.groups) == [{"name": "dcloud", "services": [CACHE, only_global]}]


def test_without_a_host_a_port_may_have_several_destinations():
    sdl = RICH.replace("        accept: [www.example.com]\n", "")

    (web,) = [s for s in manifest(compile_sdl(sdl).groups)[0]["services"] if s["name"] == "web"]

    hostless = [expose | {"hosts": None} for expose in WEB["expose"]]
    assert web["expose"] == hostless


def test_the_hash_is_the_sha_256_of_the_sorted_compact_json():
    compilation = compile_sdl(rich())

    text = json.dumps(manifest(compilation.groups), sort_keys=True, separators=(",", ":"))

    assert compilation.version_hash == sha256(text.encode()).hexdigest()


def test_what_an_order_asks_for_beside_the_manifest_is_kept_with_the_group():
    (group,) = compile_sdl(rich()).groups

    assert group.attributes == (("region", "eu-west"), ("tier", "community"))
    assert (group.any_of, group.all_of, group.denom) == (("akash1auditor",), None, "uact")
    assert f"{group.ceiling:f}" == "22.0"  # 2 * 10.5 + 1
    assert (group.shape.cpu_millis, group.shape.memory_bytes) == (1100, 2 * 2**29 + 2**26)


@pytest.mark.parametrize(
    "change",
    [
        ("nginx:1.27", "nginx:1.28"),
        ("A=1", "A=2"),
        ("count: 2", "count: 3"),
        ("units: 0.5", "units: 0.6"),
        ("512Mi", "513Mi"),
        ("port: 8080", "port: 8081"),
        ("as: 80", "as: 81"),
        ("/var/data", "/var/data2"),
        ("readOnly: true", "readOnly: false"),
        ("beta2", "beta3"),
        ("2097152", "2097153"),
        ("  web: {dcloud", "  # a comment\n  web: {dcloud"),
    ],
)
def test_the_hash_changes_with_what_runs_and_with_nothing_else(change: tuple[str, str]):
    is_comment = change[1].strip().startswith("#")

    before, after = compile_sdl(rich()).version_hash, compile_sdl(rich(change)).version_hash

    assert None not in (before, after)
    assert (before == after) is is_comment


@pytest.mark.parametrize(
    "change", [("amount: 10.5", "amount: 99"), ("eu-west", "us-east"), ("akash1auditor", "akash1other")]
)
def test_the_terms_of_an_order_are_not_in_the_hash(change: tuple[str, str]):
    assert compile_sdl(rich(change)).version_hash == compile_sdl(rich()).version_hash


@given(st.permutations(["version", "services", "profiles", "deployment"]))
def test_the_order_of_the_sections_does_not_matter(order: list[str]):
    parts: dict[str, str] = {}
    for line in rich().splitlines(keepends=True):
        if not line.startswith(" "):
            parts[line.partition(":")[0]] = ""
        parts[list(parts)[-1]] += line

    mixed = "".join(parts[name] for name in order)

    assert compile_sdl(mixed).version_hash == compile_sdl(rich()).version_hash


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30))
def test_any_text_in_a_variable_is_hashed_as_gos_encoder_writes_it(text: str):
    sdl = rich(('"A=1"', json.dumps(f"A={text}", ensure_ascii=False)))
    escaped = json.dumps(
        manifest(compile_sdl(sdl).groups), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    for character in "<>&\u2028\u2029":
        escaped = escaped.replace(character, f"\\u{ord(character):04x}")

    assert version_hash(compile_sdl(sdl).groups) == sha256(escaped.encode()).hexdigest()
