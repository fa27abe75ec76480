"""Implements `ports.Signatures`: bids as EIP-712 typed data, in the domain of the escrow contract's chain."""

from dataclasses import dataclass
from typing import Any

from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_keys.exceptions import BadSignature
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError
from mesh_shared.chain import wallets
from mesh_shared.chain.rpc import Rpc

from mesh_coordinator.ports import Bid

BID = {
    "Bid": [
        {"name": "runId", "type": "string"},
        {"name": "stepId", "type": "string"},
        {"name": "agentId", "type": "bytes32"},
        {"name": "price", "type": "uint256"},
    ]
}


@dataclass(frozen=True, slots=True)
class TypedBids:
    """A bid names run and step, and its domain the chain and the contract, so that it counts nowhere else."""

    rpc: Rpc
    escrow_contract: str

    async def is_by(self, owner: str, bid: Bid, signature: str) -> bool:
        signable = self._signable(bid)
        if _signer(signable, signature) == owner.lower():
            return True
        digest = keccak(b"\x19" + signable.version + signable.header + signable.body)
        return await wallets.accepts(self.rpc, owner, digest, bytes.fromhex(signature.removeprefix("0x")))

    def _signable(self, bid: Bid) -> SignableMessage:
        message = {
            "runId": bid.run_id,
            "stepId": bid.step_id,
            "agentId": bytes.fromhex(bid.agent_id.removeprefix("0x")),
            "price": bid.price_units,
        }
        return encode_typed_data(self._domain(), BID, message)

    def _domain(self) -> dict[str, Any]:
        return {
            "name": "MeshCoordinator",
            "version": "1",
            "chainId": self.rpc.chain_id,
            "verifyingContract": self.escrow_contract,
        }


def _signer(signable: SignableMessage, signature: str) -> str | None:
    """The account whose key it is, in lower case; None for what is no signature of a key."""
    try:
        return Account.recover_message(signable, signature=signature).lower()
    except (BadSignature, ValidationError, ValueError):
        return None
