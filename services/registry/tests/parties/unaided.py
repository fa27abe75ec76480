"""A chain with the contracts, and what anybody can do there without the registry."""

import itertools
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak
from mesh_registry.adapters.contracts import APPROVE, REGISTER_AGENT
from mesh_registry.domain import naming
from mesh_shared.chain.abi import Function
from mesh_shared.chain.deployment import Deployment
from mesh_shared.chain.rpc import Rpc
from waiting import eventually

ONE_ETHER = hex(10**18)
NOBODY = "0x" + "00" * 20

TERMS = "(address,address,uint256,address,address,bytes32,uint64,uint64,uint64,uint256,uint8,bool,bytes32)"
MINT = Function("mint", ["address", "uint256"])
REGISTER = Function("register", ["string"])
UPDATE_AGENT = Function("updateAgent", ["bytes32", "string", "bytes32[]", "uint64"])
SET_ACTIVE = Function("setActive", ["bytes32", "bool", "uint64"])
SET_URI = Function("setAgentURI", ["uint256", "string"])
TRANSFER_FROM = Function("transferFrom", ["address", "address", "uint256"])
STAKE = Function("stake", ["bytes32", "uint256"])
REQUEST_UNSTAKE = Function("requestUnstake", ["bytes32", "uint256"])
GRANT_ROLE = Function("grantRole", ["bytes32", "address"])
PROPOSE_SLASH = Function("proposeSlash", ["bytes32", "uint256", "bytes32"])
EXECUTE_SLASH = Function("executeSlash", ["bytes32"])
SLASH_DELAY_S = 86_400
BALANCE_OF = Function("balanceOf", ["address"], ["uint256"])
TOTAL_AGENTS = Function("totalAgents", [], ["uint256"])
AGENT_KEY_OF = Function("agentKeyOf", ["uint256"], ["bytes32"])
AGENT_ID_OF = Function("agentIdOf", ["bytes32"], ["uint256"])
OPEN = Function("open", [TERMS])
ESCROW_ID = Function("escrowId", ["address", TERMS], ["bytes32"])
REFUND = Function("refund", ["bytes32"])
SUBMIT = Function("submit", ["bytes32", "bytes32"])
RELEASE = Function("release", ["bytes32"])
APPEND_RESPONSE = Function("appendResponse", ["uint256", "address", "uint64", "string", "bytes32"])
REQUEST_VALIDATION = Function("validationRequest", ["address", "uint256", "string", "bytes32"])
ANSWER_VALIDATION = Function("validationResponse", ["bytes32", "uint8", "string", "bytes32", "string"])
_FEEDBACK = ["uint256", "int128", "uint8", "string", "string", "string", "string", "bytes32"]
GIVE_FEEDBACK = Function("giveFeedback", _FEEDBACK)
GIVE_PAID_FEEDBACK = Function("giveFeedbackWithProof", ["bytes32", *_FEEDBACK])
REVOKE_FEEDBACK = Function("revokeFeedback", ["uint256", "uint64"])


