"""Implements `ports.Vault` with a key-encryption key from a file: KEK wraps DEK, DEK seals the secret."""

import hmac
import os
from dataclasses import asdict

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from mesh_shared.canonical import canonical_json

from mesh_security_gateway.errors import SecretUnreadable
from mesh_security_gateway.ports import Envelope, Sealing

KEY_BYTES = 32
_NONCE_BYTES = 12
_FINGERPRINT_BYTES = 8


class FileVault:
    """AES-256-GCM twice, both times with the same associated data, so that no row opens in another's place.

    Python cannot wipe memory: a secret is in the process while a call is under way, and until it is
    collected.
    """

    def __init__(self, kek: bytes, pepper: bytes) -> None:
        self._kek = AESGCM(kek)
        self._pepper = pepper

    def seal(self, secret: str, sealing: Sealing) -> Envelope:
        key = AESGCM.generate_key(KEY_BYTES * 8)
        return Envelope(
            wrapped_key=_encrypt(self._kek, key, _bound("key", sealing)),
            ciphertext=_encrypt(AESGCM(key), secret.encode(), _bound("secret", sealing)),
        )

    def open(self, envelope: Envelope, sealing: Sealing) -> str:
        try:
            key = _decrypt(self._kek, envelope.wrapped_key, _bound("key", sealing))
            return _decrypt(AESGCM(key), envelope.ciphertext, _bound("secret", sealing)).decode()
        except (InvalidTag, ValueError):
            raise SecretUnreadable from None

    def fingerprint(self, secret: str) -> str:
        digest = hmac.digest(self._pepper, b"fingerprint\0" + secret.encode(), "sha256")
        return digest[:_FINGERPRINT_BYTES].hex()


def _bound(what: str, sealing: Sealing) -> bytes:
    return canonical_json([what, sealing.connection, sealing.version, asdict(sealing.provider)])


def _encrypt(key: AESGCM, plain: bytes, bound: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + key.encrypt(nonce, plain, bound)


def _decrypt(key: AESGCM, sealed: bytes, bound: bytes) -> bytes:
    return key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound)
