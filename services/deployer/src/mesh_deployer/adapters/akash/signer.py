"""Who signs: a secp256k1 key, its address, transactions (SIGN_MODE_DIRECT) and tokens for providers."""

import base64
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bech32 import bech32_encode, convertbits
from coincurve import PrivateKey
from eth_account.hdaccount import key_from_seed, seed_from_mnemonic
from eth_utils.exceptions import ValidationError

from mesh_deployer.adapters.akash.wire import Coin, Message, encoded

PREFIX = "akash"
TOKEN_S = 300
_PATH = "m/44'/118'/0'/0/0"
"""The first account of a Cosmos wallet (SLIP-44)."""
_WORDS = frozenset({12, 15, 18, 21, 24})
_DIRECT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a transaction belongs: which chain, whose account, and the how-manieth of it."""

    chain_id: str
    account_number: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Signer:
    """A key that never leaves this object; its `repr` shows the address."""

    _key: PrivateKey = field(repr=False)

    @classmethod
    def of(cls, secret: str) -> "Signer":
        """From 64 hex digits or a mnemonic of 12 to 24 words (BIP-39, without a passphrase).

        Raises `ValueError`, which never shows the secret.
        """
        words = secret.split()
        try:
            if len(words) in _WORDS:
                return cls(PrivateKey(_derived(" ".join(words))))
            return cls(PrivateKey(bytes.fromhex(secret.strip().removeprefix("0x"))))
        except (ValidationError, ValueError):
            raise ValueError("neither 32 bytes in hex nor a mnemonic") from None

    @classmethod
    def read(cls, file: Path) -> "Signer":
        """From a file with such a secret. Raises `OSError`, `ValueError`."""
        return cls.of(file.read_text())

    @property
    def address(self) -> str:
        """The account's address in bech32."""
        digest = hashlib.new("ripemd160", hashlib.sha256(self.public_key).digest()).digest()
        bits = convertbits(digest, 8, 5)
        return bech32_encode(PREFIX, bits or [])

    @property
    def public_key(self) -> bytes:
        """33 bytes, compressed."""
        return self._key.public_key.format()

    def transaction(
        self, messages: Sequence[Message], place: Place, *, gas: int, fee: Coin, timeout_height: int
    ) -> bytes:
        """The bytes of a signed transaction, which is void after `timeout_height`."""
        body = encoded(
            "TxBody",
            {
                "messages": [{"type_url": m.type_url, "value": m.value} for m in messages],
                "timeout_height": timeout_height,
            },
        )
        auth = self._auth_info(place.sequence, gas, fee)
        document = {
            "body_bytes": body,
            "auth_info_bytes": auth,
            "chain_id": place.chain_id,
            "account_number": place.account_number,
        }
        signature = self._sign(encoded("SignDoc", document))
        return encoded("TxRaw", {"body_bytes": body, "auth_info_bytes": auth, "signatures": [signature]})

    def token(self, provider: str, scopes: Sequence[str], now: float | None = None) -> str:
        """A JWT by which a provider lets us do `scopes` on its leases with us (specs/jwt-schema.json)."""
        at = int(time.time() if now is None else now)
        access = {"access": "scoped", "scope": list(scopes), "provider": provider}
        claims = {
            "version": "v1",
            "iss": self.address,
            "iat": at,
            "nbf": at,
            "exp": at + TOKEN_S,
            "leases": {"access": "granular", "permissions": [access]},
        }
        signed = f"{_segment({'alg': 'ES256K', 'typ': 'JWT'})}.{_segment(claims)}"
        return f"{signed}.{_base64url(self._sign(signed.encode()))}"

    def _auth_info(self, sequence: int, gas: int, fee: Coin) -> bytes:
        key = {
            "type_url": "/cosmos.crypto.secp256k1.PubKey",
            "value": encoded("PubKey", {"key": self.public_key}),
        }
        info = {"public_key": key, "mode_info": {"single": {"mode": _DIRECT}}, "sequence": sequence}
        return encoded(
            "AuthInfo", {"signer_infos": [info], "fee": {"amount": [fee.fields], "gas_limit": gas}}
        )

    def _sign(self, data: bytes) -> bytes:
        """r and s, 64 bytes, over the SHA-256 of `data`; libsecp256k1 keeps s low, as Cosmos wants it."""
        return self._key.sign_recoverable(data)[:64]


def _derived(mnemonic: str) -> bytes:
    """The first account's private key (BIP-39, BIP-32). Raises `ValidationError` for a wrong word."""
    return key_from_seed(seed_from_mnemonic(mnemonic, passphrase=""), _PATH)


def _segment(document: Mapping[str, Any]) -> str:
    return _base64url(json.dumps(document, separators=(",", ":")).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
