"""Allocation elements and their join, in pure form (R17, R18).

The tables that serve a shard keep the same facts packed (`nexus.ownership`); this module says what
they have to agree with, and its laws are proved by property tests.

An element is written only by the owner of its epoch, so two elements with one (epoch, seq) differ
at most in causal length: 1 is held, 2 is ended.  Of one resource the highest (epoch, seq, length)
stands.  An open element below a closed one does not shine through: within an epoch the log is
serial, so the later record ended the earlier, whether or not its own end was seen.

An epoch floor says that a successor serves: elements at or below it are forgotten, carried over or
not, since what is carried over has been written again above it.  What a floor must not forget is
until when the resource is blocked (R10), so ``blocked_until`` stays, as a vacant element.

What may not live here: clocks (ends and limits are integers on somebody's clock), shards' tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from nexus.crdt.digest import row_fingerprint

VACANT, HELD, ENDED = 0, 1, 2
"""Causal lengths of an element."""

Resource = tuple[int, int]
"""(pool number, unit index)."""
ShardId = tuple[int, int]
"""(pool number, shard index)."""


class Element(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One fact about one resource.

    ``ends`` is what the holder was told last and may shrink with a higher seq; ``blocked_until``
    is the latest instant ever told and only ever lengthens.
    """

    pool_no: int
    index: int
    subscriber: str
    epoch: int
    seq: int
    length: int
    ends: int
    blocked_until: int

    @property
    def resource(self) -> Resource:
        return (self.pool_no, self.index)

    @property
    def held(self) -> bool:
        return self.length == HELD


def join_elements(left: Element, right: Element) -> Element:
    """Least upper bound of two elements of one resource.

    The higher (epoch, seq, length) with the later of both ``blocked_until``.  Ends and subscriber
    are compared last, only so that the order is total whatever a broken peer sends.
    """
    upper = right if _order(right) > _order(left) else left
    blocked_until = max(left.blocked_until, right.blocked_until)
    if upper.blocked_until == blocked_until:
        return upper
    return msgspec.structs.replace(upper, blocked_until=blocked_until)


def above_floor(element: Element, floor: int) -> Element:
    """The element as it counts under an epoch floor: itself, or vacant at and below the floor."""
    if element.epoch > floor and element.length != VACANT:
        return element
    return Element(element.pool_no, element.index, "", 0, 0, VACANT, 0, element.blocked_until)


def _order(element: Element) -> tuple[bool, int, int, int, int, str]:
    return (
        element.length != VACANT,  # a vacant element names no record, whatever epoch it carries
        element.epoch,
        element.seq,
        element.length,
        element.ends,
        element.subscriber,
    )


class ElementView:
    """One replica's view: an element per resource and an epoch floor per shard.

    ``shard_of(pool_no, index)`` gives the shard of a unit; it must be the same on every replica.
    """

    def __init__(self, shard_of: Callable[[int, int], int]) -> None:
        self._shard_of = shard_of
        self._elements: dict[Resource, Element] = {}
        self._floors: dict[ShardId, int] = {}
        self._members: dict[ShardId, dict[int, None]] = {}
        self._fingerprints: dict[ShardId, int] = {}

    def merge(
        self, elements: Iterable[Element] = (), floors: Mapping[ShardId, int] | None = None
    ) -> tuple[Element, ...]:
        """Join a delta; returns the elements that stand differently than before, in their order."""
        changed: dict[Resource, Element] = {}
        for shard, floor in (floors or {}).items():
            self._raise_floor(shard, floor, changed)
        for element in elements:
            self._join(element, changed)
        return tuple(changed.values())

    def get(self, pool_no: int, index: int) -> Element | None:
        """What stands for a resource, ended and vacant elements included."""
        return self._elements.get((pool_no, index))

    def holder(self, pool_no: int, index: int) -> str | None:
        """Subscriber that holds the resource, None if nobody does."""
        element = self._elements.get((pool_no, index))
        return element.subscriber if element is not None and element.held else None

    def floor(self, pool_no: int, shard: int) -> int:
        """Epoch at and below which elements of the shard do not count, 0 if none was set."""
        return self._floors.get((pool_no, shard), 0)

    def fingerprint(self, pool_no: int, shard: int) -> int:
        """XOR of the `row_fingerprint` of the shard's elements; vacant ones do not count.

        Floors are compared as the epoch beside it (R19); ends and limits follow seq.
        """
        return self._fingerprints.get((pool_no, shard), 0)

    def state(self) -> tuple[tuple[Element, ...], tuple[tuple[ShardId, int], ...]]:
        """Everything, in sorted order: equal states are equal values and equal bytes."""
        elements = tuple(self._elements[resource] for resource in sorted(self._elements))
        return elements, tuple(sorted(self._floors.items()))

    def heads(self, pool_no: int, shard: int) -> dict[int, tuple[int, int, int, int]]:
        """Per unit index (epoch, seq, length, blocked_until): what a peer compares with its own."""
        return {
            index: (element.epoch, element.seq, element.length, element.blocked_until)
            for index in sorted(self._members.get((pool_no, shard), ()))
            for element in (self._elements[(pool_no, index)],)
        }

    def missing(
        self, pool_no: int, shard: int, heads: Mapping[int, tuple[int, int, int, int]]
    ) -> tuple[Element, ...]:
        """Elements that would change something at a peer with these heads, and no others."""
        lacking = []
        for index, mine in self.heads(pool_no, shard).items():
            theirs = heads.get(index, (0, 0, VACANT, 0))
            if mine[:3] > theirs[:3] or mine[3] > theirs[3]:
                lacking.append(self._elements[(pool_no, index)])
        return tuple(lacking)

    # --- inside -------------------------------------------------------------------------------

    def _join(self, element: Element, changed: dict[Resource, Element]) -> None:
        resource = element.resource
        shard = (element.pool_no, self._shard_of(element.pool_no, element.index))
        old = self._elements.get(resource)
        upper = above_floor(element, self._floors.get(shard, 0))
        if old is not None:
            upper = join_elements(old, upper)
        elif upper.length == VACANT and not upper.blocked_until:
            return  # nothing to remember
        if upper != old:
            self._install(shard, old, upper)
            changed[resource] = upper

    def _raise_floor(self, shard: ShardId, floor: int, changed: dict[Resource, Element]) -> None:
        if floor <= self._floors.get(shard, 0):
            return
        self._floors[shard] = floor
        for index in tuple(self._members.get(shard, ())):
            old = self._elements[(shard[0], index)]
            upper = above_floor(old, floor)
            if upper != old:
                self._install(shard, old, upper)
                changed[upper.resource] = upper

    def _install(self, shard: ShardId, old: Element | None, new: Element) -> None:
        fingerprint = self._fingerprints.get(shard, 0) ^ _fingerprint(new)
        if old is not None:
            fingerprint ^= _fingerprint(old)
        self._fingerprints[shard] = fingerprint
        members = self._members.setdefault(shard, {})
        if new.length == VACANT and not new.blocked_until:
            # A replica that never saw the element has nothing either: states must be equal.
            del self._elements[new.resource], members[new.index]
        else:
            self._elements[new.resource] = new
            members[new.index] = None


def _fingerprint(element: Element) -> int:
    if element.length == VACANT:
        return 0
    return row_fingerprint(
        element.index, element.subscriber, element.epoch, element.seq, element.length, 0
    )
