"""What a build writes, numbered so that anyone can follow it from any point on."""

from dataclasses import dataclass

MOST_KEPT = 1 << 17
"""Characters of a build's log that are kept: the newest."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the log; `ends_at` is how many characters the build had written at its end."""

    ends_at: int
    text: str

    @property
    def starts_at(self) -> int:
        """How many characters the build had written before it."""
        return self.ends_at - len(self.text)

    def after(self, position: int) -> "Piece":
        """What of it comes after the first `position` characters of the log."""
        return Piece(self.ends_at, self.text[max(position - self.starts_at, 0) :])
