"""What ends when: a calendar of buckets, coarse far ahead and fine near by.

Items stand in plain lists, one pointer each.  A bucket of the coarsest level that fits the distance
takes an item in; when its time comes it is dealt out to 64 finer ones, and the finest is sorted
once, when it has become the earliest.  So filing is a list append, an item moves at most once a
level, and coming due costs what is due, never what is filed (hierarchical timing wheels, Varghese
and Lauck 1987, with sorting of the front bucket for exact deadlines).

Filed times are hints; ``due_of`` is the truth.  A renewal leaves the queue alone: the old entry
re-files itself when it comes up.  Only an item that becomes due *earlier* must be added again.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from typing import Generic, TypeVar

from nexus.model.time import NS_PER_S

T = TypeVar("T")

POP_LIMIT = 10_000
"""Items that come due in one call at most, so that a mass expiry does not stall the node."""

DEAL_LIMIT = 10_000
"""Items that one call moves to finer buckets, for the same reason."""

_FAN_SHIFT = 6
"""Each level's buckets are 2^6 times as wide as those of the level below."""
_LEVEL_MAX = 15
_KEY_SHIFT = 4
"""A bucket's key is its first tick, then 15 - level: keys rise with time, and of two buckets that
start together the coarse one, which may hide the earlier item, comes first."""
_LEVEL_OF_BITS = tuple(
    min(_LEVEL_MAX, max(0, bits - 1) // _FAN_SHIFT) for bits in range(_LEVEL_MAX * _FAN_SHIFT)
)


_NO_TICK = -1 << 62


class ExpiryQueue(Generic[T]):
    """Items in the order in which they come due.

    Parameters
    ----------
    due_of : when an item is due by its present state; None = not timed any more.
    bucket_ns : width of the finest buckets.

    Notes
    -----
    ``due_of`` may change between calls, not during one.  An item may be filed more than once.
    """

    __slots__ = (
        "_base_tick",
        "_bucket_ns",
        "_buckets",
        "_due_of",
        "_dues",
        "_heads",
        "_latest",
        "_latest_tick",
        "_order",
    )

    def __init__(self, due_of: Callable[[T], int | None], bucket_ns: int = NS_PER_S) -> None:
        self._due_of = due_of
        self._bucket_ns = bucket_ns
        self._buckets: dict[int, list[T]] = {}
        self._order: list[int] = []
        """Heap of the keys of `_buckets`."""
        self._dues: dict[int, array[int]] = {}
        """Filed times of the buckets that are sorted, beside their items."""
        self._heads: dict[int, int] = {}
        """How many items of a sorted bucket have been taken from its front."""
        self._latest_tick = _NO_TICK
        self._latest: list[T] = []
        """Where the latest item went, while that bucket is as it was: most items follow one."""
        self._base_tick: int | None = None
        """About now; from here distances choose a level.  Affects cost, never what is due."""

    def __len__(self) -> int:
        """Entries filed, those that time has passed by included."""
        filed = sum(len(items) for items in self._buckets.values())
        return filed - sum(self._heads.values())

    def add(self, item: T, due_ns: int) -> None:
        """File an item that is due at ``due_ns``."""
        tick = due_ns // self._bucket_ns
        if tick == self._latest_tick:
            self._latest.append(item)
            return
        key = tick << _KEY_SHIFT | _LEVEL_MAX
        items = self._buckets.get(key)
        if items is None:
            items = self._coarsest(tick)
        elif key in self._dues:
            self._insert(key, items, item, due_ns)
            return
        items.append(item)
        self._latest_tick, self._latest = tick, items

    def begin(self, now_ns: int) -> None:
        """Say what time it is before many are filed, so that they go where they belong."""
        self._base_tick = now_ns // self._bucket_ns

    def add_all(self, items: Iterable[T]) -> None:
        """File many, by ``due_of``; those not timed are left out."""
        timed: list[T] = []
        dues: list[int] = []
        for item in items:
            due_ns = self._due_of(item)
            if due_ns is not None:
                timed.append(item)
                dues.append(due_ns)
        self.add_dated(timed, dues)

    def add_dated(self, items: Sequence[T], dues: Sequence[int]) -> None:
        """File many; ``dues`` is what ``due_of`` says of each."""
        if not items:
            return
        bucket_ns = self._bucket_ns
        first, last = min(dues) // bucket_ns, max(dues) // bucket_ns
        level = self._level(first)
        shift = level * _FAN_SHIFT
        if level and first >> shift == last >> shift:
            self._bucket(first, level).extend(items)
            return
        coarse: dict[int, list[T]] = {}
        for item, due_ns in zip(items, dues, strict=True):
            tick = due_ns // bucket_ns
            bucket = coarse.get(tick >> _FAN_SHIFT)
            if bucket is not None:
                bucket.append(item)
            elif self._level(tick):
                # A bucket above the finest level takes its whole stretch of ticks.
                bucket = coarse[tick >> _FAN_SHIFT] = self._coarsest(tick)
                bucket.append(item)
            else:
                self.add(item, due_ns)

    def next_due_ns(self) -> int | None:
        """When `pop_due` has something to do; None if nothing is timed.

        The time of the earliest item or, while that may be in a bucket of more than `DEAL_LIMIT`
        items which is not dealt out yet, the beginning of the bucket.
        """
        left = DEAL_LIMIT
        while (key := self._front()) is not None:
            head = self._heads.get(key)
            if head is None:
                if key & _LEVEL_MAX != _LEVEL_MAX and len(self._buckets[key]) > left:
                    return (key >> _KEY_SHIFT) * self._bucket_ns
                left -= self._open(key, left)
                continue
            item, filed_ns = self._buckets[key][head], self._dues[key][head]
            due_ns = self._due_of(item)
            if due_ns is not None and due_ns <= filed_ns:
                # One that came due sooner was filed for that, too, and may be taken out already:
                # what is left of it is looked at when `pop_due` looks at it.
                return filed_ns
            self._heads[key] = head + 1
            if due_ns is not None:
                self.add(item, due_ns)
        return None

    def pop_due(self, now_ns: int, limit: int = POP_LIMIT) -> list[T]:
        """Take out what is due at or before ``now_ns``, in due order, each item once.

        At most ``limit`` items; the rest stays due.  Fewer, or none, if `DEAL_LIMIT` items had to
        be dealt out before the first of them could be told: `next_due_ns` then stays in the past.
        """
        self._base_tick = tick_now = now_ns // self._bucket_ns
        left = DEAL_LIMIT
        due: list[T] = []
        seen: set[object] = set()
        while len(due) < limit and (key := self._front()) is not None:
            if key not in self._heads:
                if left <= 0 or key >> _KEY_SHIFT > tick_now:
                    break
                left -= self._open(key, left)
                continue
            if not self._take(key, now_ns, limit, due, seen):
                break
        self._trim_front()
        return due

    def _take(self, key: int, now_ns: int, limit: int, due: list[T], seen: set[object]) -> bool:
        """Move what is due from a sorted bucket to ``due``; False if nothing was looked at.

        Stops at an item that has to be filed anew: it may come back to a place further on.
        """
        due_of = self._due_of
        items, dues = self._buckets[key], self._dues[key]
        head = first = self._heads[key]
        stop = bisect_right(dues, now_ns, head)
        while head < stop and len(due) < limit:
            item = items[head]
            due_ns = due_of(item)
            head += 1
            if due_ns is None:
                continue
            if due_ns > dues[head - 1]:
                self._heads[key] = head
                self.add(item, due_ns)
                return True
            name = item if type(item).__hash__ is not None else id(item)
            if name not in seen:
                seen.add(name)
                due.append(item)
        self._heads[key] = head
        return head > first

    def filed_within(self, until_ns: int, size: int) -> Iterator[list[T]]:
        """What may be due at or before ``until_ns``, in no order, up to ``size`` at a time.

        An item may come more than once, and ``due_of`` has not been asked.  The queue may change
        between two pieces: they are of the moment at which the first was asked for.
        """
        until_tick = until_ns // self._bucket_ns
        filed = [
            items[self._heads.get(key, 0) :]
            for key, items in self._buckets.items()
            if key >> _KEY_SHIFT <= until_tick
        ]
        piece: list[T] = []
        for items in filed:
            for first in range(0, len(items), size):
                piece += items[first : first + size]
                if len(piece) >= size:
                    yield piece
                    piece = []
        if piece:
            yield piece

    def due_within(self, until_ns: int) -> Iterator[T]:
        """What is due at or before ``until_ns``, in no order; an item may come more than once."""
        for items in self.filed_within(until_ns, POP_LIMIT):
            for item in items:
                due_ns = self._due_of(item)
                if due_ns is not None and due_ns <= until_ns:
                    yield item

    def _level(self, tick: int) -> int:
        """How coarse a bucket the distance of a tick allows."""
        if self._base_tick is None:
            self._base_tick = tick
        return _LEVEL_OF_BITS[abs(tick - self._base_tick).bit_length()]

    def _coarsest(self, tick: int) -> list[T]:
        """The bucket for a tick without a finest bucket, as coarse as its distance allows."""
        return self._bucket(tick, self._level(tick))

    def _bucket(self, tick: int, level: int) -> list[T]:
        shift = level * _FAN_SHIFT
        key = tick >> shift << shift << _KEY_SHIFT | _LEVEL_MAX - level
        items = self._buckets.get(key)
        if items is None:
            items = self._buckets[key] = []
            heappush(self._order, key)
        return items

    def _insert(self, key: int, items: list[T], item: T, due_ns: int) -> None:
        dues = self._dues[key]
        if not dues or due_ns >= dues[-1]:
            dues.append(due_ns)
            items.append(item)
            return
        at = bisect_right(dues, due_ns, self._heads[key])
        dues.insert(at, due_ns)
        items.insert(at, item)

    def _front(self) -> int | None:
        """The key of the earliest bucket that has an item left; None if there is none."""
        order = self._order
        while order:
            key = order[0]
            if self._heads.get(key, 0) < len(self._buckets[key]):
                return key
            self._latest_tick, self._latest = _NO_TICK, []
            heappop(order)
            del self._buckets[key]
            if key in self._heads:
                del self._dues[key], self._heads[key]
        return None

    def _open(self, key: int, limit: int) -> int:
        """Bring a bucket whose time has come closer to being sorted; how many items that moved."""
        self._latest_tick, self._latest = _NO_TICK, []
        level = _LEVEL_MAX - (key & _LEVEL_MAX)
        items = self._buckets[key]
        if not level:
            self._sort(key)
            return len(items)
        if len(items) > limit:
            moved, items[-limit:] = items[-limit:], []
        else:
            heappop(self._order)
            moved = self._buckets.pop(key)
        self._deal_out(key, level, moved)
        return len(moved)

    def _deal_out(self, key: int, level: int, items: list[T]) -> None:
        """Move items of a coarse bucket one level down; those whose time moved, anywhere."""
        first = key >> _KEY_SHIFT
        beyond = first + (1 << level * _FAN_SHIFT)
        for item in items:
            due_ns = self._due_of(item)
            if due_ns is None:
                continue
            tick = due_ns // self._bucket_ns
            finest = tick << _KEY_SHIFT | _LEVEL_MAX
            if first <= tick < beyond and finest not in self._dues:
                self._bucket(tick, level - 1).append(item)
            else:
                self.add(item, due_ns)

    def _sort(self, key: int) -> None:
        """Sort a finest bucket by due time; items whose time moved out of it are filed anew."""
        beyond_ns = ((key >> _KEY_SHIFT) + 1) * self._bucket_ns
        kept: list[T] = []
        dues: list[int] = []
        for item in self._buckets[key]:
            due_ns = self._due_of(item)
            if due_ns is None:
                continue
            if due_ns < beyond_ns:
                kept.append(item)
                dues.append(due_ns)
            else:
                self.add(item, due_ns)
        order = sorted(range(len(dues)), key=dues.__getitem__)
        self._buckets[key] = [kept[at] for at in order]
        self._dues[key] = array("q", [dues[at] for at in order])
        self._heads[key] = 0

    def _trim_front(self) -> None:
        """Let go of what was taken from the front bucket, once that is at least half of it."""
        if not self._order:
            return
        key = self._order[0]
        head = self._heads.get(key, 0)
        if head * 2 > len(self._buckets[key]):
            del self._buckets[key][:head], self._dues[key][:head]
            self._heads[key] = 0
