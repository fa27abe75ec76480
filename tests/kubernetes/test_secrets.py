"""The script that makes the Secrets, and a gateway that starts with what it has made."""

import subprocess
from pathlib import Path

import pytest
import yaml
from eth_account import Account
from mesh_security_gateway.app import create_app
from mesh_security_gateway.settings import Settings
from mesh_shared.testing import running, with_schema
from pydantic import SecretStr

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "deploy" / "kubernetes" / "secrets.sh"
BASE = ROOT / "deploy" / "kubernetes" / "base"


def make(folder: Path) -> dict[str, bytes]:
    subprocess.run(["/bin/sh", SCRIPT, folder], check=True, capture_output=True, timeout=30)
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    make(folder)
    return folder


def test_every_workload_gets_a_secret(home: Path):
    mounted = {
        volume["secret"]["secretName"]
        for file in BASE.glob("*.yaml")
        for one in yaml.safe_load_all(file.read_text())
        if one["kind"] in ("StatefulSet", "Deployment")
        for volume in one["spec"]["template"]["spec"]["volumes"]
        if "secret" in volume
    }

    assert {folder.name for folder in home.iterdir()} == mounted


def test_what_is_there_is_kept_and_only_its_owner_reads_it(home: Path):
    before = {str(file.relative_to(home)): file.read_bytes() for file in home.rglob("*") if file.is_file()}

    assert make(home) == before
    assert {file.stat().st_mode & 0o777 for file in home.rglob("*") if file.is_file()} == {0o600}
    assert len({*before.values()}) == len(before)


@pytest.mark.parametrize("key", ["registry/chain.key", "coordinator/chain.key", "coordinator/evaluator.key"])
def test_a_key_of_the_chain_is_an_account(home: Path, key: str):
    assert Account.from_key((home / key).read_text()).address.startswith("0x")


async def test_a_gateway_starts_with_them_and_knows_the_admin_and_every_service(
    home: Path, tmp_path: Path, redis_url: str
):
    keys = tmp_path / "keys"
    for folder in home.iterdir():
        if (folder / "service.key").exists():
            (keys / folder.name).mkdir(parents=True)
            (keys / folder.name / "service.key").write_bytes((folder / "service.key").read_bytes())
    made = home / "security-gateway"
    # A test's database is SQLite beside the secrets; on the cluster nothing is written there.
    settings = Settings(
        state_dir=made,
        keys_dir=keys,
        redis_url=SecretStr(redis_url),
        registry_url="http://127.0.0.1:1",
        database_url=SecretStr(f"sqlite+aiosqlite:///{tmp_path}/gateway.db"),
    )
    before = {file.name for file in made.iterdir()}

    async with running(create_app(with_schema(settings))) as http:
        for file in (made / "admin.key", *keys.glob("*/service.key")):
            headers = {"X-API-Key": file.read_text()}
            assert (await http.post("/v1/sessions", headers=headers)).status_code == 201, file

    assert {file.name for file in made.iterdir()} == before
