"""Implements `ports.Purse` by x402 v2: scheme `exact`, EIP-3009, in the mesh's own token on its own chain."""

import time
from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount
from mesh_shared.chain.rpc import Rpc
from mesh_shared.x402.exact import AUTHORIZATION_STATE, SCHEME
from mesh_shared.x402.wire import (
    VERSION,
    Authorization,
    Exact,
    Malformed,
    Payment,
    PaymentRequired,
    Requirements,
)

from mesh_coordinator.domain.advance import Advance, Fate, fate
from mesh_coordinator.ports import Demand

LONGEST_S = 300
"""For so long at most an advance can be taken, however long the agent wants."""
SKEW_S = 600
"""By so much the clock of the chain may be behind ours. Source: the reference client."""
TRANSFER = {
    "TransferWithAuthorization": [
        {"name": "from", "type": "address"},
        {"name": "to", "type": "address"},
        {"name": "value", "type": "uint256"},
        {"name": "validAfter", "type": "uint256"},
        {"name": "validBefore", "type": "uint256"},
        {"name": "nonce", "type": "bytes32"},
    ]
}
"""EIP-3009."""


@dataclass(frozen=True, slots=True)
class TokenPurse:
    """Signs for one token; what an agent says of the token's EIP-712 domain is not believed."""

    rpc: Rpc
    token: str
    domain: dict[str, Any]
    account: LocalAccount

    def sign(self, demand: Demand, *, most_units: int, nonce: str) -> Advance | None:
        try:
            ways = PaymentRequired.decoded(demand.header).accepts
        except Malformed:
            return None
        known = [way for way in ways if self._is_known(way) and 0 < int(way.amount) <= most_units]
        if not known:
            return None
        way, now_s = min(known, key=lambda way: int(way.amount)), int(time.time())
        authorization = Authorization(
            payer=self.account.address,
            to=way.pay_to,
            value=way.amount,
            valid_after=str(now_s - SKEW_S),
            valid_before=str(now_s + min(way.max_timeout_seconds, LONGEST_S)),
            nonce=nonce,
        )
        return self._advance(way, authorization)

    async def fate(self, advance: Advance) -> Fate:
        data = AUTHORIZATION_STATE.encode(advance.payer, bytes.fromhex(advance.nonce[2:]))
        block = await self.rpc.request("eth_getBlockByNumber", "latest", False)
        call = {"to": self.token, "data": "0x" + data.hex()}
        used = await self.rpc.request("eth_call", call, block["number"])
        return fate(advance, is_used=int(used, 16) == 1, chain_time_s=int(block["timestamp"], 16))

    def _is_known(self, way: Requirements) -> bool:
        is_ours = way.asset.lower() == self.token.lower() and way.network == f"eip155:{self.rpc.chain_id}"
        return way.scheme == SCHEME and is_ours and way.pay_to.lower() != self.account.address.lower()

    def _advance(self, way: Requirements, authorization: Authorization) -> Advance:
        message: dict[str, Any] = authorization.model_dump(by_alias=True)
        message |= {name: int(message[name]) for name in ("value", "validAfter", "validBefore")}
        message["nonce"] = bytes.fromhex(authorization.nonce[2:])
        domain = self.domain | {"chainId": self.rpc.chain_id, "verifyingContract": self.token}
        signature = self.account.sign_typed_data(domain, TRANSFER, message).signature.to_0x_hex()
        payment = Payment(
            x402_version=VERSION,
            accepted=way,
            payload=Exact(signature=signature, authorization=authorization),
        )
        return Advance(
            header=payment.encoded(),
            units=int(way.amount),
            payer=authorization.payer,
            nonce=authorization.nonce,
            valid_before=int(authorization.valid_before),
        )
