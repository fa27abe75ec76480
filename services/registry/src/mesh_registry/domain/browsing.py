"""Which agents a browser of the catalog wants, and in which order (Agentic Resource Discovery 0.5, §7.4).

A filter is `field = 'value'`, or `field > 'time'`, with ` AND ` between them; appendix A has the fields.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from mesh_registry.domain.agents import Agent, Listing
from mesh_registry.domain.catalog import Entry

_DATE = r"2[0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_TIME = rf"{_DATE}(T{_CLOCK}:[0-5][0-9](Z|[+-]{_CLOCK}))?"
_TERM = (
    r"((displayName|type|publisherId) ?= ?'([^'\x00-\x1f]|'')+'"
    rf"|(createdAfter|updatedAfter) ?[=>] ?'{_TIME}')"
)
MOST_TERMS = 5
FILTER = rf"^{_TERM}( AND {_TERM}){{0,{MOST_TERMS - 1}}}$"
ORDER = r"^(createdAt|updatedAt)( (ASC|DESC|asc|desc))?$"
_READ = re.compile(r"([A-Za-z]+) ?[=>] ?'((?:[^']|'')*)'")


class Key(StrEnum):
    """What the catalog is sorted by. RANK is best first, and nothing that ARD knows."""

    RANK = "rank"
    CREATED = "createdAt"
    UPDATED = "updatedAt"


@dataclass(frozen=True, slots=True)
class Order:
    """Ascending unless `is_descending`; agents that are equal come in the order of their registration."""

    by: Key = Key.RANK
    is_descending: bool = False

    def position(self, agent: Agent) -> list[str | int]:
        """Where an agent stands; tokens are given in the order of registration."""
        match self.by:
            case Key.RANK:
                return [agent.place]
            case Key.CREATED:
                return [agent.token_id]
            case Key.UPDATED:
                return [agent.stated_at, agent.token_id]


def order_from(text: str | None) -> Order:
    """The order that `ORDER` describes; best first without one."""
    by, _, direction = (text or Key.RANK).partition(" ")
    return Order(Key(by), direction.lower() == "desc")


@dataclass(frozen=True, slots=True)
class Term:
    """One condition of a filter."""

    field: str
    value: str

    def holds(self, listing: Listing, entry: Entry) -> bool:
        """Whether it holds for an agent and the entry that is made of it."""
        match self.field:
            case "displayName":
                return str(entry["displayName"]).casefold() == self.value.casefold()
            case "type":
                return entry["type"] in self._choices
            case "publisherId":
                return str(entry["identifier"]).split(":")[2] in self._choices
            case "createdAfter":
                return listing.agent.registered_at > seconds(self.value)
            case _:
                return listing.agent.stated_at > seconds(self.value)

    @property
    def _choices(self) -> list[str]:
        return [choice.strip() for choice in self.value.split(",")]


def terms(text: str) -> list[Term]:
    """The conditions in a filter that fits `FILTER`; two quotes within a value are one."""
    return [Term(field, value.replace("''", "'")) for field, value in _READ.findall(text)]


def fits(listing: Listing, entry: Entry, wanted: Sequence[Term]) -> bool:
    """Whether all of `wanted` hold."""
    return all(term.holds(listing, entry) for term in wanted)


def seconds(instant: str) -> int:
    """Unix seconds of a time as `FILTER` has it; a day without a clock begins at midnight UTC.

    Days that a month does not have count into the next one, as SQLite's `date()` has it: a pattern cannot
    know them, and what fits the published pattern is answered.
    """
    date, _, clock = instant.partition("T")
    first = datetime.fromisoformat(f"{date[:8]}01T{clock or '00:00:00Z'}")
    return int((first + timedelta(days=int(date[8:]) - 1)).timestamp())
