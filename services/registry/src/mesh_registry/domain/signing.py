"""What an owner signs, so that somebody else may pay the gas (EIP-712, ERC-2612)."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak
from pydantic import BaseModel, Field

from mesh_registry.domain.intents import Registration, SignedChange, Stake, Switch, Unstake, Update


class TypedField(BaseModel):
    """One member of an EIP-712 struct."""

    name: str = Field(examples=["owner"])
    type: str = Field(examples=["address"])


class SigningDomain(BaseModel):
    """The contract that a signature is for (EIP-712 domain)."""

    name: str = Field(examples=["ERC8004IdentityRegistry"])
    version: str = Field(examples=["1"])
    chainId: int = Field(examples=[31337])
    verifyingContract: str = Field(examples=["0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"])


class TypedData(BaseModel):
    """An EIP-712 document: give it to `eth_signTypedData_v4` as it is. Numbers in `message` are text."""

    types: dict[str, list[TypedField]]
    primaryType: str = Field(examples=["Registration"])
    domain: SigningDomain
    message: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """An owner's signed allowance for the stake; `deadline` in Unix seconds."""

    deadline: int
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """An owner's signature under what the chain is asked to write down; `deadline` in Unix seconds."""

    owner: str
    deadline: int
    signature: bytes
    permit: Permit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningTerms:
    """What a contract wants in an owner's next signature."""

    domain: SigningDomain
    nonce: int


TO_SIGN = timedelta(hours=1)
"""How long an owner's signature is good for from when it is asked for."""
_DOMAIN_FIELDS = {"name": "string", "version": "string", "chainId": "uint256", "verifyingContract": "address"}
_REGISTRATION_FIELDS = {
    "owner": "address",
    "agentKey": "bytes32",
    "did": "string",
    "ipfsHash": "string",
    "stake": "uint256",
    "capabilities": "bytes32[]",
    "nonce": "uint256",
    "deadline": "uint256",
}
_UPDATE_FIELDS = {
    "agentKey": "bytes32",
    "ipfsHash": "string",
    "capabilities": "bytes32[]",
    "expectedVersion": "uint64",
    "nonce": "uint256",
    "deadline": "uint256",
}
_SWITCH_FIELDS = {
    "agentKey": "bytes32",
    "active": "bool",
    "expectedVersion": "uint64",
    "nonce": "uint256",
    "deadline": "uint256",
}
_AMOUNT_FIELDS = {"agentKey": "bytes32", "amount": "uint256", "nonce": "uint256", "deadline": "uint256"}
_PERMIT_FIELDS = {
    "owner": "address",
    "spender": "address",
    "value": "uint256",
    "nonce": "uint256",
    "deadline": "uint256",
}


def registration_data(registration: Registration, terms: SigningTerms, deadline: int) -> TypedData:
    """What the owner signs to be registered by anyone until `deadline` (Unix seconds).

    Source: contracts/src/types/Registration.sol.
    """
    message = {
        "owner": registration.owner,
        "agentKey": registration.agent_id,
        "did": registration.did,
        "ipfsHash": registration.cid,
        "stake": str(registration.stake_units),
        "capabilities": list(registration.capabilities),
        "nonce": str(terms.nonce),
        "deadline": str(deadline),
    }
    return _typed("Registration", _REGISTRATION_FIELDS, terms.domain, message)


def permit_data(owner: str, spender: str, units: int, terms: SigningTerms, deadline: int) -> TypedData:
    """What the owner signs to let `spender` take `units` of the token until `deadline` (Unix seconds).

    Source: ERC-2612.
    """
    message = {
        "owner": owner,
        "spender": spender,
        "value": str(units),
        "nonce": str(terms.nonce),
        "deadline": str(deadline),
    }
    return _typed("Permit", _PERMIT_FIELDS, terms.domain, message)


def change_data(change: SignedChange, terms: SigningTerms, deadline: int) -> TypedData:
    """What the owner signs to have `change` made by anyone until `deadline` (Unix seconds).

    Source: contracts/src/types.
    """
    message: dict[str, Any] = {"agentKey": change.agent_id}
    until = {"nonce": str(terms.nonce), "deadline": str(deadline)}
    match change:
        case Update():
            message |= {"ipfsHash": change.cid, "capabilities": list(change.capabilities)}
            message |= {"expectedVersion": str(change.expected_version)}
            return _typed("AgentUpdate", _UPDATE_FIELDS, terms.domain, message | until)
        case Switch():
            message |= {"active": change.is_active, "expectedVersion": str(change.expected_version)}
            return _typed("ActiveUpdate", _SWITCH_FIELDS, terms.domain, message | until)
        case Stake():
            message |= {"amount": str(change.units)}
            return _typed("StakeDeposit", _AMOUNT_FIELDS, terms.domain, message | until)
        case Unstake():
            message |= {"amount": str(change.units)}
            return _typed("UnstakeRequest", _AMOUNT_FIELDS, terms.domain, message | until)


def digest(data: TypedData) -> bytes:
    """The 32 bytes that are signed (EIP-712)."""
    message = encode_typed_data(full_message=data.model_dump())
    return keccak(b"\x19" + message.version + message.header + message.body)


def _typed(
    primary_type: str, fields: dict[str, str], domain: SigningDomain, message: dict[str, Any]
) -> TypedData:
    types = {"EIP712Domain": _DOMAIN_FIELDS, primary_type: fields}
    return TypedData(
        types={
            name: [TypedField(name=field, type=kind) for field, kind in members.items()]
            for name, members in types.items()
        },
        primaryType=primary_type,
        domain=domain,
        message=message,
    )
