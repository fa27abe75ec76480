"""Implements `ports.Vault`: a key-encryption key wraps a key of each secret's own, which seals the secret."""

import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mesh_security_gateway.errors import KekUnavailable, SecretUnreadable
from mesh_security_gateway.ports import Envelope, Kek, Sealing

KEY_BYTES = 32
_NONCE_BYTES = 12
_FINGERPRINT_BYTES = 8


class EnvelopeVault:
    """AES-256-GCM, key and secret with the same associated data, so that no row opens in another's place.

    `kek` wraps new keys; `others` are key-encryption keys that still open what they wrapped.
    Python cannot wipe memory: a secret is in the process while a call is under way, and until it is
    collected.
    """

    def __init__(self, kek: Kek, pepper: bytes, others: tuple[Kek, ...] = ()) -> None:
        self._kek = kek
        self._keks = {known.id: known for known in (*others, kek)}
        self._pepper = pepper

    @property
    def kek_id(self) -> str:
        return self._kek.id

    async def seal(self, secret: str, sealing: Sealing) -> Envelope:
        key = AESGCM.generate_key(KEY_BYTES * 8)
        return Envelope(
            kek_id=self._kek.id,
            wrapped_key=await self._kek.wrap(key, _bound("key", sealing)),
            ciphertext=encrypt(AESGCM(key), secret.encode(), _bound("secret", sealing)),
        )

    async def open(self, envelope: Envelope, sealing: Sealing) -> str:
        key = await self._unwrap(envelope, sealing)
        try:
            return decrypt(AESGCM(key), envelope.ciphertext, _bound("secret", sealing)).decode()
        except (InvalidTag, ValueError):
            raise SecretUnreadable from None

    async def rewrap(self, envelope: Envelope, sealing: Sealing) -> Envelope:
        bound = _bound("key", sealing)
        wrapped = await self._kek.wrap(await self._unwrap(envelope, sealing), bound)
        return Envelope(kek_id=self._kek.id, wrapped_key=wrapped, ciphertext=envelope.ciphertext)

    async def prove(self) -> None:
        key, bound = AESGCM.generate_key(KEY_BYTES * 8), b"proof"
        if await self._kek.unwrap(await self._kek.wrap(key, bound), bound) != key:
            raise KekUnavailable

    def fingerprint(self, secret: str) -> str:
        digest = hmac.digest(self._pepper, b"fingerprint\0" + secret.encode(), "sha256")
        return digest[:_FINGERPRINT_BYTES].hex()

    async def _unwrap(self, envelope: Envelope, sealing: Sealing) -> bytes:
        kek = self._keks.get(envelope.kek_id)
        if kek is None:
            raise SecretUnreadable
        return await kek.unwrap(envelope.wrapped_key, _bound("key", sealing))


def _bound(what: str, sealing: Sealing) -> bytes:
    """The canonical JSON of `what` and all that the sealing says."""
    return f'["{what}",'.encode() + sealing.members


def encrypt(key: AESGCM, plain: bytes, bound: bytes) -> bytes:
    """`plain` behind a nonce of its own."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + key.encrypt(nonce, plain, bound)


def decrypt(key: AESGCM, sealed: bytes, bound: bytes) -> bytes:
    """Raises `InvalidTag`, or `ValueError` for what is too short to be anything."""
    return key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound)
