"""Implements `ports.Vault`: a key-encryption key wraps a key of each secret's own, which seals the secret."""

import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from mesh_shared.canonical import canonical_json

from mesh_security_gateway.errors import SecretUnreadable
from mesh_security_gateway.ports import Envelope, Sealing

KEY_BYTES = 32
_NONCE_BYTES = 12
_FINGERPRINT_BYTES = 8


class EnvelopeVault:
    """AES-256-GCM, key and secret with the same associated data, so that no row opens in another's place.

    `kek` wraps new keys; `others` are key-encryption keys that still open what they wrapped.
    Python cannot wipe memory: a secret is in the process while a call is under way, and until it is
    collected.
    """

    def __init__(self, kek: "Kek", pepper: bytes, others: tuple["Kek", ...] = ()) -> None:
        self._kek = kek
        self._keks = {known.id: known for known in (*others, kek)}
        self._pepper = pepper

    @property
    def kek_id(self) -> str:
        return self._kek.id

    def seal(self, secret: str, sealing: Sealing) -> Envelope:
        key = AESGCM.generate_key(KEY_BYTES * 8)
        return Envelope(
            kek_id=self._kek.id,
            wrapped_key=self._kek.wrap(key, _bound("key", sealing)),
            ciphertext=encrypt(AESGCM(key), secret.encode(), _bound("secret", sealing)),
        )

    def open(self, envelope: Envelope, sealing: Sealing) -> str:
        key = self._unwrap(envelope, sealing)
        try:
            return decrypt(AESGCM(key), envelope.ciphertext, _bound("secret", sealing)).decode()
        except (InvalidTag, ValueError):
            raise SecretUnreadable from None

    def rewrap(self, envelope: Envelope, sealing: Sealing) -> Envelope:
        bound = _bound("key", sealing)
        wrapped = self._kek.wrap(self._unwrap(envelope, sealing), bound)
        return Envelope(kek_id=self._kek.id, wrapped_key=wrapped, ciphertext=envelope.ciphertext)

    def fingerprint(self, secret: str) -> str:
        digest = hmac.digest(self._pepper, b"fingerprint\0" + secret.encode(), "sha256")
        return digest[:_FINGERPRINT_BYTES].hex()

    def _unwrap(self, envelope: Envelope, sealing: Sealing) -> bytes:
        kek = self._keks.get(envelope.kek_id)
        if kek is None:
            raise SecretUnreadable
        return kek.unwrap(envelope.wrapped_key, _bound("key", sealing))


class Kek:
    """A key-encryption key of 32 bytes. What it wraps is tied to the bytes `bound`."""

    def __init__(self, key: bytes) -> None:
        self._key = AESGCM(key)
        self.id = hmac.digest(key, b"mesh-kek-id", "sha256")[:_FINGERPRINT_BYTES].hex()

    def wrap(self, key: bytes, bound: bytes) -> bytes:
        return encrypt(self._key, key, bound)

    def unwrap(self, wrapped: bytes, bound: bytes) -> bytes:
        try:
            return decrypt(self._key, wrapped, bound)
        except (InvalidTag, ValueError):
            raise SecretUnreadable from None


def _bound(what: str, sealing: Sealing) -> bytes:
    provider = sealing.provider.members()
    return canonical_json([what, sealing.use, sealing.connection, sealing.version, provider])


def encrypt(key: AESGCM, plain: bytes, bound: bytes) -> bytes:
    """`plain` behind a nonce of its own."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + key.encrypt(nonce, plain, bound)


def decrypt(key: AESGCM, sealed: bytes, bound: bytes) -> bytes:
    """Raises `InvalidTag`, or `ValueError` for what is too short to be anything."""
    return key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound)
