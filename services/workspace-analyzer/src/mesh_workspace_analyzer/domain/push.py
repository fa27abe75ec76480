"""What GitHub tells of a push, and whether GitHub has told it."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import ClassVar

import msgspec

NOBODY = "0" * 40
"""Stands for no commit: before a branch is made, and after it is deleted."""
BRANCH = "refs/heads/"


class Repository(msgspec.Struct, frozen=True):
    """The repository of a push, by the name that GitHub has for it."""

    full_name: str
    default_branch: str


class Push(msgspec.Struct, frozen=True):
    """A push to a branch or a tag: what it stood at before and after.

    Source: GitHub's documentation, "Webhook events and payloads", `push`.
    """

    ref: str
    before: str
    after: str
    repository: Repository

    @property
    def is_work(self) -> bool:
        """True when a branch stands at a commit now; False for tags, and for a branch that was deleted."""
        return self.ref.startswith(BRANCH) and self.after != NOBODY

    @property
    def base(self) -> str:
        """What to compare with: a new branch with the repository's default one."""
        return self.repository.default_branch if self.before == NOBODY else self.before


def read(body: bytes) -> Push:
    """The push that GitHub sent. Raises `msgspec.MsgspecError` for what is none."""
    return msgspec.json.decode(body, type=Push)


@dataclass(frozen=True, slots=True)
class Secret:
    """What GitHub and we know. Its signatures are HMAC-SHA-256, in hex after `sha256=`.

    Source: GitHub's documentation, "Validating webhook deliveries".
    """

    value: bytes
    PREFIX: ClassVar[str] = "sha256="

    def __repr__(self) -> str:
        return "Secret(…)"

    def signed(self, body: bytes, signature: str) -> bool:
        """True when `signature` is of `body`; takes as long for one that is nearly right."""
        ours = self.PREFIX + hmac.new(self.value, body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(ours.encode(), signature.encode())
