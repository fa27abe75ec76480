"""An exported audit is verified offline: whatever is done to a file shows."""

import base64
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from mesh_cli.audit import Checkpoint, NotProved, Tree, VerifierKey, verify
from mesh_cli.main import app
from typer.testing import CliRunner

NAME = "a-record"
SIGNER = Ed25519PrivateKey.from_private_bytes(b"\1" * 32)
MATERIAL = b"\x01" + SIGNER.public_key().public_bytes_raw()
ID = hashlib.sha256(NAME.encode() + b"\n" + MATERIAL).digest()[:4]
KEY = f"{NAME}+{ID.hex()}+{base64.b64encode(MATERIAL).decode()}"
VERIFIER = VerifierKey.parse(KEY)


def mth(hashes: Sequence[bytes]) -> bytes:
    """RFC 9162 §2.1.1, as it stands there."""
    if len(hashes) < 2:
        return hashes[0] if hashes else hashlib.sha256().digest()
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + mth(hashes[:k]) + mth(hashes[k:])).digest()


def root(entries: Sequence[bytes]) -> bytes:
    return mth([hashlib.sha256(b"\0" + entry).digest() for entry in entries])


def note(size: int, root: bytes, signer: Ed25519PrivateKey = SIGNER) -> str:
    text = f"{NAME}\n{size}\n{base64.b64encode(root).decode()}\n"
    signature = base64.b64encode(ID + signer.sign(text.encode())).decode()
    return f"{text}\n— {NAME} {signature}\n"


def lines(count: int) -> list[bytes]:
    return [json.dumps({"sequence": n + 1, "agent": f"agent-{n % 3}"}).encode() for n in range(count)]


def exported(entries: Sequence[bytes], signed: str | None = None) -> bytes:
    """A file with these entries, under a checkpoint of theirs unless another one is given."""
    checkpoint = signed or note(len(entries), root(entries))
    return b"".join(entry + b"\n" for entry in [*entries, json.dumps({"checkpoint": checkpoint}).encode()])


def verified(data: bytes, earlier: Sequence[Checkpoint] = ()) -> Checkpoint:
    return verify(io.BytesIO(data), VERIFIER, earlier)


def refused(data: bytes, earlier: Sequence[Checkpoint] = ()) -> str:
    with pytest.raises(NotProved) as fault:
        verified(data, earlier)
    return str(fault.value)


@given(st.integers(0, 5000))
def test_a_file_that_nobody_touched_holds(count: int):
    entries = lines(count)
    data = exported(entries)

    assert verified(data) == Checkpoint(NAME, count, root(entries))


@given(st.integers(1, 40), st.data())
def test_a_flipped_bit_anywhere_is_detected(count: int, data: st.DataObject):
    file = bytearray(exported(lines(count)))
    file[data.draw(st.integers(0, len(file) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    try:
        found = verified(bytes(file))
    except NotProved:
        return
    # What JSON does not tell apart is no change: the same checkpoint, spelled otherwise.
    assert found == verified(exported(lines(count)))
    assert bytes(file).splitlines()[:count] == lines(count)


@given(st.integers(1, 40), st.data())
def test_an_entry_that_was_taken_out_is_detected(count: int, data: st.DataObject):
    entries, signed = lines(count), note(count, root(lines(count)))
    del entries[data.draw(st.integers(0, count - 1))]

    assert "entries are not those of the checkpoint" in refused(exported(entries, signed))


@given(st.integers(2, 40), st.data())
def test_entries_that_changed_places_are_detected(count: int, data: st.DataObject):
    entries, signed = lines(count), note(count, root(lines(count)))
    first = data.draw(st.integers(0, count - 2))
    second = data.draw(st.integers(first + 1, count - 1))
    entries[first], entries[second] = entries[second], entries[first]

    refused(exported(entries, signed))


@given(st.integers(1, 40), st.data())
def test_an_entry_that_was_slipped_in_or_doubled_is_detected(count: int, data: st.DataObject):
    entries, signed = lines(count), note(count, root(lines(count)))
    entries.insert(data.draw(st.integers(0, count)), data.draw(st.sampled_from([b"", b"{}", *entries])))

    refused(exported(entries, signed))


@given(st.integers(1, 40), st.data())
def test_a_file_that_was_cut_off_anywhere_is_detected(count: int, data: st.DataObject):
    file = exported(lines(count))

    refused(file[: data.draw(st.integers(0, len(file) - 1))])


@given(st.lists(st.integers(0, 300), max_size=4), st.integers(0, 300))
def test_a_record_goes_on_from_every_checkpoint_that_was_noted(sizes: list[int], more: int):
    entries = lines(max(sizes, default=0) + more)
    noted = [Checkpoint(NAME, size, root(entries[:size])) for size in sizes]

    assert verified(exported(entries), noted).size == len(entries)


def test_a_record_that_was_written_anew_is_none_that_goes_on():
    noted = Checkpoint(NAME, 3, root(lines(3)))
    rewritten = [b"{}", *lines(9)[1:]]

    assert "earlier checkpoint" in refused(exported(rewritten), [noted])


def test_a_record_that_was_put_back_is_shorter_than_it_was():
    noted = Checkpoint(NAME, 9, root(lines(9)))

    assert refused(exported(lines(4)), [noted]) == "The record had 9 entries already, and has 4."


def test_a_checkpoint_of_another_key_is_none():
    stranger = Ed25519PrivateKey.from_private_bytes(b"\2" * 32)
    signed = note(2, root(lines(2)), stranger)

    assert refused(exported(lines(2), signed)) == "The checkpoint is not signed by that key."


@pytest.mark.parametrize("text", ["", "a-key", KEY.replace("a-record", "another"), KEY[:-4], f"{KEY}AAAA"])
def test_what_is_no_verifier_key_is_none(text: str):
    with pytest.raises(NotProved):
        VerifierKey.parse(text)


@given(st.lists(st.integers(0, 5000), max_size=5))
def test_a_tree_does_not_depend_on_how_its_entries_came(counts: list[int]):
    entries, tree = lines(sum(counts)), Tree()
    at = 0
    for count in counts:
        tree.add(entries[at : at + count])
        at += count

    assert (tree.size, tree.root()) == (at, root(entries))


def test_the_command_says_what_holds_and_fails_for_what_does_not(tmp_path: Path):
    whole, broken, key, earlier = (tmp_path / name for name in ("whole", "broken", "key", "earlier"))
    whole.write_bytes(exported(lines(5)))
    broken.write_bytes(exported(lines(5)).replace(b"agent-1", b"agent-2", 1))
    key.write_text(f"{KEY}\n")
    earlier.write_text(note(2, root(lines(2))))
    run = CliRunner()

    good = run.invoke(app, ["audit", "verify", str(whole), "--key", str(key), "--earlier", str(earlier)])
    bad = run.invoke(app, ["audit", "verify", str(broken), "--key", KEY])

    assert (good.exit_code, good.output) == (0, f"{NAME}: 5 entries hold, root {root(lines(5)).hex()}\n")
    assert (bad.exit_code, bad.output) == (
        1,
        "mesh: After 5 of 5 entries: the entries are not those of the checkpoint.\n",
    )
