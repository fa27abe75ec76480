"""Verifies an exported audit anywhere: needs the file and a key that was noted before.

A file has an entry a line, canonical JSON, and as its last line the checkpoint: a signed note (C2SP) with the
root of the RFC 9162 tree over the entries. Nothing here is shared with the service that wrote it. Anchors are
asked of a node of their chain.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, BinaryIO

import httpx
import typer
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from mesh_cli.remote.way import AsJson

READ_BYTES = 1 << 20
ANSWER_S = 10.0
BLOCK_HEIGHT = 12
HASH_BYTES, KEY_ID_BYTES = 32, 4
_ED25519 = 1
_SEPARATOR = "\n\n"

app = typer.Typer(no_args_is_help=True, help="The security gateway's audit, offline.")


class NotProved(Exception):
    """The file does not show what it should; the text says where."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was signed: the record of `origin` had `size` entries under `root`."""

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """Whose checkpoints are believed: `name+id+key` as C2SP's signed notes write it."""

    name: str
    id: bytes
    public: Ed25519PublicKey

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Raises `NotProved` for what is no Ed25519 key under its own id."""
        try:
            name, id, encoded = text.strip().split("+", 2)
            material = base64.b64decode(encoded, validate=True)
            public = Ed25519PublicKey.from_public_bytes(material[1:])
        except ValueError:
            raise NotProved("That is no verifier key: GET /v1/audit/key has it.") from None
        known = hashlib.sha256(name.encode() + b"\n" + material).digest()[:KEY_ID_BYTES]
        if material[0] != _ED25519 or known.hex() != id:
            raise NotProved("That is no verifier key: its id is another's.")
        return cls(name, known, public)

    def opened(self, note: str) -> Checkpoint:
        """The checkpoint in `note`. Raises `NotProved` unless this key signed it."""
        text, separator, signatures = note.rpartition(_SEPARATOR)
        signed = f"{text}\n".encode()
        begin = f"— {self.name} "
        lines = [line for line in signatures.splitlines() if line.startswith(begin)]
        if not separator or not any(self._signed(line.removeprefix(begin), signed) for line in lines):
            raise NotProved("The checkpoint is not signed by that key.")
        return _checkpoint(text)

    def _signed(self, encoded: str, text: bytes) -> bool:
        try:
            raw = base64.b64decode(encoded, validate=True)
            self.public.verify(raw[KEY_ID_BYTES:], text)
        except (ValueError, InvalidSignature):
            return False
        return raw[:KEY_ID_BYTES] == self.id


def _checkpoint(text: str) -> Checkpoint:
    try:
        origin, size, root = text.split("\n")
        checkpoint = Checkpoint(origin, int(size), base64.b64decode(root, validate=True))
    except ValueError:
        raise NotProved("The checkpoint is none.") from None
    if str(checkpoint.size) != size or len(checkpoint.root) != HASH_BYTES:
        raise NotProved("The checkpoint is none.")
    return checkpoint


class Tree:
    """RFC 9162 §2.1 over entries as they come, many at a time."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[tuple[int, bytes]] = []

    def add(self, entries: Sequence[bytes]) -> None:
        """Takes the next entries."""
        at = 0
        while at < len(entries):
            free = (self.size & -self.size).bit_length() - 1 if self.size else BLOCK_HEIGHT
            height = min(free, (len(entries) - at).bit_length() - 1, BLOCK_HEIGHT)
            self._push(height, _block(entries[at : at + (1 << height)]))
            self.size += 1 << height
            at += 1 << height

    def _push(self, height: int, hash: bytes) -> None:
        while self._peaks and self._peaks[-1][0] == height:
            hash = hashlib.sha256(b"\1" + self._peaks.pop()[1] + hash).digest()
            height += 1
        self._peaks.append((height, hash))

    def root(self) -> bytes:
        if not self._peaks:
            return hashlib.sha256().digest()
        *others, (_, hash) = self._peaks
        for _, peak in reversed(others):
            hash = hashlib.sha256(b"\1" + peak + hash).digest()
        return hash


def _block(entries: Sequence[bytes]) -> bytes:
    """The root over a power of two of entries."""
    sha256 = hashlib.sha256
    level = [sha256(b"\0" + entry).digest() for entry in entries]
    while len(level) > 1:
        level = [
            sha256(b"\1" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=True)
        ]
    return level[0]


