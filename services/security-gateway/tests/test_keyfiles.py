"""Keys in files: made once, whole or not at all, for their owner alone."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mesh_security_gateway.adapters import keyfiles
from mesh_security_gateway.adapters.keyfiles import Ed25519HeadKey, TextKeyFile
from mesh_security_gateway.ports import KeyFileUnfit

KEY = "mesh_0123456789abcdefghij"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_key_is_made_at_the_first_look_and_kept_for_ever(tmp_path: Path):
    path = tmp_path / "keys" / "kek"

    first = keyfiles.kept(path, keyfiles.random_seed)
    second = keyfiles.kept(path, keyfiles.random_seed)

    assert first == second == path.read_bytes()
    assert len(first) == 32


def test_nobody_else_can_read_a_key_whatever_the_process_thinks_of_modes(tmp_path: Path):
    before = os.umask(0)
    try:
        keyfiles.kept(tmp_path / "keys" / "kek", keyfiles.random_seed)
    finally:
        os.umask(before)

    assert mode(tmp_path / "keys" / "kek") == 0o600
    assert mode(tmp_path / "keys") == 0o700


def test_replicas_that_start_together_get_the_same_key(tmp_path: Path):
    path = tmp_path / "kek"

    with ThreadPoolExecutor(16) as replicas:
        starts = [replicas.submit(keyfiles.kept, path, keyfiles.random_seed) for _ in range(64)]

    assert {start.result() for start in starts} == {path.read_bytes()}
    assert [file.name for file in tmp_path.iterdir()] == ["kek"]


def test_a_key_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The disk fails while the key is written."""

    def fail(_: int) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="no space"):
            keyfiles.kept(tmp_path / "kek", keyfiles.random_seed)

    assert list(tmp_path.iterdir()) == []
    assert len(keyfiles.kept(tmp_path / "kek", keyfiles.random_seed)) == 32


def test_a_draft_of_somebody_who_died_is_nobodys_key(tmp_path: Path):
    (tmp_path / "kek.0123456789abcdef").write_bytes(b"half")

    assert len(keyfiles.kept(tmp_path / "kek", keyfiles.random_seed)) == 32


def test_a_key_that_must_be_there_is_not_made(tmp_path: Path):
    with pytest.raises(KeyFileUnfit, match="kek is gone"):
        keyfiles.known(tmp_path / "kek")

    assert list(tmp_path.iterdir()) == []
    (tmp_path / "kek").write_bytes(b"here")
    assert keyfiles.known(tmp_path / "kek") == b"here"


def test_a_text_comes_back_as_it_was_written(tmp_path: Path):
    file = TextKeyFile(tmp_path / "admin.key")

    assert file.read() is None
    assert file.create(KEY) == KEY
    assert file.create("another-key-of-the-same-size") == KEY
    assert file.read() == KEY
    assert file.place == str(tmp_path / "admin.key")


@pytest.mark.parametrize("text", [KEY, f"{KEY}\n", f"  {KEY}\r\n", "x" * 20])
def test_blanks_around_a_key_are_the_editors(tmp_path: Path, text: str):
    (tmp_path / "admin.key").write_text(text)

    assert TextKeyFile(tmp_path / "admin.key").read() == text.strip()


@pytest.mark.parametrize("text", ["", "\n", "x" * 19, f"{KEY} {KEY}", f"{KEY}\n{KEY}", "schlüssel" * 3])
def test_a_text_that_is_no_key_is_refused_by_name_and_without_its_content(tmp_path: Path, text: str):
    (tmp_path / "admin.key").write_text(text)

    with pytest.raises(KeyFileUnfit) as refused:
        TextKeyFile(tmp_path / "admin.key").read()

    assert str(tmp_path / "admin.key") in str(refused.value)
    assert not text.strip() or text.strip() not in str(refused.value)


def test_the_audit_key_is_its_seed():
    statement = b"entries"

    assert Ed25519HeadKey(b"\1" * 32).sign(statement) == Ed25519HeadKey(b"\1" * 32).sign(statement)
    assert Ed25519HeadKey(b"\1" * 32).holds(statement, Ed25519HeadKey(b"\1" * 32).sign(statement))
    assert not Ed25519HeadKey(b"\1" * 32).holds(statement, b"")
    assert not Ed25519HeadKey(b"\1" * 32).holds(statement, b"\0" * 64)
