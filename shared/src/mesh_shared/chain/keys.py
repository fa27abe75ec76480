"""Signing keys: made at first start, readable by their service alone."""

import os
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount


def load_or_create(path: Path) -> LocalAccount:
    """The account whose key is in `path`; makes one, mode 0600, when there is none."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return Account.from_key(path.read_text().strip())
    account = Account.create()
    with os.fdopen(descriptor, "w") as file:
        file.write(account.key.to_0x_hex())
    return account
