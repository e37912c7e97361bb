"""A pool at one node: its shards, who holds what in it, and the engine that opens and closes rows.

One engine serves every resource type: it knows unit indexes and nothing else.  Every unit of a
shard is in exactly one state, and the counters say so at any moment (invariant 5).  Only an owner
picks units; replicas merge rows.  Both ways end in `attach` and `_detach`.
"""

from __future__ import annotations

from collections.abc import Iterator

from xxhash import xxh3_64_intdigest

from nexus.model.pool import PoolSpec
from nexus.model.time import NS_PER_S
from nexus.ownership import records
from nexus.ownership.clocks import NodeClocks
from nexus.ownership.shard import (
    CLOSED,
    FLAG_CLAIM,
    FLAG_FREE,
    FLAG_GONE,
    FLAG_RETIRED,
    HELD,
    STICKY,
    Row,
    Shard,
)
from nexus.resources.base import Geometry
from nexus.space.expiry import ExpiryQueue
from nexus.space.free_map import FreeMap


def held_due(row: Row) -> int | None:
    """When an open row ends, on the told timeline."""
    return row.ends if row.length == HELD and row.ends and not row.flags & FLAG_GONE else None


def cooling_due(row: Row) -> int | None:
    """When a closed row stops blocking its unit, on the slow timeline."""
    if row.length != CLOSED or row.flags & (FLAG_FREE | FLAG_GONE):
        return None
    return row.blocked


