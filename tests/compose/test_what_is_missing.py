"""What `docker compose` says instead of starting a part of a mesh."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from composed import BUILD_S, docker, engine_is_missing
from mesh_cli.parts import ROOT

pytestmark = [pytest.mark.xdist_group("compose"), pytest.mark.timeout(1800)]

HEAD = ["docker", "compose", "--project-name", "mesh-missing", "--profile", "akash-live"]
NODE = "http://node.example:1317"
Up = Callable[..., tuple[int, str]]


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The folder of the secrets."""
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def up(kept: Path) -> Iterator[Up]:
    """Starts one container with those that it waits for: how that ended, and what was said."""
    if why := engine_is_missing():
        pytest.skip(f"docker-compose.yml was not run: {why}")
    env = {"MESH_SECRETS_DIR": str(kept), "MESH_AKASH_URL": ""}

    def up(service: str, **more: str) -> tuple[int, str]:
        argv = [*HEAD, "up", "--build", "--exit-code-from", service, service]
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            check=False,
            timeout=BUILD_S,
            cwd=ROOT,
            env={**os.environ, **env, **more},
        )
        # What a container says before it is listened to is in its log alone.
        return done.returncode, docker(*HEAD[1:], "logs", service, env=env)

    yield up
    docker(*HEAD[1:], "down", "--volumes", env=env)


def test_a_part_of_the_secrets_is_named_and_nothing_starts(kept: Path, up: Up):
    assert up("secrets")[0] == 0
    (kept / "deployer").unlink()

    code, said = up("secrets")

    assert code == 1
    assert "missing in .secrets: deployer." in said


def test_a_deployer_that_would_spend_money_says_what_it_lacks(kept: Path, up: Up):
    without_node = up("akash-live")
    without_key = up("akash-live", MESH_AKASH_URL=NODE)
    (kept / "akash").write_text("twelve words")
    with_both = up("akash-live", MESH_AKASH_URL=NODE)

    assert (without_node[0], without_key[0], with_both[0]) == (1, 1, 0)
    assert "MESH_AKASH_URL is missing" in without_node[1]
    assert ".secrets/akash is missing" in without_key[1]
