"""Signing keys: made at first start, readable by their service alone."""

import os
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from eth_account import Account
from eth_account.signers.local import LocalAccount


def load_or_create(path: Path) -> LocalAccount:
    """The account whose key is in `path`; makes one, mode 0600, when there is none.

    The key is there whole or not at all, whoever dies, and the same for all who start at once.
    """
    if not path.exists():
        _create(path)
    return Account.from_key(path.read_text().strip())


def _create(path: Path) -> None:
    with NamedTemporaryFile("w", dir=path.parent) as file:
        file.write(Account.create().key.to_0x_hex())
        file.flush()
        os.fsync(file.fileno())
        with suppress(FileExistsError):  # somebody else was faster
            os.link(file.name, path)
