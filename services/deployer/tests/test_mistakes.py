"""The usual mistakes: each is found at its place, under a stable code, with what to write instead."""

import pytest
from mesh_deployer.domain.issues import Issue, Severity
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.schemas.sdl import HELLO

RESOURCES = "profiles.compute.web.resources"
PRICE = "profiles.placement.dcloud.pricing.web"
EXPOSE = "services.web.expose[0]"
PORT = "      - port: 80\n        as: 80\n        to:\n          - global: true"
TO = "        to:\n          - global: true"
ENTRY = "    dcloud:\n      profile: web\n      count: 1"
DISK = "          size: 512Mi"


def findings(*changes: tuple[str, str]) -> tuple[Issue, ...]:
    sdl = HELLO
    for old, new in changes:
        assert old in sdl
        sdl = sdl.replace(old, new, 1)
    return compile_sdl(sdl).issues


def in_service(line: str) -> tuple[str, str]:
    return ("    expose:", f"    {line}\n    expose:")


@pytest.mark.parametrize(
    ("old", "new", "path", "hint"),
    [
        ("size: 128Mi", "size: 1GB", "memory.size", "Write 1Gi."),
        ("size: 128Mi", "size: 512mb", "memory.size", "Write 512Mi."),
        ("size: 128Mi", "size: 1 Gi", "memory.size", "Write 1Gi."),
        ("size: 128Mi", "size: 1.5t", "memory.size", "Write 1.5Ti."),
        ("size: 128Mi", "size: half", "memory.size", "Write a number and Ki, Mi, Gi or Ti, such as 512Mi."),
        ("units: 100m", "units: 100mi", "cpu.units", "Write 500m or 0.5."),
        ("units: 100m", "units: 2 cores", "cpu.units", "Write 500m or 0.5."),
        ("cpu:\n          units: 100m", "cpu: 0.5", "cpu", "Write `cpu: {units: 500m}`."),
        ("memory:\n          size: 128Mi", "memory: 512Mi", "memory", "Write `memory: {size: 512Mi}`."),
        ("storage:\n          size: 512Mi", "storage: 1Gi", "storage",
         "Write `size: 512Mi`, or a list of volumes."),
        (DISK, f"{DISK}\n          class: beta3", "storage.class", "Write it under `attributes`."),
        (DISK, f"{DISK}\n          persistent: true", "storage.persistent", "Write it under `attributes`."),
        (DISK, f"{DISK}\n          attributes: {{persistent: true, class: hdd}}", "storage.attributes.class",
         "One of default, beta1, beta2, beta3, ram."),
        ("        cpu:", "        gpu: 1\n        cpu:", "gpu",
         "Write `gpu: {units: 1, attributes: {vendor: {nvidia: []}}}`."),
        ("        cpu:", "        gpu: {units: 1}\n        cpu:", "gpu",
         "Write `attributes: {vendor: {nvidia: []}}` for any."),
        ("        cpu:", "        gpu: {units: 1, attributes: {vendor: nvidia}}\n        cpu:",
         "gpu.attributes.vendor", "Write `vendor: {nvidia: []}`."),
        ("        cpu:", "        gpu: {units: 1, attributes: {vendor: {amd: []}}}\n        cpu:",
         "gpu.attributes.vendor.amd", "Akash leases GPUs of nvidia only."),
        ("        cpu:", "        gpu: {units: 1, attributes: {vendor: {nvidia: a100}}}\n        cpu:",
         "gpu.attributes.vendor.nvidia", "Write `nvidia: [{model: a100}]`, or `nvidia: []` for any."),
    ],
)  # fmt: skip
def test_a_mistake_about_resources(old: str, new: str, path: str, hint: str):
    issues = findings((old, new))

    assert (f"{RESOURCES}.{path}", hint) in {(issue.path, issue.hint) for issue in issues}


