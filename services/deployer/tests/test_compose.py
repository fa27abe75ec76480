"""A compose file becomes an SDL that compiles, or says why not; nothing of it gets lost without a word."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import yaml
from mesh_deployer.domain.compose import Assumed, Conversion, convert
from mesh_deployer.domain.compose_names import sdl_name
from mesh_deployer.domain.issues import Severity
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.domain.tree import MAX_BYTES
from mesh_deployer.domain.workload import Service

PLAIN = Assumed(price=Decimal(100))
SHARED = "/dev/shm"  # noqa: S108 - a path in the container
WEB = """\
services:
  web:
    image: nginx:1.27
    ports: ["80:8080"]
    deploy: {resources: {limits: {cpus: "0.5", memory: 256M}}}
"""


def with_web(lines: str, top: str = "") -> str:
    """The smallest complete file with more lines in its service."""
    inner = "".join(f"    {line}\n" for line in lines.splitlines())
    return f"{WEB}{inner}{top}"


def served(text: str, assumed: Assumed = PLAIN) -> Service:
    """The one service that comes of `text`."""
    conversion = convert(text, assumed)
    assert conversion.sdl is not None, conversion.issues
    ((service,),) = (group.services for group in compile_sdl(conversion.sdl).groups)
    return service


def found(text: str, assumed: Assumed = PLAIN) -> dict[str, str]:
    return {issue.path: issue.code for issue in convert(text, assumed).issues}


def errors(conversion: Conversion) -> dict[str, str]:
    return {i.path: i.code for i in conversion.issues if i.severity is Severity.ERROR}


def faults(conversion: Conversion) -> set[tuple[str, str]]:
    return {(i.path, i.code) for i in conversion.issues if i.severity is Severity.ERROR}


def test_a_complete_service_is_carried_over_without_a_finding():
    conversion = convert(with_web("environment: {GREETING: hello}\ncommand: [serve, --fast]"), PLAIN)

    assert conversion.issues == ()
    document: Any = yaml.safe_load(conversion.sdl or "")
    assert document["services"] == {
        "web": {
            "image": "nginx:1.27",
            "args": ["serve", "--fast"],
            "env": ["GREETING=hello"],
            "expose": [{"port": 8080, "as": 80, "to": [{"global": True}]}],
        }
    }
    assert document["profiles"]["compute"]["web"]["resources"] == {
        "cpu": {"units": "500m"},
        "memory": {"size": "256Mi"},
        "storage": [{"size": "1Gi"}],
    }
    assert document["profiles"]["placement"]["dcloud"]["pricing"] == {
        "web": {"denom": "uact", "amount": "100"}
    }
    assert document["deployment"] == {"web": {"dcloud": {"profile": "web", "count": 1}}}


def test_the_hash_is_that_of_the_sdl_that_is_returned():
    conversion = convert(WEB, PLAIN)

    assert conversion.version_hash == compile_sdl(conversion.sdl or "").version_hash


@pytest.mark.parametrize(
    ("lines", "port"),
    [
        ('"80"', (80, 0, "TCP", True)),
        ('"8080:80"', (80, 8080, "TCP", True)),
        ("8080:80", (80, 8080, "TCP", True)),
        ('"0.0.0.0:8080:80"', (80, 8080, "TCP", True)),
        ('"53:53/udp"', (53, 53, "UDP", True)),
        ('"127.0.0.1:9000:90"', (90, 0, "TCP", False)),
        ('"127.0.0.1::90"', (90, 0, "TCP", False)),
        ('"[::1]:9000:90"', (90, 0, "TCP", False)),
        ("{target: 80, published: 8080}", (80, 8080, "TCP", True)),
        ('{target: 80, published: "8080", protocol: udp}', (80, 8080, "UDP", True)),
        ("{target: 3000, published: 3000, app_protocol: http}", (3000, 80, "TCP", True)),
        ("{target: 90, host_ip: 127.0.0.1}", (90, 0, "TCP", False)),
    ],
)
def test_a_published_port_is_open_to_the_world_unless_it_is_for_this_machine(
    lines: str, port: tuple[int, int, str, bool]
):
    service = served(with_web("").replace('["80:8080"]', f'["80:8081", {lines}]'))

    exposes = [(e.port, e.external_port, e.protocol, e.is_global) for e in service.exposes if e.port != 8081]
    assert exposes == [port]


def test_a_range_is_one_port_after_the_other_and_the_finding_is_one():
    text = WEB.replace('["80:8080"]', '["9000-9002:3000-3002"]')

    assert [(e.port, e.external_port) for e in served(text).exposes] == [
        (3000, 9000), (3001, 9001), (3002, 9002)
    ]  # fmt: skip
    assert found(text) == {"services.web.ports[0]": "random-port"}


def test_what_is_exposed_inside_is_open_to_the_placement_and_a_published_port_is_not_listed_twice():
    service = served(with_web('expose: ["8080", "9090-9091/tcp"]'))

    assert [(e.port, e.is_global, e.service) for e in service.exposes] == [
        (8080, True, ""), (9090, False, ""), (9091, False, "")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("port", "code"),
    [
        ('"http"', "port"),
        ('"0:80"', "port"),
        ('"70000:80"', "port"),
        ('"80:70000"', "port"),
        ('"80-90:80"', "port"),
        ('"1-60000"', "port"),
        ('"90-80"', "port"),
        ("{published: 80}", "port"),
        ("{target: 80, protocol: sctp}", "protocol"),
        ("[80]", "not-a-value"),
    ],
)
def test_what_is_no_port_is_an_error_at_its_place(port: str, code: str):
    found = faults(convert(WEB.replace('"80:8080"', port), PLAIN))

    assert code in {is_code for path, is_code in found if path.startswith("services.web.ports[0]")}


@pytest.mark.parametrize(
    ("written", "millis", "memory"),
    [
        ("deploy: {resources: {limits: {cpus: '1.25', memory: 1G}}}", 1250, 2**30),
        ("deploy: {resources: {limits: {cpus: .5, memory: 1.5gb}}}", 500, 3 * 2**29),
        ("deploy: {resources: {reservations: {cpus: 2, memory: 64MiB}}}", 2000, 2**26),
        ("cpus: 0.1\n    mem_limit: 134217728", 100, 2**27),
        ("cpus: 0.1\n    mem_limit: 128m\n    deploy: {resources: {limits: {cpus: 3}}}", 3000, 2**27),
    ],
)
def test_limits_are_read_as_docker_reads_them(written: str, millis: int, memory: int):
    text = WEB[: WEB.index("    deploy")] + f"    {written}\n"

    used = served(text).resources

    assert (used.cpu_millis, used.memory_bytes) == (millis, memory)


def test_what_the_file_does_not_say_is_assumed_and_every_assumption_is_told():
    text = WEB[: WEB.index("    deploy")]
    assumed = Assumed(cpu_millis=2000, memory_bytes=2**30, disk_bytes=10 * 2**30)

    service = served(text, assumed)

    assert (service.resources.cpu_millis, service.resources.memory_bytes) == (2000, 2**30)
    assert service.resources.storage_bytes == 10 * 2**30
    # 2 CPUs at 20, 1.07 GB at 6, 10.7 GB of disk at 0.4, rounded up
    assert service.unit_price == Decimal(51)
    limits = "services.web.deploy.resources.limits"
    assert found(text, assumed) == {
        f"{limits}.cpus": "assumed",
        f"{limits}.memory": "assumed",
        "services.web": "assumed",
    }


def test_gpus_are_nvidias_and_their_price_is_never_guessed():
    device = "{driver: nvidia, count: 2, capabilities: [gpu]}"
    text = WEB.replace("limits:", f"reservations: {{devices: [{device}]}}, limits:")

    used = served(text).resources

    assert (used.gpu_units, used.gpu_attributes) == (2, (("vendor/nvidia/model/*", "true"),))
    assert errors(convert(text, Assumed())) == {"services.web": "price"}
    assert served(text.replace("count: 2", "device_ids: ['0', '1', '2']")).resources.gpu_units == 3
    assert found(text.replace("count: 2", "count: all")) == {
        "services.web.deploy.resources.reservations.devices[0].count": "assumed"
    }
    assert "device" in found(text.replace("[gpu]", "[tpu]")).values()


def test_a_named_volume_is_persistent_storage_with_its_mount():
    text = with_web(
        "volumes: ['data:/var/lib/data:ro', './conf:/etc/conf', '/scratch']", "volumes: {data: }\n"
    )

    service = served(text, Assumed(price=Decimal(1), volume_bytes=5 * 2**30))

    assert [(v.name, v.size_bytes, v.is_persistent) for v in service.resources.volumes] == [
        ("default", 2**30, False), ("data", 5 * 2**30, True)
    ]  # fmt: skip
    assert [(m.volume, m.path, m.is_read_only) for m in service.mounts] == [("data", "/var/lib/data", True)]
    assert found(text) == {
        "services.web.volumes[0]": "assumed",
        "services.web.volumes[1]": "not-carried",
        "services.web.volumes[2]": "not-kept",
    }


def test_what_is_kept_in_memory_is_storage_of_class_ram():
    text = with_web(
        "tmpfs: ['/run:size=16m,mode=755', /cache]\nshm_size: 1gb\n"
        "volumes: [{type: tmpfs, target: /x, tmpfs: {size: 32m}}]"
    )

    service = served(text)

    sizes = {v.name: (v.size_bytes, v.attribute("class")) for v in service.resources.volumes}
    assert {m.path: sizes[m.volume] for m in service.mounts} == {
        "/run": (2**24, "ram"), "/cache": (2**26, "ram"), "/x": (2**25, "ram"), SHARED: (2**30, "ram")
    }  # fmt: skip
    assert found(text) == {}


@pytest.mark.parametrize(
    ("volume", "code"),
    [
        ("'other:/data'", "unknown-reference"),
        ("'data:data'", "mount"),
        ("{type: npipe, source: a, target: /b}", "volume"),
        ("{type: tmpfs, target: /b, tmpfs: {size: lots}}", "quantity"),
        ("'data:/a', 'data:/b'", "duplicate-volume"),
    ],
)
def test_a_volume_that_cannot_be_is_an_error(volume: str, code: str):
    conversion = convert(with_web(f"volumes: [{volume}]", "volumes: {data: {}}\n"), PLAIN)

    assert code in errors(conversion).values()


def test_what_is_in_an_external_volume_is_said_to_stay_where_it_is():
    text = with_web("", "volumes: {data: {external: true}}\n")

    assert found(text) == {"volumes.data": "not-carried"}


@pytest.mark.parametrize(
    ("lines", "command", "args"),
    [
        ("command: serve --name 'the web'", None, ("serve", "--name", "the web")),
        ("entrypoint: [/bin/sh, -c]\ncommand: ['echo $$HOME']", ("/bin/sh", "-c"), ("echo $HOME",)),
        ("entrypoint: ''\ncommand: []", None, None),
    ],
)
def test_entrypoint_is_the_command_and_command_its_arguments(
    lines: str, command: tuple[str, ...] | None, args: tuple[str, ...] | None
):
    service = served(with_web(lines))

    assert (service.command, service.args) == (command, args)


def test_a_command_with_an_open_quotation_mark_is_an_error():
    assert errors(convert(with_web("command: echo 'a"), PLAIN)) == {"services.web.command": "command"}


@pytest.mark.parametrize(
    "environment",
    [
        "{API_TOKEN: sk-live-1, PORT: 80, EMPTY: , DB_TOKEN: }",
        "[API_TOKEN=sk-live-1, PORT=80, EMPTY, DB_TOKEN]",
    ],
)
def test_a_secret_becomes_a_connection_of_the_gateway_and_a_value_from_the_shell_stays_there(
    environment: str,
):
    conversion = convert(with_web(f"environment: {environment}"), PLAIN)

    assert "live" not in repr(conversion)
    assert {issue.code for issue in conversion.issues} == {"secret-in-sdl", "not-carried"}
    (service,) = compile_sdl(conversion.sdl or "").groups[0].services
    assert set(service.env or ()) == {
        "API_TOKEN=gateway://web-api-token",
        "DB_TOKEN=gateway://web-db-token",
        "PORT=80",
    }


def test_an_address_with_a_password_is_a_secret_whatever_the_variable_is_called():
    service = served(with_web("environment: {DATABASE_URL: 'postgres://u:pw@db/x', PAGE_URL: 'http://db/x'}"))

    assert service.env == ("DATABASE_URL=gateway://web-database-url", "PAGE_URL=http://db/x")


@pytest.mark.parametrize("lines", ["command: serve --password hunter2", "command: [--api-key, hunter2]"])
def test_a_secret_on_a_command_line_is_refused_and_not_repeated(lines: str):
    conversion = convert(with_web(lines), PLAIN)

    assert errors(conversion) == {"services.web.command": "secret-in-sdl"}
    assert "hunter2" not in repr(conversion)


@pytest.mark.parametrize(
    ("written", "filled"),
    [
        ("$TAG", "1.0"),
        ("${TAG}", "1.0"),
        ("${TAG:-2}", "1.0"),
        ("${OTHER:-2}", "2"),
        ("${OTHER-2}", "2"),
        ("${EMPTY:-2}", "2"),
        ("${TAG:+3}", "3"),
        ("${TAG:?needed}", "1.0"),
        ("v$TAG$$", "v1.0$"),
    ],
)
def test_variables_are_filled_in_as_compose_does(written: str, filled: str):
    text = with_web(f'environment: {{VERSION: "{written}"}}')

    service = served(text, Assumed(price=Decimal(1), variables={"TAG": "1.0", "EMPTY": ""}))

    assert service.env == (f"VERSION={filled}",)


@pytest.mark.parametrize(
    "written", ["${OTHER}", "$OTHER", "${OTHER:?needed}", "${OTHER:-${TAG}}", "${}", "$"]
)
def test_a_variable_without_a_value_is_an_error_where_it_stands(written: str):
    for text in (
        WEB.replace("nginx:1.27", f'"nginx:{written}"'),
        with_web(f'environment: {{VERSION: "{written}"}}'),
    ):
        assert "variable" in {code for _, code in faults(convert(text, PLAIN))}


def test_a_variable_makes_numbers_and_sizes_too():
    text = WEB.replace('"0.5"', "'${CPUS:-2}'").replace("256M", "'${MEMORY}'") + "    scale: ${SCALE:-3}\n"

    service = served(text, Assumed(price=Decimal(1), variables={"MEMORY": "1g"}))

    assert (service.resources.cpu_millis, service.resources.memory_bytes, service.count) == (2000, 2**30, 3)


@pytest.mark.parametrize(
    "line",
    [
        "depends_on: [db]", "healthcheck: {test: [CMD, 'true']}", "restart: always", "networks: [front]",
        "container_name: web1", "env_file: .env", "secrets: [key]", "privileged: true", "cap_add: [A]",
        "user: '1000'", "working_dir: /app", "logging: {driver: json-file}", "labels: {a: b}",
        "platform: linux/arm64", "network_mode: host", "extends: {service: base}", "links: [db]",
    ],
)  # fmt: skip
def test_what_akash_lacks_is_left_behind_and_said_with_a_hint(line: str):
    (issue,) = convert(with_web(line), PLAIN).issues

    assert (issue.path, issue.code) == (f"services.web.{line.partition(':')[0]}", "not-carried")
    assert issue.message
    assert issue.hint


@pytest.mark.parametrize("line", ["privileged: false", "tty: false", "x-team: blue", "user:"])
def test_what_is_switched_off_or_an_extension_needs_no_word(line: str):
    assert found(with_web(line)) == {}


def test_a_misspelled_key_is_named_with_what_was_meant():
    (issue,) = convert(with_web("enviroment: {A: b}"), PLAIN).issues

    assert (issue.code, issue.hint) == ("unknown-key", "Did you mean `environment`?")


@pytest.mark.parametrize("top", ["networks: {a: {}}", "secrets: {a: {file: b}}", "include: [a.yaml]"])
def test_sections_that_an_sdl_does_not_have_are_said_too(top: str):
    assert found(with_web("", f"{top}\n")) == {top.partition(":")[0]: "not-carried"}


def test_a_service_without_a_port_is_deployed_and_said_to_be_out_of_reach():
    text = f"{WEB}  db: {{image: 'postgres:16', cpus: 1, mem_limit: 1g}}\n"

    assert convert(text, PLAIN).ok
    assert found(text) == {"services.db": "no-port"}


def test_a_service_that_starts_on_demand_only_is_not_deployed():
    text = f"{WEB}  debug: {{image: busybox, profiles: [debug]}}\n"

    assert served(text).name == "web"
    assert found(text) == {"services.debug": "not-carried"}


@pytest.mark.parametrize(
    ("name", "label"),
    [("web", "web"), ("My_db.1", "my-db-1"), ("2048", "s-2048"), ("_", "s"), ("a" * 80, "a" * 63)],
)
def test_a_service_gets_a_name_that_dns_has(name: str, label: str):
    assert sdl_name(name) == label
    assert found(WEB.replace("web", name)) == ({} if name == label else {f"services.{name}": "renamed"})


def test_two_services_never_get_one_name():
    text = f"{WEB}  WEB: {{image: nginx}}\n"

    assert "duplicate-name" in errors(convert(text, PLAIN)).values()


@pytest.mark.parametrize(
    ("text", "path", "code"),
    [
        ("services: {web: {build: ., ports: ['80']}}", "services.web.image", "missing"),
        ("services: {web: {image: ../x, ports: ['80']}}", "services.web.image", "image"),
        ("services: {web: {image: nginx}}", "services", "no-global-service"),
        ("services: {}", "services", "missing"),
        ("version: '3'", "services", "missing"),
        ("services: [web]", "services", "not-a-mapping"),
        ("services: {web: nginx}", "services.web", "not-a-mapping"),
        ("[]", "", "not-a-mapping"),
        ("", "", "empty"),
        ("a: &a [*a]", "a[0]", "alias"),
        ("a" * (MAX_BYTES + 1), "", "too-large"),
        ("services: {web: {image: nginx, ports: ['80'], deploy: {replicas: lots}}}",
         "services.web.deploy.replicas", "not-a-number"),
        ("services: {web: {image: nginx, ports: ['80'], cpus: many}}", "services.web.cpus", "quantity"),
    ],
)  # fmt: skip
def test_what_cannot_be_converted_says_where_and_why(text: str, path: str, code: str):
    conversion = convert(text, PLAIN)

    assert (conversion.ok, conversion.sdl) == (False, None)
    assert (path, code) in faults(conversion)


def test_what_akash_refuses_is_said_with_its_place_in_the_sdl():
    conversion = convert(WEB.replace('"0.5"', '"0.001"'), PLAIN)

    assert (conversion.ok, conversion.sdl, conversion.version_hash) == (False, None, None)
    assert errors(conversion) == {"sdl.profiles.compute.web.resources.cpu": "out-of-range"}


def test_what_was_built_and_pushed_is_named_by_service():
    text = WEB.replace("image: nginx:1.27", "build: .").replace("web:", "My_web:")
    pushed = replace(PLAIN, images={"My_web": "ghcr.io/acme/web:1"})

    assert served(text, pushed).image == "ghcr.io/acme/web:1"
    assert found(text, pushed) == {"services.My_web.build": "not-carried", "services.My_web": "renamed"}
    assert errors(convert(text, replace(PLAIN, images={"other": "a"}))) == {
        "services.My_web.image": "missing"
    }
    assert errors(convert(text, replace(PLAIN, images={"My_web": "No Image"}))) == {
        "services.My_web.image": "image"
    }


def test_an_image_that_is_built_is_pushed_first():
    assert found(with_web("build: .")) == {"services.web.build": "not-carried"}


def test_variables_cannot_unfold_a_small_file_into_a_large_one():
    text = with_web("environment: {A: '" + "$A" * 20_000 + "'}")

    conversion = convert(text, Assumed(variables={"A": "x" * 4096}))

    assert errors(conversion) == {"services.web.environment.A": "too-large"}


def test_a_file_whose_sdl_would_be_too_long_makes_none():
    text = with_web("environment: [" + "*a, " * 20 + "]").replace(
        "nginx:1.27", "nginx:1.27\n    x-a: &a A=" + "x" * 5000
    )

    assert errors(convert(text, PLAIN)) == {"services": "too-large"}
