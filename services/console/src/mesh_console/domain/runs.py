"""A run as a picture: who waits for whom, when each step ran, and where its money is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from mesh_console.domain import words

LEAST_WIDTH = 0.6
"""Percent of a timeline that the shortest step is drawn with, so that it can be seen."""
_INSTANT = timedelta(milliseconds=1)


def graph(steps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The steps as nodes with a tone each, and an edge from each step to those that need it."""
    nodes = [
        {
            "id": step["id"],
            "label": step["id"],
            "note": step["status"].replace("_", " "),
            "tone": words.tone(step["status"]),
            "href": f"#step-{place}",
        }
        for place, step in enumerate(steps)
    ]
    known = {step["id"] for step in steps}
    edges = [[need, step["id"]] for step in steps for need in step["needs"] if need in known]
    return {"nodes": nodes, "edges": edges}


@dataclass(frozen=True, slots=True)
class Bar:
    """Where a step is on the timeline of its run, in percent of the whole."""

    left: float
    width: float


def bars(steps: Sequence[Mapping[str, Any]], now: datetime) -> list[Bar | None]:
    """One bar for each step that has started; what still runs ends now."""
    spans = [_span(step, now) for step in steps]
    begun = [span for span in spans if span]
    if not begun:
        return [None] * len(steps)
    first, last = min(start for start, _ in begun), max(end for _, end in begun)
    whole = max(last - first, _INSTANT)
    return [_bar(span, first, whole) if span else None for span in spans]


def _span(step: Mapping[str, Any], now: datetime) -> tuple[datetime, datetime] | None:
    if step["started_at"] is None:
        return None
    start = datetime.fromisoformat(step["started_at"])
    end = datetime.fromisoformat(step["ended_at"]) if step["ended_at"] else now
    return start, max(start, end)


def _bar(span: tuple[datetime, datetime], first: datetime, whole: timedelta) -> Bar:
    left, width = (span[0] - first) / whole * 100, (span[1] - span[0]) / whole * 100
    width = max(width, LEAST_WIDTH)
    return Bar(round(min(left, 100 - width), 2), round(width, 2))


@dataclass(frozen=True, slots=True)
class Balance:
    """Base units that a run put into escrow, and where they are; what went in is all accounted for."""

    paid_in: int
    locked: int
    released: int
    refunded: int

    @property
    def is_even(self) -> bool:
        """True when what went in is what came out and what is still locked."""
        return self.paid_in == self.locked + self.released + self.refunded


def balance(escrows: Sequence[Mapping[str, Any]]) -> Balance:
    """The sum over a run's escrows; one that was never opened holds nothing."""
    units = Counter[str]()
    for escrow in escrows:
        if escrow["state"] != "none":
            units[escrow["state"]] += int(escrow["amount"])
    out = units["released"], units["refunded"]
    locked = units["funded"] + units["submitted"] + units["disputed"]
    return Balance(sum(units.values()), locked, *out)
