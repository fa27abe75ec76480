"""Implements `ports.Signatures`: bids as EIP-712 typed data, in the domain of the escrow contract's chain."""

from dataclasses import dataclass
from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

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

    chain_id: int
    escrow_contract: str

    def signer(self, bid: Bid, signature: str) -> str | None:
        message = {
            "runId": bid.run_id,
            "stepId": bid.step_id,
            "agentId": bytes.fromhex(bid.agent_id.removeprefix("0x")),
            "price": bid.price_units,
        }
        signable = encode_typed_data(self._domain(), BID, message)
        try:
            return Account.recover_message(signable, signature=signature)
        except (BadSignature, ValidationError, ValueError):
            return None

    def _domain(self) -> dict[str, Any]:
        return {
            "name": "MeshCoordinator",
            "version": "1",
            "chainId": self.chain_id,
            "verifyingContract": self.escrow_contract,
        }
