"""Deploys the mesh's contracts, once, and writes their addresses for the services to pin.

    python contracts/script/deploy.py --rpc-url http://127.0.0.1:8370 --out contracts.json

On a local chain the node's first unlocked account signs; elsewhere `--key-file` does. The account
should be used for nothing else: its nonces give the addresses, so a run that was cut off goes on
where it stopped, and a run on a chain that has everything only writes the file.
`--fund-key FILE:UNITS` (local chains only) makes a service's key when there is none and gives its
account ether and test tokens.
"""

import argparse
import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rlp
from eth_abi.abi import encode
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak
from mesh_shared.chain import deployment, keys
from mesh_shared.chain.abi import Function
from mesh_shared.chain.deployment import Deployment
from mesh_shared.chain.rpc import Rpc

ARTIFACTS = Path(__file__).parents[1] / "artifacts"
LOCAL_CHAIN_ID = 31337
DAY_S = 86_400
ETHER_PER_KEY_WEI = 100 * 10**18
RECEIPT_TIMEOUT_S = 60
MINT = Function("mint", ["address", "uint256"])
BALANCE_OF = Function("balanceOf", ["address"], ["uint256"])


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract and what its constructor takes; names of earlier contracts stand for their addresses."""

    name: str
    types: tuple[str, ...]
    arguments: tuple[Any, ...]


DEPLOYER = object()
# Order is part of the addresses. Cooldown 7 days, slash delay 1 day, at most half of a stake; no fee.
PLAN = (
    Contract("MeshToken", ("address",), (DEPLOYER,)),
    Contract(
        "AgentRegistry",
        ("address", "address", "address", "uint64", "uint64", "uint16"),
        ("MeshToken", DEPLOYER, DEPLOYER, 7 * DAY_S, DAY_S, 5_000),
    ),
    Contract("MeshEscrow", ("address", "address", "uint16"), (DEPLOYER, DEPLOYER, 0)),
    Contract("Reputation", ("address", "address"), ("AgentRegistry", "MeshEscrow")),
    Contract("Validation", ("address",), ("AgentRegistry",)),
)


class Chain:
    """Sends transactions one after the other and waits for each."""

    def __init__(self, rpc: Rpc, signer: LocalAccount | None, address: str) -> None:
        self.rpc = rpc
        self.address = address
        self._signer = signer

    async def nonce(self) -> int:
        return int(await self.rpc.request("eth_getTransactionCount", self.address, "latest"), 16)

    async def send(self, transaction: dict[str, Any]) -> None:
        """Raises `RuntimeError` when the transaction had no effect."""
        request = {"from": self.address} | transaction
        request["gas"] = hex(int(await self.rpc.request("eth_estimateGas", request), 16) * 12 // 10)
        sent = await self._broadcast(request)
        async with asyncio.timeout(RECEIPT_TIMEOUT_S):
            receipt = await self._receipt(sent)
        if receipt["status"] != "0x1":
            raise RuntimeError(f"transaction {sent} had no effect")

    async def _receipt(self, sent: str) -> Any:
        while True:
            receipt = await self.rpc.request("eth_getTransactionReceipt", sent)
            if receipt is not None:
                return receipt
            await asyncio.sleep(0.1)

    async def _broadcast(self, request: dict[str, Any]) -> str:
        if self._signer is None:
            return await self.rpc.request("eth_sendTransaction", request)
        price = int(await self.rpc.request("eth_gasPrice"), 16)
        fields = {key: value for key, value in request.items() if key != "from"}
        fields |= {"chainId": self.rpc.chain_id, "nonce": await self.nonce(), "gasPrice": price}
        signed = self._signer.sign_transaction(fields)
        return await self.rpc.request("eth_sendRawTransaction", signed.raw_transaction.to_0x_hex())


def created_address(deployer: str, nonce: int) -> str:
    """Where a contract creation lands (Ethereum Yellow Paper, section 7)."""
    return to_checksum_address(keccak(rlp.encode([to_canonical_address(deployer), nonce]))[-20:])


async def deploy(chain: Chain) -> dict[str, str]:
    """Addresses by contract name; sends only what the chain does not have yet."""
    addresses = {contract.name: created_address(chain.address, place) for place, contract in enumerate(PLAN)}
    for place in range(await chain.nonce(), len(PLAN)):
        await chain.send({"data": "0x" + _creation(PLAN[place], addresses, chain.address).hex()})
    for name, address in addresses.items():
        if await chain.rpc.request("eth_getCode", address, "latest") == "0x":
            raise SystemExit(f"{name} is not at {address}: this account was used before; take a fresh one.")
    return addresses


def _creation(contract: Contract, addresses: dict[str, str], deployer: str) -> bytes:
    artifact = json.loads((ARTIFACTS / f"{contract.name}.json").read_text())
    known: dict[Any, str] = {DEPLOYER: deployer} | addresses
    values = [known.get(argument, argument) for argument in contract.arguments]
    return bytes.fromhex(artifact["bytecode"].removeprefix("0x")) + encode(contract.types, values)


async def fund(chain: Chain, key_file: Path, units: int, token: str) -> None:
    """Gives the account of `key_file` ether and tokens, once."""
    key_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    account = keys.load_or_create(key_file).address
    if int(await chain.rpc.request("eth_getBalance", account, "latest"), 16) < ETHER_PER_KEY_WEI // 2:
        await chain.send({"to": account, "value": hex(ETHER_PER_KEY_WEI)})
    (held,) = await chain.rpc.call(token, BALANCE_OF, account)
    if held < units:
        await chain.send({"to": token, "data": "0x" + MINT.encode(account, units - held).hex()})


async def main(argv: Sequence[str] | None = None) -> None:
    options = _options(argv)
    if options.fund_key and options.chain_id != LOCAL_CHAIN_ID:
        raise SystemExit("--fund-key is for local chains.")
    rpc = Rpc(options.rpc_url, options.chain_id)
    try:
        chain = await _chain(rpc, options.key_file)
        block = await rpc.block_number() if await chain.nonce() == 0 else 0
        addresses = await _prepare(chain, options.fund_key)
    finally:
        await rpc.close()
    _write(options.out, Deployment(chain_id=options.chain_id, block=block, contracts=addresses))


def _write(out: Path, deployed: Deployment) -> None:
    """Keeps the first block of an earlier run: what happened since belongs to the deployment too."""
    if out.exists():
        deployed = deployed.model_copy(update={"block": deployment.read(out).block})
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(deployed.model_dump_json(indent=2) + "\n")


async def _prepare(chain: Chain, funded: list[tuple[Path, int]]) -> dict[str, str]:
    addresses = await deploy(chain)
    for key_file, units in funded:
        await fund(chain, key_file, units, addresses["MeshToken"])
    return addresses


async def _chain(rpc: Rpc, key_file: Path | None) -> Chain:
    if key_file is not None:
        signer = Account.from_key(key_file.read_text().strip())  # noqa: ASYNC240 - nothing else runs here
        return Chain(rpc, signer, signer.address)
    accounts = await rpc.request("eth_accounts")
    if not accounts:
        raise SystemExit("The node has no unlocked account: pass --key-file.")
    return Chain(rpc, None, to_checksum_address(accounts[0]))


def _key_and_units(text: str) -> tuple[Path, int]:
    path, _, units = text.rpartition(":")
    return Path(path), int(units)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rpc-url", required=True)
    parser.add_argument("--chain-id", type=int, default=LOCAL_CHAIN_ID)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--key-file", type=Path)
    parser.add_argument("--fund-key", type=_key_and_units, action="append", default=[], metavar="FILE:UNITS")
    return parser.parse_args(argv)


if __name__ == "__main__":
    asyncio.run(main())
