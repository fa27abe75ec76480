"""Decentralised identifiers: what follows from one by itself, and where to ask for the rest."""

import re
from typing import Any, Literal, cast
from urllib.parse import unquote

import base58
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from eth_utils.address import is_checksum_address, to_checksum_address
from mesh_shared.canonical import read_json

from mesh_registry.errors import DidNotResolved

MAX_DOCUMENT_BYTES = 64 * 1024
_CONTEXT = "https://www.w3.org/ns/did/v1"
_RECOVERY: list[object] = [
    _CONTEXT,
    {
        "blockchainAccountId": "https://w3id.org/security#blockchainAccountId",
        "EcdsaSecp256k1RecoveryMethod2020": "https://identity.foundation/EcdsaSecp256k1RecoverySignature2020"
        "#EcdsaSecp256k1RecoveryMethod2020",
    },
]
_ED25519, _SECP256K1, _P256 = b"\xed\x01", b"\xe7\x01", b"\x80\x24"
"""Multicodec's prefixes of public keys."""
_COMPRESSED = 33
_ACCOUNT = re.compile(r"eip155:([1-9][0-9]{0,31}):(0x[0-9a-fA-F]{40})")
_ETHR = re.compile(r"(?:(0x[0-9a-f]{1,16}|mainnet):)?(0x[0-9a-fA-F]{40})")
_HOST = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63}){0,8}\.[a-z][a-z0-9-]{0,62}(:[1-9][0-9]{0,4})?")
_STEP = re.compile(r"[A-Za-z0-9._-]{1,100}")

Document = dict[str, Any]
Method = Literal["key", "pkh", "web", "ethr"]


def of_key(name: str) -> Document:
    """The document of did:key for Ed25519, secp256k1 and P-256 (W3C CCG, did:key v0.7).

    Raises `DidNotResolved` for what is no such key, or not a point of its curve.
    """
    _check_key(name)
    did = f"did:key:{name}"
    key = {"id": f"{did}#{name}", "type": "Multikey", "controller": did, "publicKeyMultibase": name}
    return _document(did, [_CONTEXT, "https://w3id.org/security/multikey/v1"], key) | {
        "capabilityInvocation": [key["id"]],
        "capabilityDelegation": [key["id"]],
    }


def of_account(name: str) -> Document:
    """The document of did:pkh over an account of an EVM chain (W3C CCG, did:pkh; CAIP-10).

    Raises `DidNotResolved` for other chains, and for an address whose capitals are wrong (EIP-55).
    """
    found = _ACCOUNT.fullmatch(name)
    if found is None:
        raise DidNotResolved("Only did:pkh:eip155:<chain>:<address> is known here.")
    return _recoverable(f"did:pkh:{name}", f"eip155:{found[1]}:{_address(found[2])}", "blockchainAccountId")


def ethr_identity(name: str) -> tuple[int, str]:
    """Chain and address in a did:ethr. Raises `DidNotResolved`."""
    found = _ETHR.fullmatch(name)
    if found is None:
        raise DidNotResolved("Only did:ethr:[<chain>:]<address> is known here.")
    chain_id = 1 if found[1] in (None, "mainnet") else int(found[1], 16)
    return chain_id, _address(found[2])


def of_ethr(name: str, chain_id: int, owner: str) -> Document:
    """The document of did:ethr whose key is that of `owner` (ERC-1056)."""
    return _recoverable(f"did:ethr:{name}", f"eip155:{chain_id}:{owner}", "controller")


def web_address(name: str) -> str:
    """Where the document of did:web is (W3C CCG, did:web §3.2); always https, never an IP address.

    Raises `DidNotResolved` for a name that is none.
    """
    host, *steps = (unquote(part) for part in name.split(":"))
    is_path = all(_STEP.fullmatch(step) and step.strip(".") for step in steps)
    if not _HOST.fullmatch(host) or not is_path:
        raise DidNotResolved("The DID names no host and path of the web.")
    return f"https://{host}/{'/'.join(steps) if steps else '.well-known'}/did.json"


def of_web(did: str, data: bytes) -> Document:
    """What a host says is the document of `did`. Raises `DidNotResolved` when it is about another one."""
    try:
        document = read_json(data)
    except ValueError:
        raise DidNotResolved("The host's document is no JSON that means one thing only.") from None
    if not isinstance(document, dict) or cast("Document", document).get("id") != did:
        raise DidNotResolved("The host's document is not about this DID.")
    return cast("Document", document)


def of_agent(owner: str, chain_id: int, did: str, endpoint: str | None) -> Document:
    """An agent as its owner's did:pkh, the DID that it names for itself beside it."""
    document = of_account(f"eip155:{chain_id}:{owner}")
    if did not in ("", document["id"]):
        document["alsoKnownAs"] = [did]
    if endpoint is not None:
        service = {"id": f"{document['id']}#agent", "type": "AgentEndpoint", "serviceEndpoint": endpoint}
        document["service"] = [service]
    return document


def _check_key(name: str) -> None:
    """Raises `DidNotResolved` unless `name` is a public key in base58btc (multibase `z`)."""
    try:
        data = base58.b58decode(name[1:]) if name.startswith("z") else b""
        match data[:2], data[2:]:
            case (code, key) if code == _ED25519:
                Ed25519PublicKey.from_public_bytes(key)
            case (code, key) if code == _SECP256K1 and len(key) == _COMPRESSED:
                ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), key)
            case (code, key) if code == _P256 and len(key) == _COMPRESSED:
                ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
            case _:
                raise DidNotResolved("The DID is no Ed25519, secp256k1 or P-256 key.")
    except ValueError:
        raise DidNotResolved("The DID is no key of its kind.") from None


def _address(text: str) -> str:
    """The address in EIP-55. Raises `DidNotResolved` for mixed capitals that are not those of EIP-55."""
    if text[2:] not in (text[2:].lower(), text[2:].upper()) and not is_checksum_address(text):
        raise DidNotResolved("The capitals of the address are wrong: it is misspelt (EIP-55).")
    return to_checksum_address(text)


def _recoverable(did: str, account: str, fragment: str) -> Document:
    key = {
        "id": f"{did}#{fragment}",
        "type": "EcdsaSecp256k1RecoveryMethod2020",
        "controller": did,
        "blockchainAccountId": account,
    }
    return _document(did, _RECOVERY, key)


def _document(did: str, context: list[object], key: dict[str, str]) -> Document:
    return {
        "@context": context,
        "id": did,
        "verificationMethod": [key],
        "authentication": [key["id"]],
        "assertionMethod": [key["id"]],
    }
