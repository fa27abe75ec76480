"""An exported audit is verified offline: whatever is done to a file shows."""

import base64
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from mesh_cli import audit
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
    return signed(f"{NAME}\n{size}\n{base64.b64encode(root).decode()}\n", signer)


def signed(text: str, signer: Ed25519PrivateKey = SIGNER, name: str = NAME, id: bytes = ID) -> str:
    signature = base64.b64encode(id + signer.sign(text.encode())).decode()
    return f"{text}\n— {name} {signature}\n"


ENTRIES = [json.dumps({"sequence": n + 1, "agent": f"agent-{n % 3}"}).encode() for n in range(15_000)]


def lines(count: int) -> list[bytes]:
    return ENTRIES[:count]


def exported(entries: Sequence[bytes], under: str | None = None) -> bytes:
    """A file with these entries, under a checkpoint of theirs unless another one is given."""
    checkpoint = under or note(len(entries), root(entries))
    return b"".join(entry + b"\n" for entry in [*entries, json.dumps({"checkpoint": checkpoint}).encode()])


def verified(data: bytes, earlier: Sequence[Checkpoint] = ()) -> Checkpoint:
    return verify(io.BytesIO(data), VERIFIER, earlier)


def refused(data: bytes, earlier: Sequence[Checkpoint] = ()) -> str:
    with pytest.raises(NotProved) as fault:
        verified(data, earlier)
    return str(fault.value)


@settings(max_examples=20)
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
    entries, checkpoint = lines(count), note(count, root(lines(count)))
    del entries[data.draw(st.integers(0, count - 1))]

    assert "entries are not those of the checkpoint" in refused(exported(entries, checkpoint))


@given(st.integers(2, 40), st.data())
def test_entries_that_changed_places_are_detected(count: int, data: st.DataObject):
    entries, checkpoint = lines(count), note(count, root(lines(count)))
    first = data.draw(st.integers(0, count - 2))
    second = data.draw(st.integers(first + 1, count - 1))
    entries[first], entries[second] = entries[second], entries[first]

    refused(exported(entries, checkpoint))


@given(st.integers(1, 40), st.data())
def test_an_entry_that_was_slipped_in_or_doubled_is_detected(count: int, data: st.DataObject):
    entries, checkpoint = lines(count), note(count, root(lines(count)))
    entries.insert(data.draw(st.integers(0, count)), data.draw(st.sampled_from([b"", b"{}", *entries])))

    refused(exported(entries, checkpoint))


class Pieces(io.BytesIO):
    """A file of which each read brings `size` bytes."""

    size = 1

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self.size)


@given(st.integers(1, 6), st.integers(0, 6), st.integers(1, 80))
def test_what_was_slipped_in_is_detected_wherever_a_read_ends(count: int, place: int, size: int):
    entries, checkpoint = lines(count), note(count, root(lines(count)))
    slipped, whole = (
        Pieces(exported(e, checkpoint)) for e in ([*entries[:place], b"", *entries[place:]], entries)
    )
    slipped.size = whole.size = size

    assert verify(whole, VERIFIER).size == count
    with pytest.raises(NotProved):
        verify(slipped, VERIFIER)


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
    checkpoint = note(2, root(lines(2)), stranger)

    assert refused(exported(lines(2), checkpoint)) == "The checkpoint is not signed by that key."


@pytest.mark.parametrize("text", ["", "a-key", KEY.replace("a-record", "another"), KEY[:-4], f"{KEY}AAAA"])
def test_what_is_no_verifier_key_is_none(text: str):
    with pytest.raises(NotProved):
        VerifierKey.parse(text)


@settings(max_examples=20)
@given(st.lists(st.integers(0, 5000), max_size=3))
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


def test_the_command_tells_programs_what_it_tells_people(tmp_path: Path):
    (tmp_path / "whole").write_bytes(exported(lines(5)))

    told = CliRunner().invoke(app, ["audit", "verify", str(tmp_path / "whole"), "--key", KEY, "--json"])

    assert json.loads(told.output) == {"origin": NAME, "size": 5, "root": root(lines(5)).hex()}


ROOT64 = base64.b64encode(root([])).decode()
WITNESS = Ed25519PrivateKey.from_private_bytes(b"\3" * 32)


def test_signatures_of_others_do_no_harm_to_ours():
    ours = note(0, root([]))
    theirs = signed(f"{NAME}\n0\n{ROOT64}\n", WITNESS, "a-witness", b"\0" * 4).splitlines()[-1]
    text, _, signature = ours.rpartition("\n\n")

    for lines in (f"{theirs}\n{signature}", f"{signature}{theirs}\n"):
        assert VERIFIER.opened(f"{text}\n\n{lines}").size == 0


