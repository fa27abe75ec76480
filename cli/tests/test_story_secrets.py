"""The demo's search finds a secret wherever it is in clear, and is no proof when it finds nothing at all."""

import base64
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from mesh_cli.demo.chapters import secretless
from mesh_cli.demo.stage import BrokenPromise
from theatre import Theatre

SECRET = "sk-7f3a9c21d4e8b605-Ob/2+x"


SPELLINGS: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "hex": lambda secret: secret.encode().hex().encode(),
    "percent": lambda secret: quote(secret, safe="").encode(),
    "basic": lambda secret: base64.b64encode(f"user:{secret}".encode()),
    "base64": lambda secret: base64.b64encode(secret.encode()),
    "inside base64": lambda secret: base64.b64encode(f"ab{secret}cd".encode()),
}


@pytest.fixture
def token_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vault") / "token"
    path.write_text(SECRET)
    return path


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_a_secret_in_a_log_is_found_however_it_is_spelled(
    theatre: Theatre, token_file: Path, spelling: str
):
    (theatre.stage.mesh.state_dir / "service.log").write_bytes(
        b"x" * 1000 + SPELLINGS[spelling](SECRET) + b"y"
    )

    with pytest.raises(BrokenPromise, match=r"in clear in .*service\.log"):
        secretless._search(theatre.stage, SECRET, "", {}, token_file)


async def test_a_secret_that_the_agent_saw_is_found(theatre: Theatre, token_file: Path):
    with pytest.raises(BrokenPromise, match="in clear in agent"):
        secretless._search(theatre.stage, SECRET, f"Authorization: Bearer {SECRET}", {}, token_file)


async def test_a_secret_in_an_answer_is_found(theatre: Theatre, token_file: Path):
    with pytest.raises(BrokenPromise, match="in clear in answers"):
        secretless._search(theatre.stage, SECRET, "", {"echo": SECRET}, token_file)


async def test_a_search_that_finds_nothing_anywhere_is_no_proof(theatre: Theatre, token_file: Path):
    token_file.write_text("another")

    with pytest.raises(BrokenPromise, match="does not find the secret where it is"):
        secretless._search(theatre.stage, SECRET, "", {}, token_file)


async def test_a_clean_mesh_is_said_to_be_clean(theatre: Theatre, token_file: Path):
    found = secretless._search(theatre.stage, SECRET, "nothing", {"nothing": 1}, token_file)

    assert found["found"] == 0
    assert found["files"] >= 1
