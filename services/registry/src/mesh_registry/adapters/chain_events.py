"""What the logs of AgentRegistry, Reputation, Validation and MeshEscrow say."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from eth_utils.address import to_checksum_address
from mesh_shared.chain.abi import Event

from mesh_registry.domain.chain import (
    NO_AGENT,
    Announced,
    Answered,
    AnyFact,
    Located,
    Offering,
    Owned,
    Paid,
    Rated,
    Requested,
    Revoked,
    Settled,
    Staked,
    Switched,
    Updated,
    Validated,
)

Fields = Mapping[str, Any]
_AGENT = "uint256 indexed"


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _bytes(hex_text: str) -> bytes:
    return bytes.fromhex(hex_text[2:])


@lru_cache(4096)
def _account(address: str) -> str:
    """As EIP-55 writes it, which takes a hash: most come again."""
    return to_checksum_address(address)


def _text(text: str) -> str:
    """PostgreSQL has no text for NUL, and anybody can write one into a log."""
    return text.replace("\0", "\ufffd")


REGISTERED = Event("Registered", {"agentId": _AGENT, "agentURI": "string", "owner": "address indexed"})
URI_UPDATED = Event("URIUpdated", {"agentId": _AGENT, "newURI": "string", "updatedBy": "address indexed"})
AGENT_REGISTERED = Event(
    "AgentRegistered",
    {
        "agentKey": "bytes32 indexed",
        "agentId": _AGENT,
        "owner": "address indexed",
        "did": "string",
        "ipfsHash": "string",
        "stake": "uint256",
    },
)
TRANSFER = Event("Transfer", {"from": "address indexed", "to": "address indexed", "agentId": _AGENT})
CAPABILITIES_SET = Event(
    "CapabilitiesSet", {"agentId": _AGENT, "version": "uint64", "capabilities": "bytes32[]"}
)
AGENT_UPDATED = Event("AgentUpdated", {"agentId": _AGENT, "version": "uint64", "ipfsHash": "string"})
AGENT_ACTIVE_SET = Event("AgentActiveSet", {"agentId": _AGENT, "version": "uint64", "active": "bool"})
STAKE_CHANGED = Event("StakeChanged", {"agentId": _AGENT, "stake": "uint256"})
NEW_FEEDBACK = Event(
    "NewFeedback",
    {
        "agentId": _AGENT,
        "clientAddress": "address indexed",
        "feedbackIndex": "uint64",
        "value": "int128",
        "valueDecimals": "uint8",
        "indexedTag1": "string indexed",
        "tag1": "string",
        "tag2": "string",
        "endpoint": "string",
        "feedbackURI": "string",
        "feedbackHash": "bytes32",
    },
)
FEEDBACK_PROOF = Event(
    "FeedbackProof",
    {
        "agentId": _AGENT,
        "clientAddress": "address indexed",
        "feedbackIndex": "uint64",
        "escrowId": "bytes32 indexed",
    },
)
FEEDBACK_REVOKED = Event(
    "FeedbackRevoked",
    {"agentId": _AGENT, "clientAddress": "address indexed", "feedbackIndex": "uint64 indexed"},
)

RESPONSE_APPENDED = Event(
    "ResponseAppended",
    {
        "agentId": _AGENT,
        "clientAddress": "address indexed",
        "feedbackIndex": "uint64",
        "responder": "address indexed",
        "responseURI": "string",
        "responseHash": "bytes32",
    },
)
VALIDATION_REQUEST = Event(
    "ValidationRequest",
    {
        "validatorAddress": "address indexed",
        "agentId": _AGENT,
        "requestURI": "string",
        "requestHash": "bytes32 indexed",
    },
)
VALIDATION_RESPONSE = Event(
    "ValidationResponse",
    {
        "validatorAddress": "address indexed",
        "agentId": _AGENT,
        "requestHash": "bytes32 indexed",
        "response": "uint8",
        "responseURI": "string",
        "responseHash": "bytes32",
        "tag": "string",
    },
)
ESCROW_RELEASED = Event(
    "EscrowReleased",
    {
        "escrowId": "bytes32 indexed",
        "provider": "address indexed",
        "paid": "uint256",
        "fee": "uint256",
        "scoreBps": "uint16",
    },
)
ESCROW_REFUNDED = Event(
    "EscrowRefunded",
    {
        "escrowId": "bytes32 indexed",
        "payer": "address indexed",
        "amount": "uint256",
        "scoreBps": "uint16",
    },
)


def _rated(log: Fields) -> Rated:
    return Rated(
        client=_account(log["clientAddress"]),
        index=log["feedbackIndex"],
        value=log["value"],
        decimals=log["valueDecimals"],
        tag1=_text(log["tag1"]),
        tag2=_text(log["tag2"]),
    )


def _paid(log: Fields) -> Paid:
    client = _account(log["clientAddress"])
    return Paid(client=client, index=log["feedbackIndex"], escrow_id=_hex(log["escrowId"]))


def _answered(log: Fields) -> Answered:
    return Answered(
        client=_account(log["clientAddress"]),
        index=log["feedbackIndex"],
        responder=_account(log["responder"]),
        uri=_text(log["responseURI"]),
    )


def _requested(log: Fields) -> Requested:
    validator = _account(log["validatorAddress"])
    return Requested(validator=validator, request_hash=_hex(log["requestHash"]), uri=_text(log["requestURI"]))


def _validated(log: Fields) -> Validated:
    return Validated(
        validator=_account(log["validatorAddress"]),
        request_hash=_hex(log["requestHash"]),
        response=log["response"],
        uri=_text(log["responseURI"]),
        tag=_text(log["tag"]),
    )


Reader = Callable[[Fields], AnyFact]
READERS: Sequence[tuple[Event, Reader]] = (
    (REGISTERED, lambda log: Located(uri=_text(log["agentURI"]))),
    (URI_UPDATED, lambda log: Located(uri=_text(log["newURI"]))),
    (AGENT_REGISTERED, lambda log: Announced(agent_id=_hex(log["agentKey"]), did=_text(log["did"]))),
    (TRANSFER, lambda log: Owned(owner=_account(log["to"]))),
    (
        CAPABILITIES_SET,
        lambda log: Offering(
            version=log["version"], capability_hashes=tuple(_hex(hash) for hash in log["capabilities"])
        ),
    ),
    (AGENT_UPDATED, lambda log: Updated(version=log["version"])),
    (AGENT_ACTIVE_SET, lambda log: Switched(version=log["version"], is_active=log["active"])),
    (STAKE_CHANGED, lambda log: Staked(stake_units=log["stake"])),
    (NEW_FEEDBACK, _rated),
    (FEEDBACK_PROOF, _paid),
    (
        FEEDBACK_REVOKED,
        lambda log: Revoked(client=_account(log["clientAddress"]), index=log["feedbackIndex"]),
    ),
    (RESPONSE_APPENDED, _answered),
    (VALIDATION_REQUEST, _requested),
    (VALIDATION_RESPONSE, _validated),
    (ESCROW_RELEASED, lambda log: Settled(escrow_id=_hex(log["escrowId"]), is_refunded=False)),
    (ESCROW_REFUNDED, lambda log: Settled(escrow_id=_hex(log["escrowId"]), is_refunded=True)),
)
BY_TOPIC = {_hex(event.topic): (event, read) for event, read in READERS}


def told(topics: Sequence[str], data: str) -> tuple[int, AnyFact]:
    """The token that a log is about and what it says; its first topic is in `BY_TOPIC`."""
    event, read = BY_TOPIC[topics[0]]
    fields = event.decode([_bytes(topic) for topic in topics], _bytes(data))
    return fields.get("agentId", NO_AGENT), read(fields)
