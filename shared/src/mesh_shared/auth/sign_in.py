"""The text that a wallet signs to prove itself (EIP-4361). Written here and never read: see ADR 0007."""

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Who asks whom for what.

    `url` is our public address and `path` what is asked for there. `site` is the origin of the page that
    shows the text, where that is not ours: a wallet compares the two. `nonce` is 8 or more letters and
    digits. `resources` are addresses of what it is about; one at least.
    """

    url: str
    path: str
    account: str
    chain_id: int
    statement: str
    nonce: str
    issued_at: datetime
    expires_at: datetime
    resources: tuple[str, ...]
    site: str = ""

    @property
    def text(self) -> str:
        """All of it; whatever else is signed is no answer."""
        return "\n".join(
            [
                f"{urlsplit(self.site or self.url).netloc} wants you to sign in with your Ethereum account:",
                self.account,
                "",
                self.statement,
                "",
                f"URI: {self.url}{self.path}",
                "Version: 1",
                f"Chain ID: {self.chain_id}",
                f"Nonce: {self.nonce}",
                f"Issued At: {_instant(self.issued_at)}",
                f"Expiration Time: {_instant(self.expires_at)}",
                "Resources:",
                *(f"- {resource}" for resource in self.resources),
            ]
        )


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
