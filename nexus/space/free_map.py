"""The free units of one shard: pick, take, give, each in constant time at any fill.

Up to `DENSE_UNITS_MAX` units there is one bit a unit, made when the first unit is taken; a search
runs through them a word at a time.  Larger shards (an IPv6 /32 cut into /64s, a /8 in one shard)
keep pages of 256 units that exist only while they differ from their neighbours' usual state, and
above them the same thing again for "has this page a free unit": a search never walks through full
pages, and a shard of 2^54 units costs memory for what is taken alone.

Who may have a unit, and when it has cooled down, is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable

from bitarray import bitarray

from nexus.model.ranges import NOTHING, Ranges

DENSE_UNITS_MAX = 1 << 16
"""Largest shard with one bit a unit: 8 KiB, and 8 MiB for a whole pool of 1,024 shards."""

_PAGE_SHIFT = 8
_PAGE_UNITS = 1 << _PAGE_SHIFT
_PAGE_MASK = _PAGE_UNITS - 1
_PAGE_FREE = (1 << _PAGE_UNITS) - 1
_BIT = tuple(1 << offset for offset in range(_PAGE_UNITS))


class _Pages:
    """A set of free offsets ``0..size-1`` in pages opened on demand; all in it, or none, at first.

    A page is an int, one bit an offset, 1 = free.  ``_upper`` is the set of pages with a free bit.
    """

    __slots__ = ("_absent", "_pages", "_upper")

    def __init__(self, size: int, *, empty: bool) -> None:
        page_count = -(-size >> _PAGE_SHIFT)
        self._absent = 0 if empty else _PAGE_FREE
        self._pages: dict[int, int] = {}
        if size & _PAGE_MASK and not empty:
            self._pages[page_count - 1] = (1 << (size & _PAGE_MASK)) - 1
        self._upper = None if page_count == 1 else _Pages(page_count, empty=empty)

    def find(self, offset: int) -> int:
        """The first offset in the set at or after the one given, -1 if there is none."""
        page = offset >> _PAGE_SHIFT
        bits = self._pages.get(page, self._absent) >> (offset & _PAGE_MASK)
        if bits:
            return offset + (bits & -bits).bit_length() - 1
        if self._upper is None:
            return -1
        page = self._upper.find(page + 1)
        if page < 0:
            return -1
        bits = self._pages.get(page, self._absent)
        return (page << _PAGE_SHIFT) + (bits & -bits).bit_length() - 1

    def __contains__(self, offset: int) -> bool:
        page = self._pages.get(offset >> _PAGE_SHIFT, self._absent)
        return bool(page & _BIT[offset & _PAGE_MASK])

    def remove(self, offset: int) -> bool:
        """Take an offset out; False if it was not in."""
        page, bit = offset >> _PAGE_SHIFT, _BIT[offset & _PAGE_MASK]
        bits = self._pages.get(page, self._absent)
        if not bits & bit:
            return False
        self._store(page, bits ^ bit)
        if bits == bit and self._upper is not None:
            self._upper.remove(page)
        return True

    def add(self, offset: int) -> bool:
        """Put an offset in; False if it was in."""
        page, bit = offset >> _PAGE_SHIFT, _BIT[offset & _PAGE_MASK]
        bits = self._pages.get(page, self._absent)
        if bits & bit:
            return False
        self._store(page, bits | bit)
        if not bits and self._upper is not None:
            self._upper.add(page)
        return True

    def _store(self, page: int, bits: int) -> None:
        if bits == self._absent:
            del self._pages[page]
        else:
            self._pages[page] = bits


class FreeMap:
    """The free units of one shard, by unit index.

    Parameters
    ----------
    start, stop : unit indexes of the shard, half open, at least one.
    full : begin with no unit free instead of all of them.
    reserved : units that are never free; the part outside the shard is ignored.
    """

    __slots__ = ("_bits", "_has_holes", "_holes", "_pages", "_size", "_start", "free_count")

    def __init__(
        self, start: int, stop: int, *, full: bool = False, reserved: Ranges = NOTHING
    ) -> None:
        self._start = start
        self._size = stop - start
        self._bits: bitarray | None = None
        """1 = not free.  None until a unit is taken, and for ever in large shards."""
        self._pages: _Pages | None = None
        self._holes = reserved.within(start, stop)
        self._has_holes = bool(self._holes)
        self.free_count: int = 0 if full else self._size - self._holes.count
        if self._size > DENSE_UNITS_MAX:
            self._pages = _Pages(self._size, empty=full)
        elif full or self._has_holes:
            self._bits = self._opened(full=full)

    def pick(self, hint: int) -> int:
        """The first free unit at or after ``hint``, cyclic inside the shard; -1 if none is free.

        Does not take it.
        """
        if not self.free_count:
            return -1
        start = self._start
        offset = (hint - start) % self._size
        bits = self._bits
        if bits is None:
            return start + (offset if self._pages is None else self._find_in_pages(offset))
        found = bits.find(0, offset)
        return start + (found if found >= 0 else bits.find(0, 0, offset))

    def take(self, index: int) -> bool:
        """Make a unit not free; False if it was not free already."""
        offset = index - self._start
        bits = self._bits
        if bits is None or offset < 0:
            return self._take_elsewhere(offset)
        if bits[offset]:
            return False
        bits[offset] = 1
        self.free_count -= 1
        return True

    def give(self, index: int) -> bool:
        """Make a unit free; False if it was free already, or is reserved."""
        offset = index - self._start
        if self._has_holes and index in self._holes:
            return False
        bits = self._bits
        if bits is None or offset < 0:
            return self._give_elsewhere(offset)
        if not bits[offset]:
            return False
        bits[offset] = 0
        self.free_count += 1
        return True

    def is_free(self, index: int) -> bool:
        """Whether a unit is free."""
        offset = self._checked(index - self._start)
        if self._bits is not None:
            return not self._bits[offset]
        if self._pages is not None:
            return offset in self._pages and index not in self._holes
        return True

    def take_all(self, indexes: Iterable[int]) -> int:
        """Take many; how many of them were free."""
        before = self.free_count
        indexes = list(indexes)
        bits = self._opened_for(indexes)
        if bits is None:
            for index in indexes:
                self.take(index)
        else:
            start = self._start
            bits[[index - start for index in indexes] if start else indexes] = 1
            self.free_count = bits.count(0)
        return before - self.free_count

    def give_all(self, indexes: Iterable[int]) -> int:
        """Give many; how many of them were not free."""
        before = self.free_count
        for index in indexes:
            self.give(index)
        return self.free_count - before

    def _opened_for(self, indexes: list[int]) -> bitarray | None:
        """The bits to take several units from; None in a shard of pages, or if there are none.

        Raises
        ------
        IndexError : one of the units is not in this shard.
        """
        if not indexes or self._pages is not None:
            return None
        self._checked(min(indexes) - self._start)
        self._checked(max(indexes) - self._start)
        if self._bits is None:
            self._bits = self._opened(full=False)
        return self._bits

    def _opened(self, *, full: bool) -> bitarray:
        bits = bitarray(self._size)
        bits.setall(full)
        for low, high in self._holes.spans():
            bits[low - self._start : high - self._start] = 1
        return bits

    def _checked(self, offset: int) -> int:
        if not 0 <= offset < self._size:
            raise IndexError(f"unit {self._start + offset} is not in this shard")
        return offset

    def _find_in_pages(self, offset: int) -> int:
        """First free offset, cyclic; reserved spans are jumped over, each at most twice."""
        assert self._pages is not None
        for begin in (offset, 0):
            found = self._pages.find(begin)
            while found >= 0:
                beyond = self._holes.next_outside(self._start + found) - self._start
                if beyond == found:
                    return found
                found = self._pages.find(beyond) if beyond < self._size else -1
        raise AssertionError(f"free_count is {self.free_count}, but no unit is free")

    def _take_elsewhere(self, offset: int) -> bool:
        """`take` in a shard of pages, or the first one in a shard of bits."""
        index = self._start + self._checked(offset)
        if self._pages is None:
            self._bits = self._opened(full=False)
            return self.take(index)
        if index in self._holes or not self._pages.remove(offset):
            return False
        self.free_count -= 1
        return True

    def _give_elsewhere(self, offset: int) -> bool:
        """`give` in a shard of pages, or in one where all units are free."""
        self._checked(offset)
        if self._pages is None or not self._pages.add(offset):
            return False
        self.free_count += 1
        return True
