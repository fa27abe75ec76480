"""The chain of `mesh dev` outlives a kill, whoever is killed and whenever."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL

import pytest
from mesh_cli import parts
from mesh_cli.chain import Chain
from mesh_cli.embedded import EmbeddedMesh, Ports

BLOCKS = 100
PIPE_BYTES = 2**16
WRITER = """
import sys
from pathlib import Path
from mesh_cli.chain import Chain
Chain(sys.argv[1], Path(sys.argv[2])).write_down()
"""


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[EmbeddedMesh]:
    """A mesh of which the chain runs alone, with blocks that are written down."""
    mesh = EmbeddedMesh(tmp_path, Ports(parts.free_port()))
    mesh.start_part("anvil")
    mine(mesh)
    mesh.chain.write_down()
    yield mesh
    mesh.stop("anvil", SIGKILL)


def mine(mesh: EmbeddedMesh) -> None:
    assert mesh.chain._ask("anvil_mine", hex(BLOCKS)) is None


def height(mesh: EmbeddedMesh) -> int:
    return int(mesh.chain._ask("eth_blockNumber") or "", 16)


def kill_and_start(mesh: EmbeddedMesh) -> None:
    mesh.stop("anvil", SIGKILL)
    mesh.start_part("anvil")


def test_a_chain_that_is_killed_goes_on_from_what_was_written_down(mesh: EmbeddedMesh):
    mine(mesh)

    kill_and_start(mesh)

    assert height(mesh) == BLOCKS


def test_a_chain_that_is_stopped_goes_on_from_where_it_was(mesh: EmbeddedMesh):
    mine(mesh)

    mesh.stop("anvil")
    mesh.start_part("anvil")

    assert height(mesh) == 2 * BLOCKS


def test_who_is_killed_while_they_write_leaves_what_was_whole(mesh: EmbeddedMesh, tmp_path: Path):
    half = tmp_path / "anvil.new"
    os.mkfifo(half)  # so that the writer can be met in the middle
    mine(mesh)
    argv = [sys.executable, "-c", WRITER, mesh.rpc_url, mesh.chain.file]
    with subprocess.Popen(argv) as writer, half.open("rb", buffering=0) as reader:
        written = reader.read(PIPE_BYTES // 2)
        writer.kill()
    half.unlink()
    half.write_bytes(written)

    kill_and_start(mesh)

    assert writer.returncode == -SIGKILL
    assert height(mesh) == BLOCKS
    mesh.chain.write_down()
    assert not half.exists()


def test_blocks_that_are_known_are_not_written_again(mesh: EmbeddedMesh):
    known = mesh.chain.write_down_after(None)
    mesh.chain.file.unlink()

    assert (mesh.chain.write_down_after(known), mesh.chain.file.exists()) == (known, False)
    mine(mesh)
    assert mesh.chain.write_down_after(known) != known
    assert mesh.chain.file.exists()


def test_where_no_chain_answers_what_was_written_down_stays(tmp_path: Path):
    chain = Chain(f"http://127.0.0.1:{parts.free_port()}", tmp_path / "anvil.json")
    chain.file.write_text("{}")

    chain.write_down()
    chain.write_down_after(None)

    assert chain.file.read_text() == "{}"


def test_a_chain_that_was_never_written_down_begins_anew(tmp_path: Path):
    chain = Chain("http://127.0.0.1:9", tmp_path / "anvil.json")

    assert chain.options() == ()
