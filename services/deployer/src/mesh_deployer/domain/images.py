"""How container images are named."""

import re

_PART = r"[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*"
REFERENCE = (
    r"^([a-z0-9]([a-z0-9.-]{0,120}[a-z0-9])?(:[0-9]{1,5})?/)?"
    rf"{_PART}(/{_PART})*"
    r"(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?$"
)
"""Host and port, path, tag, digest: the grammar of github.com/distribution/reference.

No part can be `..`, so no name leads out of its registry or to another path of an engine's API.
"""
_REFERENCE = re.compile(REFERENCE)


def is_reference(image: str) -> bool:
    """True for a name that a registry has; Akash itself takes any text."""
    return bool(_REFERENCE.fullmatch(image))


def is_pinned(image: str) -> bool:
    """True when the name fixes the content."""
    return "@sha256:" in image
