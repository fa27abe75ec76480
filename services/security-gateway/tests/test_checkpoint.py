"""Checkpoints are signed notes that anybody can read and only the audit key can make (C2SP)."""

import base64
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from mesh_security_gateway.adapters.keyfiles import Ed25519HeadKey
from mesh_security_gateway.domain import checkpoint
from mesh_security_gateway.domain.checkpoint import NoteKey

SIGNER = Ed25519HeadKey(b"\1" * 32)
KEY = NoteKey(SIGNER.public)


def test_a_checkpoint_is_read_as_the_standard_says():
    note = checkpoint.note(KEY, SIGNER.sign, 7, b"\7" * 32)

    text, _, signatures = note.partition("\n\n")
    origin, size, root = text.split("\n")
    dash, name, encoded = signatures.rstrip("\n").split(" ")
    assert (origin, size, base64.b64decode(root)) == (KEY.name, "7", b"\7" * 32)
    assert (dash, name) == ("—", KEY.name)
    raw = base64.b64decode(encoded)
    assert raw[:4] == KEY.id
    Ed25519PublicKey.from_public_bytes(SIGNER.public).verify(raw[4:], f"{text}\n".encode())


def test_the_key_is_told_as_verifiers_expect_it():
    name, id, encoded = str(KEY).split("+", 2)

    material = base64.b64decode(encoded)
    assert material == b"\x01" + SIGNER.public
    assert id == hashlib.sha256(name.encode() + b"\n" + material).hexdigest()[:8]


@given(st.integers(0, 2**53), st.binary(min_size=32, max_size=32))
def test_a_checkpoint_is_signed_for_one_size_and_one_root_by_one_key(size: int, root: bytes):
    signature = checkpoint.signature(KEY, checkpoint.note(KEY, SIGNER.sign, size, root))

    assert SIGNER.holds(checkpoint.statement(KEY, size, root), signature)
    assert not SIGNER.holds(checkpoint.statement(KEY, size + 1, root), signature)
    assert not SIGNER.holds(checkpoint.statement(KEY, size, bytes([root[0] ^ 1]) + root[1:]), signature)
    other = Ed25519HeadKey(b"\2" * 32)
    assert not other.holds(checkpoint.statement(KEY, size, root), signature)


@given(st.text(max_size=200))
def test_what_is_no_note_of_ours_has_no_signature_that_holds(text: str):
    said = checkpoint.statement(KEY, 1, b"\0" * 32)

    for note in (text, f"{said.decode()}\n— {KEY.name} {text}\n"):
        assert not SIGNER.holds(said, checkpoint.signature(KEY, note))
