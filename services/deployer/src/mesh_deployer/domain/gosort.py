"""Go's `sort`, whose order of equal items, and under a comparison that is no order, is that of its algorithm.

Akash's hash depends on it. Source: sort/zsortfunc.go of Go 1.19 and later (pattern-defeating quicksort).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
Less = Callable[[T, T], bool]

MAX_STABLE = 20
"""Up to it Go's stable sort is insertion; more is merged in place, which is not done here."""
_INSERTION, _NINTHER, _SHIFTING, _STEPS = 12, 50, 50, 5
_MASK = 2**64 - 1
_ALL_SWAPPED = 12


def sort(items: Sequence[T], less: Less[T]) -> list[T]:
    """`items` as `sort.Sort` leaves them; not stable beyond twelve."""
    sorter = _Sorter(list(items), less)
    sorter.quick(0, len(items), len(items).bit_length())
    return sorter.items


def sort_stable(items: Sequence[T], less: Less[T]) -> list[T]:
    """At most `MAX_STABLE` items as `sort.SliceStable` leaves them."""
    sorter = _Sorter(list(items), less)
    sorter.insertion(0, len(items))
    return sorter.items


@dataclass(slots=True)
class _Sorter(Generic[T]):
    """Sorts `items[a:b]` in place; every method is the function of that name in Go's package."""

    items: list[T]
    compare: Less[T]

    def less(self, i: int, j: int) -> bool:
        return self.compare(self.items[i], self.items[j])

    def swap(self, i: int, j: int) -> None:
        self.items[i], self.items[j] = self.items[j], self.items[i]

    def insertion(self, a: int, b: int) -> None:
        for i in range(a + 1, b):
            j = i
            while j > a and self.less(j, j - 1):
                self.swap(j, j - 1)
                j -= 1

    def quick(self, a: int, b: int, limit: int) -> None:
        balanced = partitioned = True
        while b - a > _INSERTION:
            if limit == 0:
                return self.heap(a, b)
            if not balanced:
                self.break_patterns(a, b)
                limit -= 1
            pivot, swaps = self.choose_pivot(a, b)
            if swaps == _ALL_SWAPPED:
                self.items[a:b] = self.items[a:b][::-1]
                pivot = (b - 1) - (pivot - a)
            looks_sorted = balanced and partitioned and swaps in (0, _ALL_SWAPPED)
            if looks_sorted and self.partial_insertion(a, b):
                return None
            if a > 0 and not self.less(a - 1, pivot):
                a = self.partition_equal(a, b, pivot)
                continue
            length = b - a
            middle, partitioned = self.partition(a, b, pivot)
            balanced = min(middle - a, b - middle) >= length // 8
            if middle - a < b - middle:
                self.quick(a, middle, limit)
                a = middle + 1
            else:
                self.quick(middle + 1, b, limit)
                b = middle
        return self.insertion(a, b)

    def partition(self, a: int, b: int, pivot: int) -> tuple[int, bool]:
        self.swap(a, pivot)
        i, j = self._meet(a, a + 1, b - 1)
        was_partitioned = i > j
        while i <= j:
            self.swap(i, j)
            i, j = self._meet(a, i + 1, j - 1)
        self.swap(j, a)
        return j, was_partitioned

    def _meet(self, a: int, i: int, j: int) -> tuple[int, int]:
        while i <= j and self.less(i, a):
            i += 1
        while i <= j and not self.less(j, a):
            j -= 1
        return i, j

    def partition_equal(self, a: int, b: int, pivot: int) -> int:
        self.swap(a, pivot)
        i, j = a + 1, b - 1
        while True:
            while i <= j and not self.less(a, i):
                i += 1
            while i <= j and self.less(a, j):
                j -= 1
            if i > j:
                return i
            self.swap(i, j)
            i, j = i + 1, j - 1

    def partial_insertion(self, a: int, b: int) -> bool:
        i = a + 1
        for _ in range(_STEPS):
            while i < b and not self.less(i, i - 1):
                i += 1
            if i == b or b - a < _SHIFTING:
                return i == b
            self.swap(i, i - 1)
            self._shift(i, a, b)
        return False

    def _shift(self, i: int, a: int, b: int) -> None:
        j = i - 1
        while i - a > 1 and j >= 1 and self.less(j, j - 1):
            self.swap(j, j - 1)
            j -= 1
        j = i + 1
        while b - i > 1 and j < b and self.less(j, j - 1):
            self.swap(j, j - 1)
            j += 1

    def break_patterns(self, a: int, b: int) -> None:
        length = random = b - a
        modulus = 1 << length.bit_length()
        middle = a + length // 4 * 2
        for index in range(middle - 1, middle + 2):
            random = _next(random)
            other = random & (modulus - 1)
            self.swap(index, a + (other - length if other >= length else other))

    def choose_pivot(self, a: int, b: int) -> tuple[int, int]:
        quarter, swaps = (b - a) // 4, 0
        picks = [a + quarter, a + quarter * 2, a + quarter * 3]
        if b - a >= _NINTHER:
            for place, pick in enumerate(picks):
                picks[place], swapped = self.median(pick - 1, pick, pick + 1)
                swaps += swapped
        pivot, swapped = self.median(*picks)
        return pivot, swaps + swapped

    def median(self, a: int, b: int, c: int) -> tuple[int, int]:
        swaps = 0
        if self.less(b, a):
            a, b, swaps = b, a, swaps + 1
        if self.less(c, b):
            b, c, swaps = c, b, swaps + 1
        if self.less(b, a):
            a, b, swaps = b, a, swaps + 1
        return b, swaps

    def heap(self, a: int, b: int) -> None:
        for low in range((b - a - 1) // 2, -1, -1):
            self.sift_down(low, b - a, a)
        for high in range(b - a - 1, -1, -1):
            self.swap(a, a + high)
            self.sift_down(0, high, a)

    def sift_down(self, root: int, high: int, first: int) -> None:
        while (child := 2 * root + 1) < high:
            if child + 1 < high and self.less(first + child, first + child + 1):
                child += 1
            if not self.less(first + root, first + child):
                return
            self.swap(first + root, first + child)
            root = child


def _next(random: int) -> int:
    """The next number of a xorshift generator."""
    random ^= random << 13 & _MASK
    random ^= random >> 7
    return random ^ (random << 17 & _MASK)
