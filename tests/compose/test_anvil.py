"""The development chain of docker-compose.yml starts whatever a kill left of its state."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from signal import SIGKILL

import pytest
from mesh_cli import parts, processes
from mesh_shared.chain.rpc import Rpc

SCRIPT = parts.ROOT / "deploy" / "compose" / "anvil.sh"
OPTIONS = ("--quiet", "--prune-history", "128", "--state-interval", "1")
START_S = 30
BLOCKS = 3


class Chain:
    """The script at work on a folder, and what it said."""

    def __init__(self, folder: Path) -> None:
        port = parts.free_port()
        path = f"{Path(parts.anvil_binary()).parent}:{os.environ['PATH']}"
        env = {"PATH": path, "HOME": str(folder), "ANVIL_KEEP_S": "0.1"}
        argv = ["/bin/sh", SCRIPT, folder, "--port", str(port), *OPTIONS]
        self.process = processes.start("anvil", argv, folder / "said" / "log", env)
        self.url = f"http://127.0.0.1:{port}"
        self.process.wait_until(lambda: not parts.is_port_free(port), START_S)

    async def ask(self, method: str, *params: object) -> str:
        rpc = Rpc(self.url, parts.CHAIN_ID)
        try:
            return await rpc.request(method, *params)
        finally:
            await rpc.close()


@pytest.fixture
def start() -> Iterator[Callable[[Path], Chain]]:
    with ExitStack() as started:

        def start(folder: Path) -> Chain:
            chain = Chain(folder)
            started.callback(chain.process.stop, SIGKILL)
            return chain

        yield start


@pytest.fixture
async def folder(tmp_path: Path, start: Callable[[Path], Chain]) -> Path:
    """What is left of a chain of some blocks, all of which it had written down, after a kill."""
    chain = start(tmp_path)
    await chain.ask("anvil_mine", hex(BLOCKS))
    chain.process.wait_until(lambda: is_kept(tmp_path), START_S)
    chain.process.stop(SIGKILL)
    (tmp_path / "state.json").write_bytes((tmp_path / "kept.json").read_bytes())
    return tmp_path


def is_kept(folder: Path) -> bool:
    kept = folder / "kept.json"
    return kept.exists() and f'"best_block_number":{BLOCKS}' in kept.read_text()


@pytest.mark.parametrize("left", [0, 1000, -1], ids=["nothing", "the beginning", "all but the last brace"])
async def test_a_chain_that_was_killed_while_it_wrote_goes_on_from_the_last_whole_copy(
    folder: Path, start: Callable[[Path], Chain], left: int
):
    state = folder / "state.json"
    state.write_bytes(state.read_bytes()[:left])

    chain = start(folder)

    assert int(await chain.ask("eth_blockNumber"), 16) == BLOCKS
    assert "goes on from the copy" in chain.process.tail()


async def test_a_whole_state_is_taken_as_it_is(folder: Path, start: Callable[[Path], Chain]):
    (folder / "kept.json").write_text("{")

    chain = start(folder)

    assert int(await chain.ask("eth_blockNumber"), 16) == BLOCKS
    assert chain.process.tail() == ""


async def test_a_chain_that_was_killed_in_its_first_writing_begins_anew_and_says_so(
    tmp_path: Path, start: Callable[[Path], Chain]
):
    (tmp_path / "state.json").write_text('{"block":{"number":"0x3"')

    chain = start(tmp_path)

    assert int(await chain.ask("eth_blockNumber"), 16) == 0
    assert "begins anew" in chain.process.tail()
