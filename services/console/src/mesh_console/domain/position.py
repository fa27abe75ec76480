"""How far a browser has come in the event logs of all services at once."""

from collections.abc import Mapping, Sequence

MOST = 2**53 - 1


def written(after: Mapping[str, int], services: Sequence[str]) -> str:
    """The number of the last event of each service, in their order: what an event stream has as id."""
    return ".".join(str(after[service]) for service in services)


def read(text: str, services: Sequence[str]) -> dict[str, int] | None:
    """What `written` wrote; None for any other text, which may come from anybody."""
    parts = text.split(".")
    if len(parts) != len(services) or not all(_is_number(part) for part in parts):
        return None
    return dict(zip(services, map(int, parts), strict=True))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= len(str(MOST)) and int(text) <= MOST
