"""The script that makes the secrets of docker-compose.yml, on folders instead of volumes."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy" / "compose" / "secrets.sh"
SERVICES = ("registry", "coordinator", "deployer", "security-gateway", "workspace-analyzer")
ALL = {"postgres", "kek", *SERVICES}


class Folders:
    """The host's folder, the services' volumes and PostgreSQL's, as the script finds them."""

    def __init__(self, home: Path) -> None:
        self.kept, self.served, self.database = (home / name for name in ("kept", "served", "database"))
        for folder in (self.kept, self.database, *(self.served / name for name in SERVICES)):
            folder.mkdir(parents=True)

    def run(self) -> subprocess.CompletedProcess[str]:
        owner = {"OWNER": f"{os.getuid()}:{os.getgid()}"}
        argv = ["/bin/sh", SCRIPT, self.kept, self.served, self.database]
        return subprocess.run(
            argv, capture_output=True, text=True, check=False, timeout=30, env=dict(os.environ) | owner
        )

    def all(self) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in self.kept.iterdir()}


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


@pytest.fixture
def made(folders: Folders) -> Folders:
    assert folders.run().returncode == 0
    return folders


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_first_start_makes_a_secret_for_everybody_that_only_its_owner_reads(made: Folders):
    assert made.all().keys() == ALL
    assert len(set(made.all().values())) == len(ALL)
    assert {mode(made.kept / name) for name in ALL} == {0o600}
    assert mode(made.kept) == 0o700


def test_a_service_gets_its_password_and_the_gateway_the_key_of_all_keys(made: Folders):
    for name in SERVICES:
        assert (made.served / name / "database").read_bytes() == (made.kept / name).read_bytes()
        assert mode(made.served / name / "database") == 0o400
        assert (made.database / name).read_bytes() == (made.kept / name).read_bytes()
    assert (made.served / "security-gateway" / "kek").read_bytes() == (made.kept / "kek").read_bytes()
    assert len((made.kept / "kek").read_bytes()) == 32


def test_the_next_start_makes_nothing_anew(made: Folders):
    before = made.all()

    assert made.run().returncode == 0
    assert made.all() == before


@pytest.mark.parametrize("lost", ["kek", "coordinator"])
def test_a_part_of_the_secrets_starts_nothing_and_names_the_rest(made: Folders, lost: str):
    (made.kept / lost).unlink()

    done = made.run()

    assert done.returncode == 1
    assert f"missing in .secrets: {lost}." in done.stderr


def test_another_password_than_the_database_s_starts_nothing_and_is_named(made: Folders):
    (made.kept / "deployer").write_text("another")

    done = made.run()

    assert done.returncode == 1
    assert ".secrets/deployer" in done.stderr
    assert "another\n" not in done.stderr


def test_a_mesh_that_has_run_keeps_its_secrets_when_the_folder_is_lost(made: Folders):
    before = made.all()
    for file in made.kept.iterdir():
        file.unlink()

    assert made.run().returncode == 0
    assert made.all() == before


def test_the_key_that_pays_on_akash_is_handed_to_the_deployer_alone(made: Folders):
    (made.kept / "akash").write_text("a mnemonic")

    assert made.run().returncode == 0
    assert [file.parent.name for file in made.served.rglob("akash")] == ["deployer"]