class PoolState:
    """One generation of a pool.  Units are indexes 0..size-1; shards are contiguous."""

    __slots__ = (
        "_shard_count",
        "_size",
        "available",
        "claims",
        "claims_beside",
        "cooldown_ns",
        "cooling_queue",
        "created_us",
        "doubles",
        "frozen",
        "generation",
        "geometry",
        "held_queue",
        "inheriting",
        "mclt_ns",
        "pool_no",
        "retired_slow",
        "retired_us",
        "shards",
        "spec",
        "subs",
        "touched",
    )

    def __init__(
        self, pool_no: int, generation: int, spec: PoolSpec, geometry: Geometry, created_us: int
    ) -> None:
        self.pool_no = pool_no
        self.generation = generation
        self.spec = spec
        self.geometry = geometry
        self._size = geometry.size
        self._shard_count = geometry.shard_count
        self.created_us = created_us
        self.retired_us: int | None = None
        """When the pool was deleted; its rows stay until nothing told of them can be in use."""
        self.retired_slow: int | None = None
        """The same instant on this node's slow timeline, or a later one; None: not known yet."""
        self.inheriting = False
        """What a deleted pool over the same range left blocked is still being taken over."""
        self.frozen = 0
        """Deletions under way: nothing new is allocated while one is being decided."""
        self.cooldown_ns = spec.cooldown * NS_PER_S
        self.mclt_ns = spec.mclt * NS_PER_S
        self.subs: dict[str, Row] = {}
        self.claims: dict[str, Row] = {}
        """The newest claim of a sticky subscriber."""
        self.claims_beside: dict[str, list[Row]] = {}
        """Its other claims, if it has any: one of them counts when the newest goes."""
        self.doubles: dict[str, list[Row]] = {}
        """R20: younger open rows of subscribers that a partition gave two."""
        self.touched: dict[tuple[int, int], Shard] = {}
        """Shards whose fingerprint has changed: for the node's digests, which share one such."""
        self.held_queue: ExpiryQueue[Row] = ExpiryQueue(held_due)
        self.cooling_queue: ExpiryQueue[Row] = ExpiryQueue(cooling_due)
        self.available = 0
        """Bit i is set while this node serves shard i and it has a free unit without a claim."""
        self.shards: list[Shard] = []
        for index in range(geometry.shard_count):
            start, stop = geometry.shard_range(index)
            reserved = geometry.reserved.count_within(start, stop)
            self.shards.append(Shard(pool_no, index, start, stop, reserved))

    # --- looking -----------------------------------------------------------------------------

    def shard_at(self, index: int) -> Shard:
        """The shard of a unit (`Geometry.shard_of` without the way there: every call asks this)."""
        return self.shards[((index + 1) * self._shard_count - 1) // self._size]

    def row_at(self, index: int) -> Row | None:
        """The newest element of a unit, None if it is not remembered."""
        return self.shard_at(index).rows.get(index)

    def rows_of(self, subscriber: str) -> list[Row]:
        """Open rows of a subscriber: one, or two after a partition (R20)."""
        row = self.subs.get(subscriber)
        if row is None:
            return []
        return [row, *self.doubles.get(subscriber, ())]

    def rows_after(self, index: int) -> Iterator[Row]:
        """All rows of units above ``index``, in order of units."""
        first = 0 if index < 0 else self.geometry.shard_of(index)
        for shard in self.shards[first:]:
            yield from shard.rows.after(index)

    def pick(self, subscriber: str) -> int:
        """A free unit without a claim in a served shard, -1 if there is none.

        The start follows from the subscriber alone, so the same request gets the same unit on any
        node and in any run; the cost does not depend on how full the pool is.
        """
        mask = self.available
        if not mask:
            return -1
        size = self._size
        hint = xxh3_64_intdigest(subscriber.encode()) % size
        first = ((hint + 1) * self._shard_count - 1) // size
        above = mask >> first
        if above & 1:
            number = first
        elif above:
            number = first + (above & -above).bit_length() - 1
        else:
            number = (mask & -mask).bit_length() - 1
        free = self.shards[number].free
        assert free is not None
        return free.pick(hint if number == first else self.shards[number].start)

    def pick_claimed(self, subscriber: str) -> int:
        """A free unit that somebody has only a claim to, -1 if there is none.  For a full pool."""
        hint = xxh3_64_intdigest(subscriber.encode()) % self.geometry.size
        count = len(self.shards)
        first = self.geometry.shard_of(hint)
        for step in range(count):
            shard = self.shards[(first + step) % count]
            if shard.claimed is not None and shard.claimed.free_count and shard.available:
                return shard.claimed.pick(hint)
        return -1

    # --- changing ----------------------------------------------------------------------------

    def set_available(self, shard: Shard, available: bool) -> None:
        """This node may (not) allocate from the shard now; its free units count accordingly."""
        shard.available = available
        if available and shard.free is not None and shard.free.free_count:
            self.available |= 1 << shard.index
        else:
            self.available &= ~(1 << shard.index)

    def build_free_maps(self, shard: Shard) -> None:
        """Make the maps of free units from the rows: done once, when serving begins."""
        free = FreeMap(shard.start, shard.stop, reserved=self.geometry.reserved)
        claimed = FreeMap(shard.start, shard.stop, full=True)
        free.take_all(shard.rows.units())
        if self.claims:  # only a claim's unit can be free with a row: else no row needs a look
            claimed.give_all([row.index for row in shard.rows if row.flags & FLAG_FREE])
        shard.free = free
        shard.claimed = claimed

    def drop_free_maps(self, shard: Shard) -> None:
        """This node does not serve the shard any more."""
        self.set_available(shard, available=False)
        shard.free = None
        shard.claimed = None

    def open(self, shard: Shard, row: Row) -> None:
        """A free unit (or the subscriber's own claim) becomes held by ``row``."""
        old = shard.rows.put(row)
        if old is not None:
            self._detach(shard, old)
            old.flags |= FLAG_GONE
        free = shard.free
        if free is not None:
            free.take(row.index)
            if not free.free_count:
                self.available &= ~(1 << shard.index)
        subscriber = row.subscriber
        if shard.digest is not None or subscriber in self.subs:
            self.attach(shard, row)
            return
        shard.held += 1
        self.subs[subscriber] = row
        if row.ends:
            self.held_queue.add(row, row.ends)

    def change(self, shard: Shard, row: Row, seq: int, ends: int, blocked: int) -> None:
        """A new record of an open row: another end, same holder."""
        if shard.digest is not None:
            shard.digest ^= row.fingerprint()
        row.seq = seq
        sooner = ends and (not row.ends or ends < row.ends)
        row.ends = ends
        if sooner:
            self.held_queue.add(row, ends)
        row.blocked = records.r10_blocked_until(row.blocked, blocked)
        if shard.digest is not None:
            shard.digest ^= row.fingerprint()
            self.touched[shard.key] = shard

    def close(self, shard: Shard, row: Row, epoch: int, seq: int, reuse_at: int) -> None:
        """An open row ends; its unit cools until ``reuse_at`` (slow)."""
        self._detach(shard, row)
        row.epoch = epoch
        row.seq = seq
        row.length = CLOSED
        row.blocked = reuse_at
        row.flags &= ~(FLAG_FREE | FLAG_RETIRED)
        if row.kind == STICKY:
            row.flags |= FLAG_CLAIM
            self.attach(shard, row)
            return
        shard.cooling += 1
        self.cooling_queue.add(row, reuse_at)

    def cooled(self, shard: Shard, row: Row) -> None:
        """A closed row blocks its unit no longer; a claim stays, anything else is forgotten."""
        if row.flags & FLAG_CLAIM:
            self._detach(shard, row)
            row.flags |= FLAG_FREE
            if shard.claimed is not None:
                shard.claimed.give(row.index)
            self.attach(shard, row)
            return
        shard.cooling -= 1  # a closed row without a claim is in no index and no fingerprint
        row.flags |= FLAG_GONE
        shard.rows.forget(row.index)
        self._give_back(shard, row.index)

    def drop_claim(self, shard: Shard, row: Row, epoch: int, seq: int) -> None:
        """A closed sticky row reserves its unit no longer."""
        was_free = row.flags & FLAG_FREE
        self._detach(shard, row)
        row.epoch = epoch
        row.seq = seq
        row.flags &= ~(FLAG_CLAIM | FLAG_FREE)
        self.attach(shard, row)
        if was_free:
            self.cooled(shard, row)

    def merge(self, shard: Shard, row: Row) -> None:
        """Take an element that stands above what is here, as it was written (R17)."""
        old = shard.rows.get(row.index)
        if old is not None:
            self._detach(shard, old)
            old.flags |= FLAG_GONE
        shard.rows.put(row)
        if shard.free is not None:
            shard.free.take(row.index)
        self.attach(shard, row)

    def forget(self, shard: Shard, row: Row) -> None:
        """Drop an element that no longer counts (below an epoch floor)."""
        self._detach(shard, row)
        row.flags |= FLAG_GONE
        shard.rows.forget(row.index)
        self._give_back(shard, row.index)

    def begin(self, clocks: NodeClocks) -> None:
        """Say what time it is before rows are loaded: from there the queues count distances."""
        self.held_queue.begin(clocks.told)
        self.cooling_queue.begin(clocks.slow)

    def load(
        self,
        shard: Shard,
        rows: list[Row],
        units: list[int],
        subscribers: list[str],
        top_seq: int,
        dues: list[int],
    ) -> bool:
        """File open rows of a restart in bulk; False, and nothing is done, if a unit has a row.

        Parameters
        ----------
        rows : of one shard, open and without flags, in order of units.
        units, subscribers, dues : of the rows; ``dues`` are their ends.
        top_seq : the highest of their seqs.
        """
        if not shard.rows.load(rows, units):
            return False
        shard.top_seq = max(shard.top_seq, top_seq)
        shard.held += len(rows)
        known = list(map(self.subs.setdefault, subscribers, rows))
        if known != rows:
            for first, row in zip(known, rows, strict=True):
                if first is not row:
                    self._attach_double(self.subs[row.subscriber], row)
        if 0 in dues:
            rows = [row for row in rows if row.ends]
            dues = [row.ends for row in rows]
        self.held_queue.add_dated(rows, dues)
        return True

    def _give_back(self, shard: Shard, index: int) -> None:
        free = shard.free
        if free is not None and free.give(index) and free.free_count == 1 and shard.available:
            self.available |= 1 << shard.index

    def attach(self, shard: Shard, row: Row) -> None:
        """Count and index a row that was put into its table just now."""
        if shard.digest is not None:
            shard.digest ^= row.fingerprint()
            self.touched[shard.key] = shard
        if row.length == HELD:
            shard.held += 1
            first = self.subs.setdefault(row.subscriber, row)
            if first is not row:
                self._attach_double(first, row)
            elif row.flags & FLAG_RETIRED:
                row.flags &= ~FLAG_RETIRED
            if row.ends:
                self.held_queue.add(row, row.ends)
            return
        if row.flags & FLAG_CLAIM:
            self._attach_claim(row)
        if not row.flags & FLAG_FREE:
            shard.cooling += 1
            self.cooling_queue.add(row, row.blocked)

    def claims_of(self, subscriber: str) -> list[Row]:
        """Every claim of a subscriber, the newest first."""
        newest = self.claims.get(subscriber)
        return [] if newest is None else [newest, *self.claims_beside.get(subscriber, ())]

    def _attach_claim(self, row: Row) -> None:
        known = self.claims.setdefault(row.subscriber, row)
        if known is row:
            return
        older = row
        if known.created_us <= row.created_us:
            self.claims[row.subscriber], older = row, known
        self.claims_beside.setdefault(row.subscriber, []).append(older)

    def _detach_claim(self, row: Row) -> None:
        """The claim goes; the newest of the others counts from now on.

        A member whose clock is ahead makes claims that stay the newest for long (R20 bounds what a
        stamp does to others, not what it says).
        """
        subscriber = row.subscriber
        beside = self.claims_beside.pop(subscriber, None)
        if self.claims.get(subscriber) is row:
            del self.claims[subscriber]
        elif beside is not None:
            beside = [claim for claim in beside if claim is not row]
        if not beside:
            return
        if subscriber not in self.claims:
            newest = max(beside, key=r20_age)
            self.claims[subscriber] = newest
            beside = [claim for claim in beside if claim is not newest]
        if beside:
            self.claims_beside[subscriber] = beside

    def _detach(self, shard: Shard, row: Row) -> None:
        if shard.digest is not None:
            shard.digest ^= row.fingerprint()
            self.touched[shard.key] = shard
        if row.length == HELD:
            shard.held -= 1
            subscriber = row.subscriber
            if subscriber in self.doubles:
                self._detach_double(row)
            elif self.subs.get(subscriber) is row:
                del self.subs[subscriber]
            return
        if row.flags & FLAG_CLAIM:
            self._detach_claim(row)
        if not row.flags & FLAG_FREE:
            shard.cooling -= 1
        elif shard.claimed is not None:
            shard.claimed.take(row.index)

    def _attach_double(self, first: Row, row: Row) -> None:
        """Two open rows of one subscriber: the older one counts, the younger is set aside."""
        elder, younger = r20_elder(first, row)
        self.subs[row.subscriber] = elder
        elder.flags &= ~FLAG_RETIRED
        younger.flags |= FLAG_RETIRED
        self.doubles.setdefault(row.subscriber, []).append(younger)

    def _detach_double(self, row: Row) -> None:
        others = self.doubles[row.subscriber]
        if self.subs.get(row.subscriber) is row:
            eldest = min(others, key=r20_age)
            self.subs[row.subscriber] = eldest
            eldest.flags &= ~FLAG_RETIRED
            row = eldest
        others[:] = [other for other in others if other is not row]
        if not others:
            del self.doubles[row.subscriber]

    # --- counting ----------------------------------------------------------------------------

    def counts(self, shard: Shard, *, served: bool) -> tuple[int, int, int, int, int]:
        """(free, held, cooling, locked, reserved) of a shard; they add up to its size."""
        rest = shard.size - shard.held - shard.cooling - shard.reserved
        free, locked = (rest, 0) if served else (0, rest)
        return free, shard.held, shard.cooling, locked, shard.reserved


def r20_elder(one: Row, other: Row) -> tuple[Row, Row]:
    """Of two open rows of one subscriber: (the older, the younger).

    By hybrid clock (`nexus.crdt.hlc`: ``created_us`` is its stamp), then by unit, hence by shard.
    """
    return (one, other) if r20_age(one) <= r20_age(other) else (other, one)


def r20_age(row: Row) -> tuple[int, int]:
    """What open rows of one subscriber are ordered by, the oldest first."""
    return row.created_us, row.index
