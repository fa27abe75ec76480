"""CIDv1 with SHA-256, in base32.

Source: github.com/multiformats/cid, github.com/multiformats/multicodec (table.csv).
"""

import base64
import hashlib
from dataclasses import dataclass

RAW = 0x55
DAG_PB = 0x70
_VERSION = 1
_SHA2_256 = 0x12
_DIGEST_LENGTH = 32


@dataclass(frozen=True, slots=True)
class ParsedCid:
    """A CIDv1 whose hash is SHA-256; `codec` is RAW or DAG_PB."""

    codec: int
    digest: bytes

    def to_bytes(self) -> bytes:
        """The binary form; every number in it is below 128, where a varint is one byte."""
        return bytes((_VERSION, self.codec, _SHA2_256, _DIGEST_LENGTH)) + self.digest

    def __str__(self) -> str:
        return "b" + base64.b32encode(self.to_bytes()).decode().lower().rstrip("=")

    def is_of(self, block: bytes) -> bool:
        """True when `block` hashes to this CID."""
        return hashlib.sha256(block).digest() == self.digest


def of(block: bytes, codec: int = RAW) -> ParsedCid:
    return ParsedCid(codec, hashlib.sha256(block).digest())


def parse(text: str) -> ParsedCid:
    """Raises `ValueError` for anything but a base32 CIDv1 of a raw or dag-pb block under SHA-256.

    Base32 spells the same bytes in many ways (capitals, padding, spare bits); only ours is taken, so that one
    content has one name.
    """
    if not text.startswith("b"):
        raise ValueError("not a base32 CIDv1")
    body = text[1:].upper()
    cid = from_bytes(base64.b32decode(body + "=" * (-len(body) % 8)))
    if str(cid) != text:
        raise ValueError("not the canonical spelling of this CID")
    return cid


def from_bytes(binary: bytes) -> ParsedCid:
    """Raises `ValueError` as `parse` does."""
    version, codec, hash_code, length = binary[:4]
    is_known = version == _VERSION and codec in (RAW, DAG_PB) and hash_code == _SHA2_256
    if not is_known or length != _DIGEST_LENGTH or len(binary) != 4 + _DIGEST_LENGTH:
        raise ValueError("not a CIDv1 of a raw or dag-pb block under SHA-256")
    return ParsedCid(codec, binary[4:])
