"""A chain with the contracts, and what anybody can do there."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak
from mesh_cli import parts
from mesh_shared.chain import deployment
from mesh_shared.chain.abi import Function
from mesh_shared.chain.deployment import Deployment
from mesh_shared.chain.rpc import Rpc

CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
MINT = Function("mint", ["address", "uint256"])
BALANCE_OF = Function("balanceOf", ["address"], ["uint256"])
REGISTER_AGENT = Function("registerAgent", ["bytes32", "string", "string", "uint256", "bytes32[]"])
AGENT_ID_OF = Function("agentIdOf", ["bytes32"], ["uint256"])
SUMMARY = Function("getAgentSummary", ["uint256", "string", "string"], ["uint64", "int128", "uint8"])
PROOF_OF = Function("proofOf", ["uint256", "address", "uint64"], ["bytes32"])


async def eventually(look: Callable[[], Awaitable[Any]], timeout_s: float = 60) -> Any:
    """The first answer of `look` that is true."""
    async with asyncio.timeout(timeout_s):
        while not (found := await look()):
            await asyncio.sleep(0.05)
        return found


@dataclass(slots=True)
class Chain:
    """A chain with the contracts, and what anybody can do there without the coordinator."""

    rpc: Rpc
    url: str
    contracts_file: Path
    deployed: Deployment
    minter: str = ""

    async def send(self, sender: str, contract: str, function: Function, *values: Any) -> str:
        """Sends from an account that the node may sign for, mined at once; returns the hash."""
        call = {
            "from": sender,
            "to": self.deployed.address(contract),
            "data": "0x" + function.encode(*values).hex(),
            "gas": hex(2_000_000),
        }
        sent = await self.rpc.request("eth_sendTransaction", call)
        receipt = await eventually(lambda: self.rpc.request("eth_getTransactionReceipt", sent))
        assert receipt["status"] == "0x1", function.name
        return sent

    async def enrich(self, account: str, units: int = 0) -> None:
        """Gives the account ether, and tokens."""
        await self.rpc.request("anvil_setBalance", account, hex(10**18))
        if units:
            await self.send(self.minter, "MeshToken", MINT, account, units)

    async def units(self, account: str) -> int:
        """Tokens of an account, or of a contract by its name."""
        holder = self.deployed.contracts.get(account, account)
        (held,) = await self.rpc.call(self.deployed.address("MeshToken"), BALANCE_OF, holder)
        return held

    async def register(self, owner: str, name: str, *capabilities: str) -> int:
        """Registers an agent without stake, by its own owner; returns the token's id."""
        await self.enrich(owner)
        await self.rpc.request("anvil_impersonateAccount", owner)
        hashes = sorted(keccak(text=capability) for capability in capabilities)
        told = (keccak(text=name), "did:x:y", CID, 0, hashes)
        await self.send(owner, "AgentRegistry", REGISTER_AGENT, *told)
        (token_id,) = await self.rpc.call(
            self.deployed.address("AgentRegistry"), AGENT_ID_OF, keccak(text=name)
        )
        return token_id

    async def ratings(self, token_id: int) -> tuple[int, int]:
        """How many there are of an agent, and their average."""
        reputation = self.deployed.address("Reputation")
        count, value, decimals = await self.rpc.call(reputation, SUMMARY, token_id, "quality", "")
        return count, value // 10**decimals

    async def proof_of(self, token_id: int, client: str, index: int) -> str:
        """The escrow behind a rating."""
        reputation = self.deployed.address("Reputation")
        (escrow_id,) = await self.rpc.call(reputation, PROOF_OF, token_id, client, index)
        return "0x" + escrow_id.hex()


@asynccontextmanager
async def connected(url: str, contracts_file: Path) -> AsyncGenerator[Chain, None]:
    rpc = Rpc(url, parts.CHAIN_ID)
    chain = Chain(rpc, url, contracts_file, deployment.read(contracts_file))
    (chain.minter, *_) = await rpc.request("eth_accounts")
    yield chain
    await rpc.close()