@dataclass
class Chain:
    """One chain, its contracts, and Anvil's own accounts."""

    rpc: Rpc
    url: str
    contracts_file: Path
    deployed: Deployment
    accounts: list[str] = field(default_factory=list[str])
    salts: Iterator[int] = field(default_factory=itertools.count)

    @property
    def registry(self) -> str:
        return self.deployed.address("AgentRegistry")

    async def send(self, sender: str, contract: str, function: Function, *values: Any) -> str:
        """Sends as one of Anvil's own accounts, mined at once; returns the hash."""
        return await self.send_data(sender, contract, function.encode(*values))

    async def send_data(self, sender: str, contract: str, data: bytes) -> str:
        call = {
            "from": sender,
            "to": self.deployed.address(contract),
            "data": "0x" + data.hex(),
            "gas": hex(8_000_000),
        }
        sent = await self.rpc.request("eth_sendTransaction", call)
        # Just after the send a node may have no receipt yet.
        receipt = await eventually(lambda: self.rpc.request("eth_getTransactionReceipt", sent))
        assert receipt["status"] == "0x1", data.hex()
        return sent

    async def fund(self, account: str, units: int = 0) -> None:
        await self.rpc.request("anvil_setBalance", account, ONE_ETHER)
        if units:
            await self.send(self.accounts[0], "MeshToken", MINT, account, units)

    async def register(self, owner: str, name: str, cid: str, *capabilities: str, stake: int = 0) -> int:
        """Registers without the service; returns the token's id."""
        if stake:
            await self.fund(owner, stake)
            await self.send(owner, "MeshToken", APPROVE, self.registry, stake)
        hashes = [bytes.fromhex(h[2:]) for h in naming.capability_hashes(capabilities)]
        await self.send(
            owner, "AgentRegistry", REGISTER_AGENT, keccak(text=name), "did:x:y", cid, stake, hashes
        )
        (token_id,) = await self.rpc.call(self.registry, AGENT_ID_OF, keccak(text=name))
        return token_id

    async def register_plainly(self, owner: str, uri: str) -> tuple[int, str]:
        """Registers as ERC-8004 has it, which knows no names; returns the token's and the agent's id."""
        await self.send(owner, "AgentRegistry", REGISTER, uri)
        token_id = await self.total_agents()
        (agent_id,) = await self.rpc.call(self.registry, AGENT_KEY_OF, token_id)
        return token_id, "0x" + agent_id.hex()

    async def register_raw(self, owner: str, name: str, *, did: bytes, ipfs_hash: bytes) -> None:
        """Solidity calls any bytes a string."""
        kinds = ["bytes32", "bytes", "bytes", "uint256", "bytes32[]"]
        data = REGISTER_AGENT.selector + encode(kinds, [keccak(text=name), did, ipfs_hash, 0, []])
        await self.send_data(owner, "AgentRegistry", data)

    async def settled_escrow(self, payer: str, provider: str, *, is_refunded: bool = False) -> bytes:
        """An escrow that `payer` funded, and released to `provider` or got back from it."""
        token, escrow = self.deployed.address("MeshToken"), self.deployed.address("MeshEscrow")
        block = await self.rpc.request("eth_getBlockByNumber", "latest", False)
        soon = int(block["timestamp"], 16) + 1000
        salt = keccak(next(self.salts).to_bytes(8, "big") + time.time_ns().to_bytes(16, "big"))
        times = (soon, soon + 1, 0)
        terms = (provider, token, 5, self.accounts[9], NOBODY, salt, *times, 0, 0, False, salt)
        await self.fund(payer, 5)
        await self.send(payer, "MeshToken", APPROVE, escrow, 5)
        (id,) = await self.rpc.call(escrow, ESCROW_ID, payer, terms)
        await self.send(payer, "MeshEscrow", OPEN, terms)
        if is_refunded:
            await self.send(provider, "MeshEscrow", REFUND, id)
        else:
            await self.send(provider, "MeshEscrow", SUBMIT, id, salt)
            await self.send(payer, "MeshEscrow", RELEASE, id)
        return id

    async def rate(
        self,
        client: str,
        token_id: int,
        value: int,
        *,
        decimals: int = 0,
        tag: str = "quality",
        paid_to: str = "",
        is_refunded: bool = False,
    ) -> str:
        """Feedback of `client`; with `paid_to`, proven by an escrow between the two."""
        said = (token_id, value, decimals, tag, "", "", "", bytes(32))
        if not paid_to:
            return await self.send(client, "Reputation", GIVE_FEEDBACK, *said)
        escrow_id = await self.settled_escrow(client, paid_to, is_refunded=is_refunded)
        return await self.send(client, "Reputation", GIVE_PAID_FEEDBACK, escrow_id, *said)

    async def revoke(self, client: str, token_id: int, index: int) -> str:
        return await self.send(client, "Reputation", REVOKE_FEEDBACK, token_id, index)

    async def respond(self, responder: str, token_id: int, client: str, index: int, uri: str) -> str:
        return await self.send(
            responder, "Reputation", APPEND_RESPONSE, token_id, client, index, uri, bytes(32)
        )

    async def ask_validator(self, owner: str, validator: str, token_id: int, hash: bytes) -> str:
        asked = (validator, token_id, "ipfs://asked", hash)
        return await self.send(owner, "Validation", REQUEST_VALIDATION, *asked)

    async def validate(self, validator: str, hash: bytes, answer: int) -> str:
        said = (hash, answer, "ipfs://evidence", bytes(32), "tested")
        return await self.send(validator, "Validation", ANSWER_VALIDATION, *said)

    async def update(self, owner: str, name: str, cid: str, *capabilities: str, version: int = 1) -> str:
        hashes = [bytes.fromhex(h[2:]) for h in naming.capability_hashes(capabilities)]
        return await self.send(owner, "AgentRegistry", UPDATE_AGENT, keccak(text=name), cid, hashes, version)

    async def switch(self, owner: str, name: str, *, on: bool, version: int = 1) -> str:
        return await self.send(owner, "AgentRegistry", SET_ACTIVE, keccak(text=name), on, version)

    async def locate(self, owner: str, token_id: int, uri: str) -> str:
        return await self.send(owner, "AgentRegistry", SET_URI, token_id, uri)

    async def transfer(self, owner: str, token_id: int, to: str) -> str:
        return await self.send(owner, "AgentRegistry", TRANSFER_FROM, owner, to, token_id)

    async def bond(self, account: str, name: str, units: int) -> None:
        await self.fund(account, units)
        await self.send(account, "MeshToken", APPROVE, self.registry, units)
        await self.send(account, "AgentRegistry", STAKE, keccak(text=name), units)

    async def unbond(self, owner: str, name: str, units: int) -> None:
        await self.send(owner, "AgentRegistry", REQUEST_UNSTAKE, keccak(text=name), units)

    async def slash(self, name: str, units: int) -> None:
        """Slashes as the one who may, after the delay."""
        slasher, reason = self.accounts[8], bytes(32)
        await self.send(self.accounts[0], "AgentRegistry", GRANT_ROLE, keccak(text="SLASHER_ROLE"), slasher)
        await self.send(slasher, "AgentRegistry", PROPOSE_SLASH, keccak(text=name), units, reason)
        await self.rpc.request("evm_increaseTime", hex(SLASH_DELAY_S))
        await self.send(slasher, "AgentRegistry", EXECUTE_SLASH, keccak(text=name))

    async def total_agents(self) -> int:
        (total,) = await self.rpc.call(self.registry, TOTAL_AGENTS)
        return total

    async def tokens_of(self, account: str) -> int:
        (units,) = await self.rpc.call(self.deployed.address("MeshToken"), BALANCE_OF, account)
        return units

    async def nonce_of(self, account: str) -> int:
        return int(await self.rpc.request("eth_getTransactionCount", account, "latest"), 16)

    async def mine(self, blocks: int) -> None:
        await self.rpc.request("anvil_mine", hex(blocks))

    async def reorganise(self, depth: int) -> None:
        """The newest `depth` blocks are replaced by as many empty ones."""
        await self.rpc.request("anvil_reorg", depth, [])

    async def now(self) -> int:
        """The newest block's time in Unix seconds."""
        return int((await self.rpc.request("eth_getBlockByNumber", "latest", False))["timestamp"], 16)

    @asynccontextmanager
    async def holding(self) -> AsyncGenerator[None]:
        """Nothing is mined while the block lasts, unless by `mine`."""
        await self.rpc.request("evm_setAutomine", False)
        try:
            yield
        finally:
            await self.rpc.request("evm_setAutomine", True)
