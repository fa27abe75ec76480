"""Implements `ports.Till` in the mesh's token: transfers by authorization (EIP-3009) under nonces of ours.

The token makes each nonce's transfer once, and tells whether it has: a plain `transfer` would do neither.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from mesh_shared.canonical import json_hash
from mesh_shared.chain.journal import Call
from mesh_shared.chain.rpc import Rpc
from mesh_shared.x402.exact import AUTHORIZATION_STATE, TRANSFER

from mesh_coordinator.adapters.purse import TRANSFER as TYPES

FOR_EVER = 2**256 - 1


@dataclass(frozen=True, slots=True)
class TokenTill:
    """Pays from one account."""

    rpc: Rpc
    token: str
    domain: dict[str, Any]
    account: LocalAccount

    def payout(self, id: UUID, payee: str, units: int) -> Call:
        to, nonce = to_checksum_address(payee), _nonce(id)
        message: dict[str, Any] = {
            "from": self.account.address,
            "to": to,
            "value": units,
            "validAfter": 0,
            "validBefore": FOR_EVER,
            "nonce": nonce,
        }
        domain = self.domain | {"chainId": self.rpc.chain_id, "verifyingContract": self.token}
        signature = bytes(self.account.sign_typed_data(domain, TYPES, message).signature)
        data = TRANSFER.encode(self.account.address, to, units, 0, FOR_EVER, nonce, signature)
        return Call(self.token, data)

    async def is_paid(self, id: UUID) -> bool:
        (used,) = await self.rpc.call(self.token, AUTHORIZATION_STATE, self.account.address, _nonce(id))
        return bool(used)


def _nonce(id: UUID) -> bytes:
    """32 bytes that are this payout's alone."""
    return json_hash(["payout", str(id)])
