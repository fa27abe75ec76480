"""Implements `ports.Kek`: 32 bytes in this process, or a key that never leaves a transit engine."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from mesh_security_gateway.adapters.vault import KEY_BYTES, decrypt, encrypt
from mesh_security_gateway.errors import KekUnavailable, SecretUnreadable

Question = Callable[[Any], Any]
"""Of a client of the engine, whose library says of its answers only that they are something."""
ID_BYTES = 8
PASSES, LANES, MEMORY_KIB = 3, 4, 64 << 10
"""RFC 9106 §4, second choice: 64 MiB for a moment at each start."""
TIMEOUT_S, THREADS = 2, 16
WAIT_S = 5.0


class LocalKek:
    """A key-encryption key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = AESGCM(key)
        self.id = hmac.digest(key, b"mesh-kek-id", "sha256")[:ID_BYTES].hex()

    async def wrap(self, key: bytes, bound: bytes) -> bytes:
        return encrypt(self._key, key, bound)

    async def unwrap(self, wrapped: bytes, bound: bytes) -> bytes:
        try:
            return decrypt(self._key, wrapped, bound)
        except (InvalidTag, ValueError):
            raise SecretUnreadable from None


def of_passphrase(passphrase: str, salt: bytes) -> LocalKek:
    """The key that Argon2id makes of it; the same for the same `salt`, which is no secret."""
    kdf = Argon2id(salt=salt, length=KEY_BYTES, iterations=PASSES, lanes=LANES, memory_cost=MEMORY_KIB)
    return LocalKek(kdf.derive(passphrase.encode()))


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitKek:
    """A key of the transit engine of HashiCorp Vault or OpenBao, asked for each secret that is used.

    Nothing is kept here: when the engine is away no secret opens, and what it forbids is over at once. The
    token is read anew each time, because an agent of the engine's may have replaced it.
    """

    url: str
    mount: str
    key: str
    token_file: Path
    ca_file: Path | None = None
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS, "transit"))

    @property
    def id(self) -> str:
        """Of mount and key: the engine may move, and has versions of its own."""
        return hashlib.sha256(f"transit\0{self.mount}\0{self.key}".encode()).digest()[:ID_BYTES].hex()

    async def wrap(self, key: bytes, bound: bytes) -> bytes:
        sealed = await self._ask(
            lambda client: client.secrets.transit.encrypt_data(
                self.key, _text(key), mount_point=self.mount, associated_data=_text(bound)
            )["data"]["ciphertext"]
        )
        return sealed.encode()

    async def unwrap(self, wrapped: bytes, bound: bytes) -> bytes:
        plain = await self._ask(
            lambda client: client.secrets.transit.decrypt_data(
                self.key, wrapped.decode("ascii"), mount_point=self.mount, associated_data=_text(bound)
            )["data"]["plaintext"]
        )
        return base64.b64decode(plain)

    async def _ask(self, question: Question) -> str:
        """What the engine answers; its texts stay here. Waits are bounded, also for a thread."""
        asked = asyncio.get_running_loop().run_in_executor(self._threads, self._answered, question)
        try:
            async with asyncio.timeout(WAIT_S):
                return await asked
        except TimeoutError:
            raise KekUnavailable from None

    def _answered(self, question: Question) -> str:
        import hvac  # noqa: PLC0415 - 20 MiB that few need
        import requests  # noqa: PLC0415
        from hvac.exceptions import InvalidRequest, VaultError  # noqa: PLC0415

        session = requests.Session()
        session.trust_env = False  # no proxy hears a key
        with session:
            try:
                client = hvac.Client(
                    url=self.url,
                    token=self.token_file.read_text().strip(),
                    verify=True if self.ca_file is None else str(self.ca_file),
                    timeout=TIMEOUT_S,
                    allow_redirects=False,
                    session=session,
                )
                return str(question(client))
            except InvalidRequest:
                raise SecretUnreadable from None
            except (VaultError, requests.RequestException, OSError, KeyError, TypeError):
                raise KekUnavailable from None


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
