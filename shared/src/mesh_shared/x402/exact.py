"""The facilitator's part of the scheme `exact` on EVM: is a payment good, and the call that settles it.

It moves what the payer signed, to whom they signed it, or nothing: what they did not sign fails on the chain.
The token keeps each (payer, nonce) as used, so that no payment counts twice.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from eth_utils.address import to_checksum_address

from mesh_shared.chain.abi import Function
from mesh_shared.chain.errors import RpcError
from mesh_shared.chain.journal import Call
from mesh_shared.chain.rpc import Request, Rpc
from mesh_shared.x402.wire import VERSION, Payment, Requirements

SCHEME = "exact"
MARGIN_S = 6
"""A payment must hold for so long yet, or no block may come in time. Source: the reference facilitator."""
BALANCE_OF = Function("balanceOf", ["address"], ["uint256"])
AUTHORIZATION_STATE = Function("authorizationState", ["address", "bytes32"], ["bool"])
TRANSFER = Function(
    "transferWithAuthorization",
    ["address", "address", "uint256", "uint256", "uint256", "bytes32", "bytes"],
)
FUNCTIONS = (BALANCE_OF, AUTHORIZATION_STATE, TRANSFER)


class Reason(StrEnum):
    """Why a payment is refused, in the words of the specification and of the reference facilitator."""

    PAYLOAD = "invalid_payload"
    VERSION = "invalid_x402_version"
    SCHEME = "unsupported_scheme"
    NETWORK = "invalid_network"
    REQUIREMENTS = "invalid_payment_requirements"
    RECIPIENT = "invalid_exact_evm_payload_recipient_mismatch"
    VALUE = "invalid_exact_evm_payload_authorization_value_mismatch"
    EARLY = "invalid_exact_evm_payload_authorization_valid_after"
    LATE = "invalid_exact_evm_payload_authorization_valid_before"
    SIGNATURE = "invalid_exact_evm_payload_signature"
    NONCE = "invalid_exact_evm_nonce_already_used"
    FUNDS = "insufficient_funds"
    TRANSACTION = "invalid_transaction_state"


def mismatch(payment: Payment, required: Requirements, now_s: float) -> Reason | None:
    """The first thing in which a payment is not what was required, as far as one knows without the chain."""
    accepted, signed = payment.accepted, payment.payload.authorization
    asked = (required.asset.lower(), required.pay_to.lower(), required.amount)
    faults = {
        Reason.VERSION: payment.x402_version != VERSION,
        Reason.SCHEME: accepted.scheme != required.scheme,
        Reason.NETWORK: accepted.network != required.network,
        Reason.REQUIREMENTS: (accepted.asset.lower(), accepted.pay_to.lower(), accepted.amount) != asked,
        Reason.RECIPIENT: signed.to.lower() != required.pay_to.lower(),
        Reason.VALUE: signed.value != required.amount,
        Reason.EARLY: int(signed.valid_after) >= now_s,
        Reason.LATE: int(signed.valid_before) < now_s + MARGIN_S,
    }
    return next((reason for reason, is_so in faults.items() if is_so), None)


@dataclass(frozen=True, slots=True)
class Facilitator:
    """Looks at one chain; `sender` is the account that will settle."""

    rpc: Rpc
    sender: str

    async def refusal(self, payment: Payment, required: Requirements, now_s: float) -> Reason | None:
        """Why the payment would come to nothing now; None for a good one. Raises `ChainUnavailable`."""
        if (reason := mismatch(payment, required, now_s)) is not None:
            return reason
        signed, call = payment.payload.authorization, transfer(payment)
        owner = to_checksum_address(signed.payer)
        held, used, moved = await self.rpc.batch(
            [
                self._look(call.to, BALANCE_OF.encode(owner)),
                self._look(call.to, AUTHORIZATION_STATE.encode(owner, bytes.fromhex(signed.nonce[2:]))),
                self._look(call.to, call.data),
            ]
        )
        for answer in (held, used):
            if isinstance(answer, RpcError):
                raise answer
        if int(used, 16):
            return Reason.NONCE
        if int(held, 16) < int(signed.value):
            return Reason.FUNDS
        return Reason.SIGNATURE if isinstance(moved, RpcError) else None

    def _look(self, to: str, data: bytes) -> Request:
        call: dict[str, Any] = {"from": self.sender, "to": to, "data": "0x" + data.hex()}
        return "eth_call", [call, "pending"]


def transfer(payment: Payment) -> Call:
    """The call that settles the payment; anybody may send it."""
    signed = payment.payload.authorization
    data = TRANSFER.encode(
        to_checksum_address(signed.payer),
        to_checksum_address(signed.to),
        int(signed.value),
        int(signed.valid_after),
        int(signed.valid_before),
        bytes.fromhex(signed.nonce[2:]),
        bytes.fromhex(payment.payload.signature[2:]),
    )
    return Call(to_checksum_address(payment.accepted.asset), data)
