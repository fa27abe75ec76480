"""Questions to the owners of agents. Nobody keeps them: a nonce says by itself when it was asked whom.

So a stranger who asks for a million questions fills no table.
"""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime

from mesh_shared.auth.sign_in import SignIn
from mesh_shared.canonical import canonical_json

from mesh_security_gateway.errors import SiteNotAllowed, WalletRefused

LASTS_S = 300
_TIME, _RANDOM = 8, 16
"""Hex digits of a nonce: the second in which it was made, then what nobody can guess, then the seal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What `owner` signs to let its agent in: `text`, and nothing else. `expires_at` is in Unix seconds."""

    agent: str
    owner: str
    nonce: str
    text: str
    expires_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks: our public address, the chain that the agents are on, and the key that seals nonces.

    `sites` are the origins of pages that may ask for us.
    """

    url: str
    chain_id: int
    pepper: bytes
    sites: frozenset[str] = frozenset()

    def ask(self, agent: str, owner: str, now: int, salt: bytes, site: str = "") -> Challenge:
        """A question that no one asked before, as `salt` are 8 bytes that nobody can guess.

        It is shown on a page of `site`. Raises `SiteNotAllowed`.
        """
        if site and site not in self.sites:
            raise SiteNotAllowed
        return self._challenge(agent, owner, f"{now:08x}{salt.hex()}", site)

    def asked(self, agent: str, owner: str, nonce: str, now: int) -> Challenge:
        """The question that we asked under `nonce`.

        Raises `WalletRefused` for one that is not ours, was about another agent or to another owner, or is
        too old.
        """
        begin = nonce[: _TIME + _RANDOM]
        possible = (self._challenge(agent, owner, begin, site) for site in ("", *self.sites))
        known = next((one for one in possible if hmac.compare_digest(one.nonce, nonce)), None)
        if known is None or now >= known.expires_at:
            raise WalletRefused
        return known

    def _challenge(self, agent: str, owner: str, begin: str, site: str) -> Challenge:
        asked = canonical_json([agent, owner, begin, site])
        nonce = begin + hmac.digest(self.pepper, b"wallet-challenge\0" + asked, "sha256")[:16].hex()
        issued = int(begin[:_TIME], 16)
        until = issued + LASTS_S
        signed = SignIn(
            url=self.url,
            path="/v1/sessions",
            account=owner,
            chain_id=self.chain_id,
            statement="Open a session for my agent.",
            nonce=nonce,
            issued_at=datetime.fromtimestamp(issued, UTC),
            expires_at=datetime.fromtimestamp(until, UTC),
            resources=(f"{self.url}/v1/agents/{agent}",),
            site=site,
        )
        return Challenge(agent=agent, owner=owner, nonce=nonce, text=signed.text, expires_at=until)
