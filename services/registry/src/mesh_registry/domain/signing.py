"""What an owner signs, so that somebody else may pay the gas (EIP-712, ERC-2612)."""

from dataclasses import dataclass
from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_keys.exceptions import BadSignature
from pydantic import BaseModel, Field


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
class Registration:
    """What the contract is asked to write down. Ids and capabilities are hashes; the latter are ascending."""

    owner: str
    agent_id: str
    did: str
    cid: str
    stake_units: int
    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """An owner's signed allowance for the stake; `deadline` in Unix seconds."""

    deadline: int
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """An owner's signature under a registration; `deadline` in Unix seconds."""

    owner: str
    deadline: int
    signature: bytes
    permit: Permit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningTerms:
    """What a contract wants in an owner's next signature."""

    domain: SigningDomain
    nonce: int


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


def signer(data: TypedData, signature: bytes) -> str | None:
    """The account whose key signed `data`, or None for 65 bytes that are no signature of anything."""
    try:
        return Account.recover_message(encode_typed_data(full_message=data.model_dump()), signature=signature)
    except (BadSignature, ValueError):
        return None


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
