"""What docker-compose.yml promises, read from the file; Compose judges it too where it is installed."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from mesh_cli.embedded import Ports

ROOT = Path(__file__).parents[2]
OURS = Ports().published
FOREIGN = {"postgres", "redis", "anvil", "kubo"}
ONE_SHOT = {"secrets", "contracts"}
EXTRA = {
    "prometheus": "observability",
    "grafana": "observability",
    "jaeger": "observability",
    "akash-live": "akash-live",
}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return compose["services"]


def test_it_brings_the_services_the_console_and_what_they_stand_on(services: dict[str, Any]):
    without_profile = {name for name, service in services.items() if "profiles" not in service}

    assert without_profile == OURS.keys() | FOREIGN | ONE_SHOT
    assert len(OURS.keys() | FOREIGN) <= 11


def test_extras_come_by_their_profile_alone(services: dict[str, Any]):
    profiles = {name: service["profiles"] for name, service in services.items() if "profiles" in service}

    assert profiles == {name: [profile] for name, profile in EXTRA.items()}


def test_foreign_images_are_pinned_and_can_be_replaced(services: dict[str, Any]):
    for name in FOREIGN | EXTRA.keys() - {"akash-live"}:
        variable, _, image = services[name]["image"].partition(":-")
        assert variable == f"${{{name.upper()}_IMAGE", name
        assert image.rpartition(":")[2].removesuffix("}") not in ("", "latest"), name


def test_everything_that_stays_up_has_a_healthcheck(services: dict[str, Any]):
    assert all("test" in services[name]["healthcheck"] for name in OURS.keys() | FOREIGN)


def test_nothing_runs_as_root_but_the_one_that_hands_out_folders(services: dict[str, Any]):
    as_root = {name for name, service in services.items() if str(service.get("user", "0")).startswith("0")}

    assert as_root == {"secrets"}
    assert services["secrets"]["network_mode"] == "none"


def test_only_what_people_look_at_has_ports_and_these_on_loopback(services: dict[str, Any]):
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}

    looked_at = OURS | {"prometheus": 9090, "grafana": 3000, "jaeger": 16686}
    assert published == {name: [f"127.0.0.1:{port}:{port}"] for name, port in looked_at.items()}


def test_chain_store_database_and_doorbell_are_not_reachable_from_outside(compose: dict[str, Any]):
    assert compose["networks"]["inside"]["internal"] is True
    assert all(compose["services"][name]["networks"] == ["inside"] for name in FOREIGN)


def test_every_container_drops_its_capabilities_and_may_gain_none(services: dict[str, Any]):
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_a_service_cannot_write_outside_its_own_state(services: dict[str, Any]):
    for name in OURS:
        service = services[name]
        writable = [
            v
            for v in service["volumes"]
            if not v.endswith(":ro") and not v.split(":")[1].startswith("/keys/")
        ]
        assert service["read_only"] is True
        assert writable == [f"{name}-state:/var/lib/mesh"]


def test_a_service_sees_no_key_and_no_password_but_its_own(services: dict[str, Any]):
    for name in OURS.keys() - {"security-gateway", "console"}:
        secret = {v.split(":")[0] for v in services[name]["volumes"] if "-key:" in v or "-secrets:" in v}
        assert secret == {f"{name}-key", f"{name}-secrets"}
    assert services["console"]["volumes"] == ["console-state:/var/lib/mesh"]


def test_secrets_of_the_host_are_seen_by_the_one_that_hands_them_out(services: dict[str, Any]):
    seeing = {
        n for n, service in services.items() if any(".secrets" in v for v in service.get("volumes", ()))
    }

    assert seeing == {"secrets"}


def test_a_deployer_that_may_spend_money_waits_until_nothing_is_missing(services: dict[str, Any]):
    waited_for = services["deployer"]["depends_on"]["akash-live"]

    assert waited_for == {"condition": "service_completed_successfully", "required": False}


def test_the_file_holds_no_password(compose: dict[str, Any]):
    text = (ROOT / "docker-compose.yml").read_text()

    assert "POSTGRES_PASSWORD:" not in text
    assert "POSTGRES_HOST_AUTH_METHOD" not in text


def test_anvil_does_not_fill_the_disk(services: dict[str, Any]):
    assert "--prune-history" in services["anvil"]["command"]


@pytest.mark.parametrize("profile", ["", "observability", "akash-live"])
def test_compose_itself_finds_the_file_valid(profile: str):
    docker = shutil.which("docker") or "docker"
    if (
        not shutil.which(docker)
        or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode != 0
    ):
        pytest.skip("Docker Compose v2 is not installed here")

    argv = [
        docker,
        "compose",
        "--file",
        ROOT / "docker-compose.yml",
        "--profile",
        profile,
        "config",
        "--quiet",
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")
