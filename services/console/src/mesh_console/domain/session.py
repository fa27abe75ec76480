"""Who looks at the console, as their cookie says."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A visitor: `csrf` is in every form of theirs; without `token` they are not signed in.

    `token` is the gateway's for the five services, good until `expires_at` (Unix seconds).
    """

    csrf: str
    token: str = ""
    subject: str = ""
    scopes: tuple[str, ...] = ()
    expires_at: int = 0

    def is_signed_in(self, now: float) -> bool:
        """True while the token can be used."""
        return bool(self.token) and now < self.expires_at


def local(path: str) -> str:
    """`path` if it leads to a page of this console, else the first page.

    Browsers take `//host` and `/\\host` for another site (WHATWG URL, "special authority slashes").
    """
    is_ours = path.startswith("/") and path[1:2] not in ("/", "\\") and path.isprintable()
    return path if is_ours else "/"
