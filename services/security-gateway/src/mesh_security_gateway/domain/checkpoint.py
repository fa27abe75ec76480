"""Signed statements of what the record was (C2SP tlog-checkpoint in a signed note).

mesh-audit-1a2b3c4d
4711
<root, base64>

— mesh-audit-1a2b3c4d <key id and Ed25519 signature, base64>
"""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

_ED25519 = b"\x01"
_ID_BYTES = 4


@dataclass(frozen=True, slots=True)
class NoteKey:
    """An Ed25519 public key (32 bytes) under the name that notes are signed with: its own beginning.

    The name is the record's origin as well: it says whose record it is, at whatever address.
    """

    public: bytes

    @property
    def name(self) -> str:
        """What notes are signed as."""
        return f"mesh-audit-{hashlib.sha256(self.public).hexdigest()[:8]}"

    @property
    def id(self) -> bytes:
        """The four bytes that notes name the key by."""
        known = self.name.encode() + b"\n" + _ED25519 + self.public
        return hashlib.sha256(known).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        """The key as verifiers are told it (C2SP signed-note)."""
        return f"{self.name}+{self.id.hex()}+{_base64(_ED25519 + self.public)}"


def statement(key: NoteKey, size: int, root: bytes) -> bytes:
    """What is signed: the record of `key` had `size` entries and this root."""
    return f"{key.name}\n{size}\n{_base64(root)}\n".encode()


def note(key: NoteKey, sign: Callable[[bytes], bytes], size: int, root: bytes) -> str:
    """The statement under its signature."""
    text = statement(key, size, root)
    return f"{text.decode()}\n— {key.name} {_base64(key.id + sign(text))}\n"


def signature(key: NoteKey, note: str) -> bytes:
    """The signature by `key` that stands in `note`; empty when there is none."""
    begin = f"— {key.name} "
    for line in note.splitlines():
        if line.startswith(begin):
            return _decoded(line.removeprefix(begin)).removeprefix(key.id)
    return b""


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""
