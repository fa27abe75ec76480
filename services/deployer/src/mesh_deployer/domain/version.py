"""The `version` of an SDL. After chain-sdk's go/sdl/sdl.go and github.com/blang/semver's ParseTolerant."""

import re
from enum import StrEnum

_VERSION = re.compile(
    r"v?(?P<major>[0-9]{1,20})(\.(?P<minor>[0-9]{1,20}))?"
    r"(\.(?P<patch>[0-9]{1,20})(?P<pre>-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?)?"
)
_MAX_UINT64 = 2**64 - 1


class Rules(StrEnum):
    """By which of Akash's two compilers an SDL is compiled."""

    V2_0 = "2.0"
    V2_1 = "2.1"


def rules(text: str) -> Rules | None:
    """The rules for a version: 2.0 is 2.0, everything from 2.1 on is 2.1, anything else is refused (None)."""
    match = _VERSION.fullmatch(text.strip())
    if match is None:
        return None
    number = tuple(int(match[part] or 0) for part in ("major", "minor", "patch"))
    if max(number) > _MAX_UINT64:
        return None
    is_release = match["pre"] is None
    if number == (2, 0, 0) and is_release:
        return Rules.V2_0
    return Rules.V2_1 if number > (2, 1, 0) or (number == (2, 1, 0) and is_release) else None
