"""Implements `ports.Escrows` over the contracts MeshEscrow, MeshToken and Reputation."""

from typing import Any

from eth_abi.abi import encode
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from mesh_shared.chain.abi import Function
from mesh_shared.chain.deployment import Deployment
from mesh_shared.chain.errors import RpcError
from mesh_shared.chain.journal import Call
from mesh_shared.chain.rpc import Rpc

from mesh_coordinator.domain.settlement import Escrow, EscrowState, Terms, Wish
from mesh_coordinator.ports import Rating

_TERMS = "(address,address,uint256,address,address,bytes32,uint64,uint64,uint64,uint256,uint8,bool,bytes32)"
# The contract's struct `Escrow`, in its order.
_ESCROW = {
    "state": "uint8",
    "payer": "address",
    "provider": "address",
    "token": "address",
    "amount": "uint256",
    "evaluator": "address",
    "termsHash": "bytes32",
    "resultHash": "bytes32",
    "scoreBps": "uint16",
    "selfEvaluated": "bool",
    "submitBy": "uint64",
    "reviewBy": "uint64",
    "ruleBy": "uint64",
    "defaultOutcome": "uint8",
    "arbiter": "address",
    "disputeBond": "uint256",
    "disputedBy": "address",
}

APPROVE = Function("approve", ["address", "uint256"], ["bool"])
OPEN = Function("open", [_TERMS], ["bytes32"])
SUBMIT_FOR = Function("submitFor", ["bytes32", "bytes32", "bytes"])
SETTLE = Function("settle", ["bytes32", "uint8", "uint16", "bytes32", "bytes"])
REFUND = Function("refund", ["bytes32"])
CLAIM_DEFAULT = Function("claimDefault", ["bytes32"])
GET_ESCROW = Function("getEscrow", ["bytes32"], [f"({','.join(_ESCROW.values())})"])
GIVE_FEEDBACK = Function(
    "giveFeedbackWithProof",
    ["bytes32", "uint256", "int128", "uint8", "string", "string", "string", "string", "bytes32"],
)
FUNCTIONS = {
    "MeshToken": (APPROVE,),
    "MeshEscrow": (OPEN, SUBMIT_FOR, SETTLE, REFUND, CLAIM_DEFAULT, GET_ESCROW),
    "Reputation": (GIVE_FEEDBACK,),
}

_VERDICT = {
    "Verdict": [
        {"name": "escrowId", "type": "bytes32"},
        {"name": "outcome", "type": "uint8"},
        {"name": "scoreBps", "type": "uint16"},
        {"name": "reasonHash", "type": "bytes32"},
    ]
}
_STATES = tuple(EscrowState)
_WISHES = tuple(Wish)
_NOBODY = "0x" + "00" * 20
_MAX_UINT256 = 2**256 - 1
_TAG = "quality"


class ChainEscrows:
    """Escrows and ratings of one payer, judged by one evaluator.

    No arbiter: evidence and evaluator are ours to choose, and the provider is paid when we stay silent.
    """

    def __init__(self, rpc: Rpc, contracts: Deployment, payer: str, evaluator: LocalAccount) -> None:
        self._rpc = rpc
        self._escrow = contracts.address("MeshEscrow")
        self._reputation = contracts.address("Reputation")
        self._evaluator = evaluator
        self.token = contracts.address("MeshToken")
        self.payer = payer
        self.evaluator: str = evaluator.address

    def id_of(self, terms: Terms) -> str:
        """Source: `EscrowVault.escrowId`."""
        encoded = encode(
            ["uint256", "address", "address", _TERMS],
            [self._rpc.chain_id, self._escrow, self.payer, _tuple(terms)],
        )
        return "0x" + keccak(encoded).hex()

    async def read(self, escrow_id: str) -> Escrow:
        (values,) = await self._rpc.call(self._escrow, GET_ESCROW, _bytes(escrow_id))
        found: dict[str, Any] = dict(zip(_ESCROW, values, strict=True))
        return Escrow(
            state=_STATES[int(found["state"])],
            payer=to_checksum_address(found["payer"]),
            provider=to_checksum_address(found["provider"]),
            token=to_checksum_address(found["token"]),
            amount_units=found["amount"],
            evaluator=to_checksum_address(found["evaluator"]),
            terms_hash="0x" + found["termsHash"].hex(),
            result_hash="0x" + found["resultHash"].hex(),
            score_bps=found["scoreBps"],
            submit_by=found["submitBy"],
            review_by=found["reviewBy"],
            default_outcome=_WISHES[int(found["defaultOutcome"])],
        )

    async def takes(self, call: Call) -> bool:
        request = {"from": self.payer, "to": to_checksum_address(call.to), "data": "0x" + call.data.hex()}
        try:
            await self._rpc.request("eth_call", request, "pending")
        except RpcError as error:
            if error.is_revert:
                return False
            raise
        return True

    def allowance(self) -> Call:
        return Call(self.token, APPROVE.encode(self._escrow, _MAX_UINT256))

    def opening(self, terms: Terms) -> Call:
        return Call(self._escrow, OPEN.encode(_tuple(terms)))

    def submission(self, escrow_id: str, result_hash: bytes, signature: str) -> Call:
        return Call(self._escrow, SUBMIT_FOR.encode(_bytes(escrow_id), result_hash, _bytes(signature)))

    def verdict(self, escrow_id: str, wish: Wish, score_bps: int, reason_hash: bytes) -> Call:
        outcome = _WISHES.index(wish)
        message: dict[str, Any] = {
            "escrowId": _bytes(escrow_id),
            "outcome": outcome,
            "scoreBps": score_bps,
            "reasonHash": reason_hash,
        }
        signature = bytes(self._evaluator.sign_typed_data(self._domain(), _VERDICT, message).signature)
        return Call(
            self._escrow, SETTLE.encode(_bytes(escrow_id), outcome, score_bps, reason_hash, signature)
        )

    def claim(self, escrow_id: str, *, is_submitted: bool) -> Call:
        way = CLAIM_DEFAULT if is_submitted else REFUND
        return Call(self._escrow, way.encode(_bytes(escrow_id)))

    def rating(self, rating: Rating) -> Call:
        data = GIVE_FEEDBACK.encode(
            _bytes(rating.escrow_id),
            rating.token_id,
            rating.value,
            0,
            _TAG,
            rating.capability,
            rating.endpoint,
            "",
            bytes(32),
        )
        return Call(self._reputation, data)

    def _domain(self) -> dict[str, Any]:
        return {
            "name": "MeshEscrow",
            "version": "1",
            "chainId": self._rpc.chain_id,
            "verifyingContract": self._escrow,
        }


def _tuple(terms: Terms) -> tuple[Any, ...]:
    """The contract's `Terms`: no arbiter, so no ruling and no bond; silence pays the provider."""
    return (
        terms.provider,
        terms.token,
        terms.amount_units,
        terms.evaluator,
        _NOBODY,
        _bytes(terms.terms_hash),
        terms.submit_by,
        terms.review_by,
        0,
        0,
        _WISHES.index(Wish.RELEASE),
        False,
        _bytes(terms.salt),
    )


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