@pytest.mark.parametrize(
    ("line", "path", "hint"),
    [
        ("env: {A: b}", "env", "Write a list: `- NAME=value`."),
        ("environment: [A=b]", "environment", "Write `env` as a list of NAME=value."),
        ("env_file: .env", "env_file", "Write the variables into `env` as a list of NAME=value."),
        ("secrets: [key]", "secrets", "Write gateway://<connection> as the value of a variable in `env`."),
        ("ports: ['80:80']", "ports", "Write `expose` with port, as and to."),
        ("cmd: x", "cmd", "Write `command` and `args` as lists."),
        ("entrypoint: [x]", "entrypoint", "Write `command` as a list."),
        ("args: --fast", "args", 'Write a list: `["--port", "8080"]`.'),
        ("build: .", "build", "Push the image to a registry and write `image`."),
        ("volumes: ['a:/b']", "volumes",
         "Declare storage in profiles.compute and mount it in params.storage."),
        ("storage: 1Gi", "storage",
         "Write resources in profiles.compute and name the profile in `deployment`."),
        ("resources: {}", "resources",
         "Write resources in profiles.compute and name the profile in `deployment`."),
        ("deploy: {}", "deploy",
         "Resources stand in profiles.compute, replicas as `count` in the deployment section."),
        ("replicas: 2", "replicas", "Write `count` in the deployment section."),
        ("depends_on: [db]", "depends_on",
         "Akash starts all services at once; let the service wait for what it needs."),
        ("restart: always", "restart", "Akash restarts what ends; leave it out."),
        ("container_name: a", "container_name", "The name of the service is its host name; leave it out."),
        ("networks: [a]", "networks",
         "The services of one placement reach each other by name; leave it out."),
        ("healthcheck: {}", "healthcheck",
         "Akash has no health checks; let the process end when it is ill, and it is restarted."),
        ("livenessProbe: {}", "livenessProbe",
         "Akash has no health checks; let the process end when it is ill, and it is restarted."),
        ("user: root", "user", "Akash has no such switch; set it in the image, or in `command`."),
        ("privileged: true", "privileged",
         "Providers give a container no rights; use an image that runs without them."),
        ("labels: {a: b}", "labels", "Akash keeps no labels; leave it out."),
        ("imgae: nginx", "imgae", "Did you mean `image`?"),
        ("Image: nginx", "Image", "Did you mean `image`?"),
        ("quux: 1", "quux", "Akash ignores it; leave it out."),
        ("params: {storage: {data: /data}}", "params.storage.data", "Write `mount: /data` below it."),
        ("params: {storage: {data: {mount: data}}}", "params.storage.data.mount", "Start it with a slash."),
        ("credentials: {username: a, password: b}", "credentials.host", "Write `host: …`."),
    ],
)  # fmt: skip
def test_a_mistake_about_a_service(line: str, path: str, hint: str):
    issues = findings(in_service(line))

    assert (f"services.web.{path}", hint) in {(issue.path, issue.hint) for issue in issues}


@pytest.mark.parametrize(
    ("old", "new", "path", "hint"),
    [
        (PORT, "      - 80", EXPOSE, "Write `- port: 80`."),
        (PORT, "      port: 80", "services.web.expose", "Write a list: `- port: 80`."),
        (TO, "        to: {global: true}", f"{EXPOSE}.to", "Write a list: `- global: true`."),
        (TO, "        to: [global]", f"{EXPOSE}.to[0]", "Write `- global: true`, or `- service: web`."),
        (TO, "        global: true", f"{EXPOSE}.global", "Write `to: [{global: true}]`."),
        ("- global: true", '- global: "true"', f"{EXPOSE}.to[0].global", "Write it without quotes."),
        ("- port: 80", '- port: "80"', f"{EXPOSE}.port", "Write digits without quotes."),
        ("as: 80", "proto: http", f"{EXPOSE}.proto", "HTTP is TCP on port 80, or `as: 80`."),
        ("as: 80", "accept: example.com", f"{EXPOSE}.accept", 'Write a list: `["example.com"]`.'),
        ("as: 80", "accept: ['https://a.b']", f"{EXPOSE}.accept[0]",
         "Write lower-case labels with dots (RFC 1123)."),
        ("as: 80", "http_options: {read_timeout: 60s}", f"{EXPOSE}.http_options.read_timeout",
         "Write milliseconds: 60000."),
        ("as: 80", "http_options: {max_body_size: 100MB}", f"{EXPOSE}.http_options.max_body_size",
         "Write bytes: 1048576."),
        ("global: true", "service: wbe", f"{EXPOSE}.to[0].service", "Did you mean `web`?"),
    ],
)  # fmt: skip
def test_a_mistake_about_a_port(old: str, new: str, path: str, hint: str):
    assert (path, hint) in {(issue.path, issue.hint) for issue in findings((old, new))}


