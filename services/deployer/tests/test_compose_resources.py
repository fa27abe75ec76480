"""What a compose file says of ports, limits, GPUs and volumes, and what is assumed where it says nothing."""

from decimal import Decimal

import pytest
from composing import PLAIN, SHARED, WEB, errors, faults, found, served, with_web
from mesh_deployer.domain.compose import Assumed, convert


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
