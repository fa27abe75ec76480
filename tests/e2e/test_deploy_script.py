"""The one deploy script: everything once, whatever cuts it off."""

import asyncio
import json
import runpy
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from mesh_cli import parts
from mesh_cli.parts import CHAIN_ID, ROOT
from mesh_shared.chain import keys
from mesh_shared.chain.abi import Function
from mesh_shared.chain.rpc import Rpc

SCRIPT = ROOT / "contracts" / "script" / "deploy.py"
MAIN = runpy.run_path(str(SCRIPT))["main"]
BALANCE_OF = Function("balanceOf", ["address"], ["uint256"])


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A chain of one test's own: the script wants a fresh account."""
    port = parts.free_port()
    process = parts.anvil(port, tmp_path)
    yield f"http://127.0.0.1:{port}"
    process.stop()


@pytest.fixture
async def rpc(url: str) -> AsyncIterator[Rpc]:
    rpc = Rpc(url, CHAIN_ID)
    yield rpc
    await rpc.close()


async def run(url: str, out: Path, *options: str) -> None:
    await MAIN(["--rpc-url", url, "--out", str(out), *options])


async def run_alone(url: str, out: Path) -> tuple[int, str]:
    """As a process, as its reader runs it."""
    argv = [sys.executable, SCRIPT, "--rpc-url", url, "--out", out]
    process = await asyncio.create_subprocess_exec(*map(str, argv), stderr=asyncio.subprocess.PIPE)
    _, errors = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, errors.decode()


async def nonce(rpc: Rpc) -> int:
    deployer = (await rpc.request("eth_accounts"))[0]
    return int(await rpc.request("eth_getTransactionCount", deployer, "latest"), 16)


async def test_every_contract_stands_where_the_file_says(url: str, rpc: Rpc, tmp_path: Path):
    assert await run_alone(url, tmp_path / "contracts.json") == (0, "")

    deployed = json.loads((tmp_path / "contracts.json").read_text())
    assert deployed["contracts"].keys() == {
        "MeshToken",
        "AgentRegistry",
        "MeshEscrow",
        "Reputation",
        "Validation",
    }
    for address in deployed["contracts"].values():
        assert await rpc.request("eth_getCode", address, "latest") != "0x"


async def test_a_second_run_sends_nothing_and_writes_the_same(url: str, rpc: Rpc, tmp_path: Path):
    out = tmp_path / "contracts.json"
    await run(url, out, "--fund-key", f"{tmp_path}/service/chain.key:700")
    first, sent = out.read_text(), await nonce(rpc)

    await run(url, out, "--fund-key", f"{tmp_path}/service/chain.key:700")

    assert (out.read_text(), await nonce(rpc)) == (first, sent)


async def test_a_run_that_was_cut_off_goes_on_where_it_stopped(url: str, rpc: Rpc, tmp_path: Path):
    whole = tmp_path / "whole.json"
    snapshot = await rpc.request("evm_snapshot")
    await run(url, whole)
    first_creation = await _input_of_first_transaction(rpc)
    await rpc.request("evm_revert", snapshot)
    deployer = (await rpc.request("eth_accounts"))[0]
    await rpc.request(
        "eth_sendTransaction", {"from": deployer, "data": first_creation, "gas": hex(10_000_000)}
    )

    await run(url, tmp_path / "resumed.json")

    resumed = json.loads((tmp_path / "resumed.json").read_text())
    assert resumed["contracts"] == json.loads(whole.read_text())["contracts"]


async def _input_of_first_transaction(rpc: Rpc) -> str:
    block: Any = await rpc.request("eth_getBlockByNumber", "0x1", True)
    return block["transactions"][0]["input"]


async def test_a_service_s_key_is_made_ours_alone_and_funded(url: str, rpc: Rpc, tmp_path: Path):
    key_file = tmp_path / "service" / "chain.key"
    await run(url, tmp_path / "contracts.json", "--fund-key", f"{key_file}:700")

    token = json.loads((tmp_path / "contracts.json").read_text())["contracts"]["MeshToken"]
    account = keys.load_or_create(key_file).address
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert await rpc.call(token, BALANCE_OF, account) == (700,)
    assert int(await rpc.request("eth_getBalance", account, "latest"), 16) == 100 * 10**18


async def test_an_account_that_was_used_before_is_refused(url: str, rpc: Rpc, tmp_path: Path):
    deployer = (await rpc.request("eth_accounts"))[0]
    await rpc.request("eth_sendTransaction", {"from": deployer, "to": deployer})

    with pytest.raises(SystemExit, match="take a fresh one"):
        await run(url, tmp_path / "contracts.json")

    assert not (tmp_path / "contracts.json").exists()