@pytest.mark.parametrize(
    ("old", "new", "path", "hint"),
    [
        ("          denom: uact\n          amount: 100", "          100", PRICE,
         "Write `denom: uact` and `amount: 100` below it."),
        ("amount: 100", "amount: 100uact", f"{PRICE}.amount", "Write a number such as 100 or 0.75."),
        ("amount: 100", "amount: $5", f"{PRICE}.amount", "Write a number such as 100 or 0.75."),
        ("denom: uact", "denom: akt", f"{PRICE}.denom", "Write `denom: uact`."),
        ("      pricing:", "      signedby: {}\n      pricing:", "profiles.placement.dcloud.signedby",
         "Did you mean `signedBy`?"),
        (ENTRY, "    profile: web\n    count: 1", "deployment.web.profile",
         "Write `profile` and `count` below the name of a placement."),
        (ENTRY, "    dcloud: web", "deployment.web.dcloud",
         "Write `profile` and `count` below the name of a placement."),
        (f"  web:\n{ENTRY}", "  web: dcloud", "deployment.web",
         "Write the name of a placement below it, and below that `profile` and `count`."),
        ("count: 1", 'count: "1"', "deployment.web.dcloud.count", "Write digits without quotes."),
        ("count: 1", "replicas: 1", "deployment.web.dcloud.replicas",
         "Write `count` in the deployment section."),
        ("profile: web", "profile: large", "deployment.web.dcloud", "Name one of web, or declare it."),
        ("profile: web", "profile: wep", "deployment.web.dcloud", "Did you mean `web`?"),
        ("  web:\n    image", "  Web:\n    image", "deployment.web.dcloud", "Did you mean `Web`?"),
        ("    dcloud:\n      pricing:", "    akash:\n      pricing:", "deployment.web.dcloud",
         "Name one of akash, or declare it."),
        ('version: "2.0"', "version: latest", "version", 'Write version: "2.0".'),
        ('version: "2.0"', "apiVersion: v1", "apiVersion",
         "This is Kubernetes'; an SDL starts with `version`."),
        ("services:", "service:", "service", "Did you mean `services`?"),
        ("deployment:", "Deployment:", "Deployment", "Did you mean `deployment`?"),
        ("services:", "networks: {}\nservices:", "networks",
         "The services of one placement reach each other by name; leave it out."),
        ("services:", "x-common: {}\nservices:", "x-common",
         "One of version, services, profiles, deployment, endpoints, include, reclamation."),
        ("    expose:", "\texpose:", "", "Indent with spaces."),
    ],
)  # fmt: skip
def test_a_mistake_about_the_rest(old: str, new: str, path: str, hint: str):
    assert (path, hint) in {(issue.path, issue.hint) for issue in findings((old, new))}


def test_an_image_that_is_built_elsewhere_is_an_error_with_both_hints():
    issues = findings(("    image: debian:trixie-slim\n", "    build: .\n"))

    assert {(i.path, i.code, i.severity) for i in issues} == {
        ("services.web.build", "unknown-key", Severity.WARNING),
        ("services.web.image", "missing", Severity.ERROR),
    }


def test_a_document_of_mistakes_is_answered_with_all_of_them_at_once():
    """What somebody writes who has never seen an SDL, but compose."""
    issues = findings(
        ("    expose:", "    environment: {A: b}\n    depends_on: [db]\n    expose:"),
        (PORT, "      - 80"),
        ("size: 128Mi", "size: 128MB"),
        ("amount: 100", "amount: 5 USD"),
    )

    assert {issue.path for issue in issues} >= {
        "services.web.environment",
        "services.web.depends_on",
        EXPOSE,
        f"{RESOURCES}.memory.size",
        f"{PRICE}.amount",
    }
    assert all(issue.code and issue.message and issue.hint for issue in issues)