def verify(file: BinaryIO, key: VerifierKey, earlier: Iterable[Checkpoint] = ()) -> Checkpoint:
    """The checkpoint that all of `file` is under. `earlier` are what the record was before, as noted then.

    Raises `NotProved` when an entry was changed, moved, added or taken out, and when the record does not go
    on from an earlier checkpoint.
    """
    before = sorted(earlier, key=lambda checkpoint: checkpoint.size)
    tree, last = Tree(), list[bytes]()
    for lines in _lines(file):
        entries, last = [*last, *lines[:-1]], lines[-1:]
        for checkpoint in [each for each in before if each.size <= tree.size + len(entries)]:
            count = checkpoint.size - tree.size
            tree.add(entries[:count])
            entries = entries[count:]
            _compare(tree, before.pop(0), "the record is not what it was at an earlier checkpoint")
        tree.add(entries)
    checkpoint = key.opened(_note(b"".join(last)))
    _compare(tree, checkpoint, "the entries are not those of the checkpoint")
    if before:
        raise NotProved(f"The record had {before[0].size} entries already, and has {tree.size}.")
    return checkpoint


def _lines(file: BinaryIO) -> Iterator[list[bytes]]:
    """The lines of the file, many at a time. Raises `NotProved` when the last has no end."""
    rest = b""
    while piece := file.read(READ_BYTES):
        *lines, rest = (rest + piece).split(b"\n")
        if lines:
            yield lines
    if rest:
        raise NotProved("The file breaks off within a line.")


def _note(line: bytes) -> str:
    try:
        return str(json.loads(line)["checkpoint"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise NotProved("The file has no checkpoint at its end: it was cut off.") from None


def _compare(tree: Tree, checkpoint: Checkpoint, otherwise: str) -> None:
    if (tree.size, tree.root()) != (checkpoint.size, checkpoint.root):
        raise NotProved(f"After {tree.size} of {checkpoint.size} entries: {otherwise}.")


def anchored(rpc_url: str, transaction: str) -> str:
    """The checkpoint in a transaction that is mined. Raises `NotProved` when the node has none there."""
    question = {"jsonrpc": "2.0", "id": 1, "method": "eth_getTransactionByHash", "params": [transaction]}
    try:
        answer = httpx.post(rpc_url, json=question, timeout=ANSWER_S).raise_for_status().json()["result"]
        is_mined, note = bool(answer["blockNumber"]), bytes.fromhex(answer["input"][2:]).decode()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, TypeError, KeyError):
        raise NotProved(f"No node at that address has the checkpoint {transaction}.") from None
    if not is_mined:
        raise NotProved(f"The checkpoint {transaction} is not mined yet.")
    return note


@app.callback()
def _commands() -> None:
    """So that `verify` is a command of its own."""


@app.command("verify")
def verify_file(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="From GET /v1/audit/export.")],
    key: Annotated[str, typer.Option(help="As GET /v1/audit/key told it once, or a file that has it.")],
    earlier: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True, dir_okay=False, help="A checkpoint that was noted before; may be repeated."
        ),
    ] = None,
    anchor: Annotated[
        list[str] | None,
        typer.Option(help="A transaction of GET /v1/audit/anchors, asked of the node; may be repeated."),
    ] = None,
    rpc_url: Annotated[str, typer.Option(help="JSON-RPC address of that node.")] = "http://127.0.0.1:8370",
    as_json: AsJson = False,
) -> None:
    """Say whether an exported audit is whole and unchanged; exit 1 when it is not."""
    try:
        verifier = VerifierKey.parse(_key_text(key))
        noted = [path.read_text(errors="replace") for path in earlier or []]
        noted += [anchored(rpc_url, transaction) for transaction in anchor or []]
        with file.open("rb") as opened:
            checkpoint = verify(opened, verifier, map(verifier.opened, noted))
    except NotProved as fault:
        typer.echo(f"mesh: {fault}", err=True)
        raise typer.Exit(1) from None
    told = asdict(checkpoint) | {"root": checkpoint.root.hex()}
    text = "{origin}: {size} entries hold, root {root}".format_map(told)
    typer.echo(json.dumps(told, indent=2) if as_json else text)


def _key_text(key: str) -> str:
    """What is in the file of that name; the key itself when there is none, or it is too long for a name."""
    try:
        return Path(key).read_text(errors="replace")
    except (OSError, ValueError):
        return key