@pytest.mark.parametrize(
    "other",
    [
        {"signer": WITNESS},
        {"name": "a-record2"},
        {"name": "another"},
        {"id": b"\0" * 4},
    ],
    ids=["another key under our name", "a name that begins as ours", "another name", "another id"],
)
def test_a_signature_is_ours_by_its_name_its_id_and_its_key(other: dict[str, Any]):
    with pytest.raises(NotProved, match="not signed by that key"):
        VERIFIER.opened(signed(f"{NAME}\n0\n{ROOT64}\n", **other))


@pytest.mark.parametrize("signature", ["", "A", "====", "é", base64.b64encode(ID).decode(), "A" * 200])
def test_what_is_no_signature_signs_nothing(signature: str):
    with pytest.raises(NotProved, match="not signed by that key"):
        VERIFIER.opened(f"{NAME}\n0\n{ROOT64}\n\n— {NAME} {signature}\n")


def test_a_note_that_was_changed_after_it_was_signed_is_refused():
    changed = note(7, root(lines(7))).replace("\n7\n", "\n8\n")

    with pytest.raises(NotProved, match="not signed by that key"):
        VERIFIER.opened(changed)


@pytest.mark.parametrize(
    "text",
    [
        f"{NAME}\n07\n{ROOT64}",
        f"{NAME}\n+7\n{ROOT64}",
        f"{NAME}\n1_0\n{ROOT64}",
        f"{NAME}\n\u0667\n{ROOT64}",
        f"{NAME}\n\n{ROOT64}",
        f"{NAME}\n{'9' * 5000}\n{ROOT64}",
        f"{NAME}\n7\n{ROOT64[:-4]}",
        f"{NAME}\n7\n!{ROOT64}",
        f"{NAME}\n7",
        f"{NAME}\n7\n{ROOT64}\nmore",
    ],
)
def test_a_checkpoint_has_one_spelling_even_when_our_key_signed_another(text: str):
    with pytest.raises(NotProved, match="checkpoint is none"):
        VERIFIER.opened(signed(f"{text}\n"))


@pytest.mark.parametrize("last", [b"{}", b"[]", b"7", b"", b"\xff", b"[" * 100_000, b'{"checkpoint": 7}'])
def test_a_last_line_without_a_checkpoint_proves_nothing(last: bytes):
    refused(b"".join(entry + b"\n" for entry in [*lines(3), last]))


@given(st.integers(0, 30), st.integers(1, 400))
def test_a_file_says_the_same_however_much_of_it_is_read_at_once(count: int, piece: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit, "READ_BYTES", piece)

        assert verified(exported(lines(count))).size == count


def test_the_tree_of_nothing_and_of_one_are_those_of_the_standard():
    """RFC 9162 §2.1.1: the hash of an empty text, and of the entry behind a zero byte."""
    one = Tree()
    one.add([b"entry"])

    assert Tree().root() == hashlib.sha256(b"").digest()
    assert one.root() == hashlib.sha256(b"\0entry").digest()


def outcome(*argv: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["audit", "verify", *argv])
    assert isinstance(result.exception, SystemExit | None)
    return result.exit_code, result.output


@pytest.fixture
def whole(tmp_path: Path) -> str:
    file = tmp_path / "whole"
    file.write_bytes(exported(lines(3)))
    return str(file)


@pytest.mark.parametrize("key", ["", ".", "a\0b", "k" * 5000, f"{KEY[:-1]}A"])
def test_the_command_says_of_a_wrong_key_that_it_is_none(whole: str, key: str):
    code, said = outcome(whole, "--key", key)

    assert (code, said.count("\n")) == (1, 1)
    assert said.startswith("mesh: That is no verifier key")


def test_the_command_says_of_files_that_are_no_text_what_they_are_not(whole: str, tmp_path: Path):
    binary = tmp_path / "binary"
    binary.write_bytes(bytes(range(256)))

    assert outcome(whole, "--key", str(binary))[1].startswith("mesh: That is no verifier key")
    assert outcome(whole, "--key", KEY, "--earlier", str(binary)) == (
        1,
        "mesh: The checkpoint is not signed by that key.\n",
    )


def test_the_command_names_an_earlier_checkpoint_that_does_not_hold(whole: str, tmp_path: Path):
    longer, other = tmp_path / "longer", tmp_path / "other"
    longer.write_text(note(9, root(lines(9))))
    other.write_text(note(2, root(lines(9)[:2][::-1])))

    assert outcome(whole, "--key", KEY, "--earlier", str(longer)) == (
        1,
        "mesh: The record had 9 entries already, and has 3.\n",
    )
    assert "earlier checkpoint" in outcome(whole, "--key", KEY, "--earlier", str(other))[1]


def test_a_command_that_was_called_wrongly_ends_with_two(whole: str, tmp_path: Path):
    calls = [[whole], ["--key", KEY], [str(tmp_path), "--key", KEY], [f"{whole}-not", "--key", KEY]]

    assert [outcome(*call)[0] for call in calls] == [2] * 4
