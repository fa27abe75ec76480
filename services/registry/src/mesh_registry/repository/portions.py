"""Queries name so many things at once, and no more."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

MAX_PARAMETERS = 1000
"""Databases have limits, 32,766 at the least; longer lists gain nothing."""

T = TypeVar("T")


def portions(items: Iterable[T]) -> Iterator[list[T]]:
    """`items` in lists that a query can take."""
    rest = iter(items)
    while some := list(islice(rest, MAX_PARAMETERS)):
        yield some
