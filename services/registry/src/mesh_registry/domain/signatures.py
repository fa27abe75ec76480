"""Whose key made a signature."""

from eth_account.messages import encode_defunct
from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.crypto import keccak

_LENGTH = 65
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
"""Of secp256k1 (EIP-2). Above it is the mirror image of every signature, which anybody can make."""


def text_digest(text: str) -> bytes:
    """The 32 bytes that a wallet signs for `text` (EIP-191, version 0x45)."""
    signed = encode_defunct(text=text)
    return keccak(b"\x19" + signed.version + signed.header + signed.body)


def signer(digest: bytes, signature: bytes) -> str | None:
    """The account whose key signed `digest` with r, s, v (27 or 28); None for what is no such signature."""
    if len(signature) != _LENGTH or int.from_bytes(signature[32:64]) > _HALF_ORDER:
        return None
    r, s, v = int.from_bytes(signature[:32]), int.from_bytes(signature[32:64]), signature[64]
    try:
        made = Signature(vrs=(v - 27, r, s))
        return made.recover_public_key_from_msg_hash(digest).to_checksum_address()
    except BadSignature:
        return None
