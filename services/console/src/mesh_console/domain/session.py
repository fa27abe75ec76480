"""Who looks at the console, as their cookie says."""

from dataclasses import dataclass

RENEWED_S = 450
"""What is left of a session when it is renewed: half of what the gateway gives."""
LONGEST_S = 12 * 3600
"""How long after somebody signed in their session is renewed: a long day's work."""
WARNED_S = 120
"""What is left of a session when its end is told: enough to finish a sentence and sign in again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A visitor: `csrf` is in every form of theirs; without `token` they are not signed in.

    `token` is the gateway's for the five services, good until `expires_at`; they signed in at `opened_at`
    (both Unix seconds). `held` is what the console calls the API key that renews it; nothing does without.
    """

    csrf: str
    token: str = ""
    subject: str = ""
    scopes: tuple[str, ...] = ()
    expires_at: int = 0
    opened_at: int = 0
    held: str = ""

    @property
    def agent(self) -> str:
        """The id of an agent that came by its wallet; empty for everybody else."""
        return self.subject if self.subject.startswith("0x") else ""

    def is_signed_in(self, now: float) -> bool:
        """True while the token can be used."""
        return bool(self.token) and now < self.expires_at

    def has_ended(self, now: float) -> bool:
        """True for who was signed in, and to whom that is to be told."""
        return bool(self.token) and not self.is_signed_in(now)

    def left_s(self, now: float) -> int:
        """Seconds until the end, 0 after it."""
        return max(0, int(self.expires_at - now))

    def is_due(self, now: float) -> bool:
        """True for who is at work so late in a session that it is renewed, if anything renews it."""
        return self.is_signed_in(now) and self.left_s(now) < RENEWED_S and now < self.opened_at + LONGEST_S


def local(path: str) -> str:
    """`path` if it leads to a page of this console, else the first page.

    Browsers take `//host` and `/\\host` for another site (WHATWG URL, "special authority slashes").
    """
    is_ours = path.startswith("/") and path[1:2] not in ("/", "\\") and path.isprintable()
    return path if is_ours else "/"
