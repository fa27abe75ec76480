"""Listens to a build until somebody has stored what it wrote."""

import asyncio
import codecs
from dataclasses import dataclass, field

from mesh_workspace_analyzer.domain.build_log import MOST_KEPT, Piece


@dataclass(slots=True)
class Recorder:
    """What a build has written and nobody has stored yet: the newest `most` characters of it."""

    most: int = MOST_KEPT
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while there is something to store."""
    _text: str = ""
    _written: int = 0
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")(errors="replace")
    )

    def hear(self, chunk: bytes) -> None:
        """Takes what the build wrote: UTF-8, cut anywhere. NUL is left out: PostgreSQL has no text for it."""
        text = self._decoder.decode(chunk).replace("\0", "")
        self._written += len(text)
        self._text = (self._text + text)[-self.most :]
        if text:
            self.heard.set()

    def pending(self) -> Piece:
        """What is to be stored."""
        return Piece(self._written, self._text)

    def stored(self, piece: Piece) -> None:
        """Forgets what `piece` has."""
        self._text = self.pending().after(piece.ends_at).text
        if not self._text:
            self.heard.clear()
