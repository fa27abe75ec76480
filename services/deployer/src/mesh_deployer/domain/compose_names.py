"""Names of a compose file in the SDL, whose names are labels of DNS."""

import re

_LONGEST = 63


def sdl_name(name: str) -> str:
    """`name` as Akash takes it for a service: `My_db.1` is `my-db-1`, `2048` is `s-2048`."""
    label = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    label = label if label[:1].isalpha() else f"s-{label}"
    return label[:_LONGEST].strip("-")
