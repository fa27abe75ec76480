"""A compose file becomes an SDL that compiles, or says why not; nothing of it gets lost without a word."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import yaml
from composing import PLAIN, WEB, errors, faults, found, served, with_web
from mesh_deployer.domain.compose import Assumed, convert
from mesh_deployer.domain.compose_names import sdl_name
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.domain.tree import MAX_BYTES


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
