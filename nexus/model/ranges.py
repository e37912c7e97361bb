"""Sets of whole numbers as sorted half-open spans.

The spans live flattened in one tuple ``(start, stop, start, stop, ...)`` that rises strictly, so a
number is inside exactly if the count of bounds at or below it is odd: membership is one bisection,
and two equal sets have equal tuples.  Numbers may be as wide as IPv6 addresses; nothing here walks
through them one by one except `indexes`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

import msgspec


class Ranges(msgspec.Struct, frozen=True):
    """A set of integers; build it with `Ranges.of`, which sorts and joins the spans."""

    bounds: tuple[int, ...] = ()

    @classmethod
    def of(cls, spans: Iterable[tuple[int, int]]) -> Ranges:
        """The union of half-open spans given in any order; empty spans count for nothing."""
        bounds: list[int] = []
        for start, stop in sorted(spans):
            if start >= stop:
                continue
            if bounds and start <= bounds[-1]:
                bounds[-1] = max(bounds[-1], stop)
            else:
                bounds += (start, stop)
        return cls(tuple(bounds))

    def __contains__(self, number: int) -> bool:
        return bool(bisect_right(self.bounds, number) & 1)

    def __bool__(self) -> bool:
        return bool(self.bounds)

    def __or__(self, other: Ranges) -> Ranges:
        return Ranges.of((*self.spans(), *other.spans()))

    def spans(self) -> Iterator[tuple[int, int]]:
        """Disjoint, non-adjacent half-open spans, rising."""
        return zip(self.bounds[::2], self.bounds[1::2], strict=True)

    @property
    def count(self) -> int:
        """How many numbers are in the set (`len` would stop at 2^63)."""
        return sum(stop - start for start, stop in self.spans())

    def within(self, start: int, stop: int) -> Ranges:
        """The part of the set inside ``[start, stop)``."""
        if not self.bounds or stop <= start:
            return NOTHING
        first = bisect_right(self.bounds, start) & ~1
        last = bisect_right(self.bounds, stop - 1)
        kept = self.bounds[first : last + (last & 1)]
        pairs = zip(kept[::2], kept[1::2], strict=True)
        return Ranges.of((max(low, start), min(high, stop)) for low, high in pairs)

    def count_within(self, start: int, stop: int) -> int:
        """How many numbers of the set are inside ``[start, stop)``."""
        return self.within(start, stop).count

    def next_outside(self, number: int) -> int:
        """The smallest number at or above ``number`` that is not in the set."""
        at = bisect_right(self.bounds, number)
        return self.bounds[at] if at & 1 else number

    def indexes(self) -> Iterator[int]:
        """Every number of the set, rising; only for sets known to be small."""
        for start, stop in self.spans():
            yield from range(start, stop)


NOTHING = Ranges()
"""The empty set."""
