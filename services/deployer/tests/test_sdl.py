from __future__ import annotations

import time
from pathlib import Path

import pytest
from mesh_deployer.domain.issues import MAX_ISSUES, Severity
from mesh_deployer.domain.manifest import manifest
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.domain.tree import MAX_BYTES, MAX_KEY, MAX_NODES

EXAMPLES = sorted((Path(__file__).parents[3] / "examples" / "sdl").glob("*.yaml"))
HELLO = next(path for path in EXAMPLES if path.stem == "hello-web").read_text()

HTTP = "services.web.expose[0].http_options"
USED = "profiles.compute.web.resources"


def found(*changes: tuple[str, str], sdl: str = HELLO) -> dict[str, str]:
    """Place and code of every finding after some of the text was replaced."""
    for old, new in changes:
        assert old in sdl
        sdl = sdl.replace(old, new, 1)
    return {issue.path: issue.code for issue in compile_sdl(sdl).issues}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_our_own_examples_compile_without_a_warning(path: Path):
    compilation = compile_sdl(path.read_text())

    assert (compilation.ok, compilation.issues) == (True, ())


@pytest.mark.parametrize(
    ("old", "new", "path", "code"),
    [
        ('version: "2.0"\n', "", "version", "missing"),
        ('version: "2.0"', "version: 1.9", "version", "unsupported-version"),
        ('version: "2.0"', "version: 3.0", "version", "version"),
        ('version: "2.0"', 'version: "2.0"\nservcie: {}', "servcie", "unknown-key"),
        ('version: "2.0"', 'version: "2.0"\ninclude: [a.yaml]', "include", "ignored"),
        ("  web:\n    image", "  Web:\n    image", "deployment.web.dcloud", "unknown-reference"),
        ("image: debian:trixie-slim", "image: ''", "services.web.image", "missing"),
        ("size: 128Mi", "size: 128MB", f"{USED}.memory.size", "quantity"),
        ("size: 128Mi", "size: 128gi", f"{USED}.memory.size", "quantity"),
        ("size: 128Mi", "size: -1Mi", f"{USED}.memory.size", "quantity"),
        ("size: 128Mi", "size: [1Mi]", f"{USED}.memory.size", "not-a-value"),
        ("size: 128Mi", "size: 128Ki", f"{USED}.memory", "out-of-range"),
        ("units: 250m", "units: 9m", f"{USED}.cpu", "out-of-range"),
        ("units: 250m", "units: 385", f"{USED}.cpu", "out-of-range"),
        ("units: 250m", "units: lots", f"{USED}.cpu.units", "quantity"),
        ("size: 512Mi", "size: 1Mi", f"{USED}.storage", "out-of-range"),
        ("amount: 100", "amount: 0", "profiles.placement.dcloud.pricing.web.amount", "quantity"),
        ("amount: 100", "amount: -5", "profiles.placement.dcloud.pricing.web.amount", "quantity"),
        ("amount: 100", "amount: 1e3", "profiles.placement.dcloud.pricing.web.amount", "quantity"),
        ("amount: 100", "amount: 10000001", "profiles.placement.dcloud.pricing.web", "out-of-range"),
        ("denom: uact", "denom: uusd", "profiles.placement.dcloud.pricing.web.denom", "denom"),
        ("port: 80", "port: 65536", "services.web.expose[0].port", "out-of-range"),
        ("port: 80", "port: '80'", "services.web.expose[0].port", "not-a-number"),
        ("port: 80", "port: 0x50", "services.web.expose[0].port", "number"),
        ("as: 80", "as: -1", "services.web.expose[0].as", "not-a-number"),
        ("as: 80", "proto: http", "services.web.expose[0].proto", "protocol"),
        ("as: 80", "accept: [Not.A.Host]", "services.web.expose[0].accept[0]", "host"),
        ("as: 80", "http_options: {read_timeout: 60001}", f"{HTTP}.read_timeout", "out-of-range"),
        ("as: 80", 'http_options: {next_cases: ["off", error]}', f"{HTTP}.next_cases", "next-case"),
        ("as: 80", "http_options: {next_cases: [maybe]}", f"{HTTP}.next_cases", "next-case"),
        ("global: true", "global: maybe", "services.web.expose[0].to[0].global", "not-a-flag"),
        ("- global: true", "- {global: 1}", "services.web.expose[0].to[0].global", "not-a-flag"),
        ("global: true", "service: web", "services", "no-global-service"),
        ("global: true", "service: db", "services.web.expose[0].to[0].service", "unknown-service"),
        ("count: 1", "count: 0", "deployment.web.dcloud.count", "out-of-range"),
        ("      count: 1\n", "", "deployment.web.dcloud.count", "out-of-range"),
        ("profile: web", "profile: big", "deployment.web.dcloud", "unknown-reference"),
        ("- GREETING=Hello from the mesh", "- 1X=a", "services.web.env[0]", "env-name"),
        ("- GREETING=Hello from the mesh", "GREETING: a", "services.web.env", "not-a-list"),
        ("    env:", "    environment:", "services.web.environment", "unknown-key"),
        ("    env:", "    depends_on: [db]\n    env:", "services.web.depends_on", "unknown-key"),
        ("    env:", "    credentials: {host: a}\n    env:", "services.web.credentials.username", "missing"),
        ("    env:", "    params: {tee: cpu-gpu}\n    env:", "services.web.params.tee", "tee"),
        ("        cpu:", "        gpu: {units: 1}\n        cpu:", f"{USED}.gpu", "missing"),
        ("deployment:\n  web:", "deployment:\n  api:", "deployment.api.dcloud", "unknown-reference"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_place(old: str, new: str, path: str, code: str):
    assert found((old, new)).get(path) == code


def test_every_fault_is_found_at_once_and_each_has_a_hint_where_one_helps():
    issues = compile_sdl(
        HELLO.replace("size: 128Mi", "size: 1GB")
        .replace("port: 80", "port: 0")
        .replace("    env:", "    cmd:")
    ).issues

    assert {issue.path: issue.hint for issue in issues} == {
        f"{USED}.memory.size": "Write 1Gi.",
        "services.web.expose[0].port": "Write another port.",
        "services.web.cmd": "Write `command` and `args` as lists.",
    }


def test_a_warning_does_not_keep_an_sdl_from_being_compiled():
    compilation = compile_sdl(HELLO.replace("    env:", "    restart: always\n    env:"))

    assert compilation.ok
    assert [issue.severity for issue in compilation.issues] == [Severity.WARNING]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        ("# nothing", "empty"),
        ("a: *x\nb: &x [1]", "alias"),
        ("a: &x [*x]", "alias"),
        ("a:\n\t- b", "yaml"),
        ("a: \x07", "yaml"),
        ('a: "\\ud800"', "yaml"),
        ("[" * 60_000, "too-deep"),
        ("- " * 30_000, "too-deep"),
        ("? " * 30_000, "too-deep"),
        ("a" * (MAX_BYTES + 1), "too-large"),
        ("- a\n" * (MAX_NODES + 1), "too-large"),
        ("a" * (MAX_KEY + 1) + ": 1", "key"),
        ("€" * (MAX_BYTES // 2), "too-large"),
        (f"a: &a {'x' * 60_000}\nb: [*a, *a, *a, *a]", "too-large"),
    ],
)
def test_yaml_that_is_not_read_is_refused_before_anything_is_built_from_it(text: str, code: str):
    compilation = compile_sdl(text)

    assert not compilation.ok
    assert [issue.code for issue in compilation.issues] == [code]


def test_an_sdl_full_of_faults_gets_a_short_answer():
    services = "".join(f"  a{i}: {{imgae: nginx}}\n" for i in range(1000))

    issues = compile_sdl(f"version: '2.0'\nservices:\n{services}").issues

    assert len(issues) <= MAX_ISSUES + 1


@pytest.mark.parametrize(
    "text",
    [
        "- a\n" * 16_000,
        "a: [" + "[]," * 20_000 + "]",
        HELLO.replace("    env:", "".join(f"    k{i}: 1\n" for i in range(4_500)) + "    env:"),
        HELLO.replace("- GREETING", "- " + "a." * 30_000),
        HELLO.replace("- GREETING", "- " + "eyJ-" * 15_000),
        HELLO.replace("- GREETING", "- KEY=" + "a://" * 15_000),
        HELLO.replace("- GREETING", "- KEY=" + "/a" * 30_000),
        HELLO.replace(
            "- GREETING", "- &a A=" + "x" * 30_000 + "\n" + "      - *a\n" * 2_500 + "      - GREETING"
        ),
    ],
    ids=["list", "flow", "unknown keys", "dots", "tokens", "addresses", "path", "repeated"],
)
def test_no_text_keeps_the_compiler_busy_for_long(text: str):
    started = time.process_time()

    compile_sdl(text)

    # some tens of milliseconds; a search that grows with the square of the text takes many seconds
    assert time.process_time() - started < 1


@pytest.mark.parametrize("text", ["just text", "[1, 2]", "{}", "~", "services: 5", "a: {b: {c: {}}}"])
def test_yaml_that_is_no_sdl_is_refused_without_a_crash(text: str):
    assert not compile_sdl(text).ok


def test_the_value_of_a_variable_is_in_no_message():
    issues = compile_sdl(
        HELLO.replace(
            "- GREETING=Hello from the mesh", "- API_KEY=sk-live-1\n      - =sk-live-2\n      - sk live 3"
        )
    ).issues

    assert sorted(issue.code for issue in issues) == ["env-name", "env-name", "secret-in-sdl"]
    assert "live" not in repr(issues)


@pytest.mark.parametrize(
    ("storage", "ok"),
    [
        ("{size: 1Gi, attributes: {persistent: true, class: beta2}}", False),
        ("{size: 1Gi, attributes: {class: ram}}", True),
        ("{size: 1Gi, attributes: {class: ram, persistent: true}}", False),
        ("{size: 1Gi, attributes: {class: beta2}}", False),
        ("{size: 1Gi, attributes: {class: fast, persistent: true}}", False),
        ("[{size: 1Gi}, {size: 2Gi}]", False),
        ("[{size: 1Gi}, {name: cache, size: 2Gi}]", True),
        ("[]", False),
    ],
)
def test_storage_follows_akashs_rules(storage: str, ok: bool):
    sdl = HELLO.replace("        storage:\n          size: 512Mi", f"        storage: {storage}")

    assert compile_sdl(sdl).ok is ok


MOUNTED = HELLO.replace(
    "    env:", "    params:\n      storage:\n        data: {mount: MOUNT}\n    env:"
).replace(
    "        storage:\n          size: 512Mi",
    "        storage:\n          - {name: data, size: 1Gi, attributes: {persistent: true}}",
)


@pytest.mark.parametrize(("mount", "ok"), [("/data", True), ("data", False), ("''", False)])
def test_a_volume_is_mounted_at_an_absolute_path(mount: str, ok: bool):
    assert compile_sdl(MOUNTED.replace("MOUNT", mount)).ok is ok


def test_a_mount_needs_its_volume():
    assert found(("MOUNT", "/data"), ("name: data", "name: other"), sdl=MOUNTED) == {
        "services.web.params.storage.data": "unknown-reference",
        "services.web.params.storage": "not-mounted",
    }


def test_equal_volumes_come_in_the_order_of_akashs_odd_comparison():
    sdl = HELLO.replace(
        "        storage:\n          size: 512Mi",
        "        storage:\n          - {name: b, size: 1Gi}\n          - {name: a, size: 1Gi}\n"
        "          - {name: c, size: 1Gi, attributes: {class: ram}}\n          - {name: d, size: 5Mi}",
    )

    (group,) = compile_sdl(sdl).groups

    # each is before the other, so that the later one stays in front
    assert [volume.name for volume in group.services[0].resources.volumes] == ["d", "a", "b", "c"]


def test_ports_are_sorted_by_who_may_use_them_then_by_number():
    sdl = HELLO.replace(
        "        to:\n          - global: true",
        "        to:\n          - global: true\n          - service: web\n"
        "      - port: 53\n        proto: udp\n        to:\n          - global: true\n      - port: 9000",
    )

    (group,) = compile_sdl(sdl).groups
    (service,) = group.services

    assert [(e.service, e.port, e.protocol, e.is_global) for e in service.exposes] == [
        ("", 53, "UDP", True),
        ("", 80, "TCP", True),
        ("", 9000, "TCP", False),
        ("web", 80, "TCP", False),
    ]
    endpoints = manifest([group])[0]["services"][0]["resources"]["endpoints"]
    assert endpoints == [{"kind": 1, "sequence_number": 0}, {"sequence_number": 0}]


def test_a_host_is_accepted_once_in_the_whole_deployment():
    twice = "        accept: [a.example]\n        to:\n          - global: true\n          - service: web"

    assert found(("        to:\n          - global: true", twice)) == {"services": "duplicate-host"}


def placed_twice(name: str, denom: str, count: int) -> str:
    """hello-web on a second placement as well."""
    price, entry = f"pricing: {{web: {{denom: {denom}, amount: 1}}}}", f"profile: web, count: {count}"
    return HELLO.replace(
        "    dcloud:\n      pricing", f"    {name}:\n      {price}\n    dcloud:\n      pricing"
    ).replace("    dcloud:\n      profile", f"    {name}: {{{entry}}}\n    dcloud:\n      profile")


def test_all_prices_have_one_denomination():
    assert found(sdl=placed_twice("other", "uakt", 1)) == {"profiles.placement": "denom"}


def test_two_placements_are_two_groups_sorted_by_name():
    groups = compile_sdl(placed_twice("another", "uact", 3)).groups

    assert [(group.name, group.services[0].count) for group in groups] == [("another", 3), ("dcloud", 1)]


def test_the_hash_is_that_of_gos_encoder():
    """`<`, `>` and `&` are escaped there; an empty list is not the same as none."""
    plain = compile_sdl(HELLO).version_hash
    bracketed = compile_sdl(HELLO.replace("Hello from", "<Hello> & \u2028")).version_hash
    without_env = HELLO.replace("    env:\n      - GREETING=Hello from the mesh\n", "")
    empty_env = HELLO.replace("    env:\n      - GREETING=Hello from the mesh\n", "    env: []\n")

    hashes = {plain, bracketed, compile_sdl(without_env).version_hash, compile_sdl(empty_env).version_hash}
    assert len(hashes) == 4
