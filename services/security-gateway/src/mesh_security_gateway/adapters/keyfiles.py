"""Keys in files that only their owner can read, made at first start and kept for ever."""

import os
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import OKPKey
from mesh_shared.auth.keys import StaticKeys
from mesh_shared.errors import Unavailable

from mesh_security_gateway.ports import KeyFileUnfit

SEED_BYTES = 32
_KEY = re.compile(r"[\x21-\x7e]{20,}")


def kept(path: Path, make: Callable[[], bytes]) -> bytes:
    """What is in the file; made first when there is none. Replicas that start together get the same."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_once(path, make())
    return path.read_bytes()


def known(path: Path) -> bytes:
    """What is in the file. Raises `KeyFileUnfit` when it is gone."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise KeyFileUnfit(f"{path} is gone, and nothing else opens the secrets in the database.") from None


def _write_once(path: Path, content: bytes) -> None:
    """The whole file or none, and never over one that is there."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another replica was first
            path.hardlink_to(draft)
    finally:
        draft.unlink()
        _sync(path.parent)


def _sync(folder: Path) -> None:
    """Makes the folder's entries durable: secrets that are sealed next must not outlive the key to them."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def random_seed() -> bytes:
    return secrets.token_bytes(SEED_BYTES)


class TextKeyFile:
    """Implements `ports.KeyFile`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def place(self) -> str:
        return str(self._path)

    def read(self) -> str | None:
        if not self._path.exists():
            return None
        text = self._path.read_text().strip()
        if not _KEY.fullmatch(text):
            raise KeyFileUnfit(f"{self._path} must hold one key of at least 20 visible characters.")
        return text

    def create(self, text: str) -> str:
        return kept(self._path, f"{text}\n".encode).decode().strip()


class OwnKeys:
    """The key that signs sessions, as a source of keys for our own verifier."""

    def __init__(self) -> None:
        self._known: StaticKeys | None = None

    def load(self, path: Path) -> OKPKey:
        """Reads the signing key (PEM), made at first start."""
        key = OKPKey.import_key(kept(path, lambda: OKPKey.generate_key("Ed25519").as_pem(private=True)))
        self._known = StaticKeys([key])
        return key

    async def key(self, kid: str) -> OKPKey:
        """Raises `Unavailable` before the key is loaded, and `Unauthenticated` for another key's id."""
        if self._known is None:
            raise Unavailable("signing-key")
        return await self._known.key(kid)


class Ed25519HeadKey:
    """Implements `ports.HeadKey`."""

    def __init__(self, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self._public = self._private.public_key()
        self.public = self._public.public_bytes_raw()

    def sign(self, statement: bytes) -> bytes:
        return self._private.sign(statement)

    def holds(self, statement: bytes, signature: bytes) -> bool:
        try:
            self._public.verify(signature, statement)
        except InvalidSignature:
            return False
        return True
