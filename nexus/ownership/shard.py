"""What one node holds about one shard: rows, its part as voter, its part as owner.

A node keeps *one* row per resource, whatever it is to the shard: owner table, voter's record and
CLSet view share it.  That is sound because elements of a resource are totally ordered by
(epoch, seq): they are written by one owner after another (R2), so the join of two views is the
higher one, and a row that is superseded is closed by that alone (R17).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from nexus.crdt.digest import row_fingerprint
from nexus.ownership.values import NO_SESSION, ZERO, Ballot, Grant, Seal, Session
from nexus.space.free_map import FreeMap

SESSION, STICKY, PERMANENT = 0, 1, 2
KINDS = ("session", "sticky", "permanent")
KIND_OF = {name: number for number, name in enumerate(KINDS)}

HELD, CLOSED = 1, 2
"""Causal lengths of an allocation element: odd is open, even is closed (R17)."""

FLAG_RETIRED = 1
"""R20: the younger of two allocations of one subscriber; it is not renewed any more."""
FLAG_CLAIM = 2
"""A closed sticky row that still reserves its resource for the same subscriber's return."""
FLAG_FREE = 4
"""A closed claim whose cooling is over: the unit may be given to others if nothing else is left."""
FLAG_DOUBTFUL = 8
"""Carried over a lost disk: not to be confirmed while the shard is in quarantine (R15 iv)."""
FLAG_REDATE = 32
"""Its end was dated before a reboot: telling it again needs a new record first (R8 b)."""
FLAG_GONE = 64
"""The row is in its table no more: queues that still know it pass it over.  Never leaves memory."""
FLAG_PROVISIONAL = 16
"""Told as a short lease because no majority could be reached (R8 d)."""

DENSE_UNITS_PER_ROW = 12
"""A shard with more than one row in so many units keeps them in a list, else in a dict."""


SHARED_MAX = 1 << 16
SHARED_INTS = tuple(range(SHARED_MAX))
"""See `shared_int`."""
_SHARED_OTHERS: dict[int, int] = {}
_SHARED_OTHERS_MAX = 4_096


def shared_int(number: int) -> int:
    """The same number as an object that many rows share: seqs of young shards, common TTLs.

    A row's whole numbers are 32 bytes each, and these two repeat from row to row.
    """
    if 0 <= number < SHARED_MAX:
        return SHARED_INTS[number]
    return number


def shared_ttl(ttl_s: int) -> int:
    """`shared_int` for TTLs above 65,535 s as well; a bounded number of them."""
    if ttl_s < SHARED_MAX:
        return SHARED_INTS[ttl_s]
    known = _SHARED_OTHERS.get(ttl_s)
    if known is not None:
        return known
    if len(_SHARED_OTHERS) < _SHARED_OTHERS_MAX:
        _SHARED_OTHERS[ttl_s] = ttl_s
    return ttl_s


_SHARED_TEXTS: dict[str, str] = {}


def shared_text(text: str) -> str:
    """The same text as an object that many rows share: ids of members; a bounded number of them."""
    if len(_SHARED_TEXTS) < _SHARED_OTHERS_MAX:
        return _SHARED_TEXTS.setdefault(text, text)
    return _SHARED_TEXTS.get(text, text)


class Row(msgspec.Struct, array_like=True, eq=False, gc=False):
    """One resource's newest element at this node, with what the API shows of it.

    Mutable, and owned by its shard's `RowTable`; messages and log entries copy or encode it before
    the event that made them ends.
    """

    index: int
    subscriber: str
    epoch: int
    seq: int
    length: int
    kind: int
    ttl_s: int
    ends: int
    """Instant on the told timeline; 0 for a permanent one."""
    blocked: int
    """Instant on the slow timeline before which nobody else may get it; never moves back."""
    created_us: int
    renewed_us: int = 0
    node_id: str | None = None
    backup_node_id: str | None = None
    flags: int = 0

    def fingerprint(self) -> int:
        """This row's part of its shard's fingerprint; 0 if it does not count."""
        if self.length == HELD or self.flags & FLAG_CLAIM:
            return row_fingerprint(
                self.index, self.subscriber, self.epoch, self.seq, self.length, self.kind
            )
        return 0


class RowTable:
    """Rows of one shard by unit index, in index order.

    A dict while the shard is thinly used, a list once that is smaller: a pool of millions of units
    with few rows costs what its rows cost, a full one 8 bytes a unit.
    """

    __slots__ = ("_dense", "_dense_from", "_noted", "_sparse", "_start", "_stop")

    def __init__(self, start: int, stop: int) -> None:
        self._start = start
        self._stop = stop
        self._dense: list[Row | None] | None = None
        self._dense_from = (stop - start) // DENSE_UNITS_PER_ROW
        self._sparse: dict[int, Row] = {}
        self._noted: list[int] | None = None
        """The units of a list that was loaded, until they are asked for: a look at every place of
        a thinly used list is what a restart would spend most of its last part on."""

    @property
    def count(self) -> int:
        """Rows in the table."""
        if self._dense is not None:
            return len(self._dense) - self._dense.count(None)
        return len(self._sparse)

    def get(self, index: int) -> Row | None:
        """The row of a unit, None where there never was one or it is forgotten."""
        dense = self._dense
        if dense is not None:
            return dense[index - self._start]
        return self._sparse.get(index)

    def put(self, row: Row) -> Row | None:
        """Set the row of its unit; returns the one that it had, None if it had none."""
        index = row.index
        dense = self._dense
        if dense is not None:
            place = index - self._start
            old = dense[place]
            dense[place] = row
            if old is None and self._noted is not None:
                self._noted.append(index)
            return old
        sparse = self._sparse
        old = sparse.get(index)
        sparse[index] = row
        if len(sparse) > self._dense_from:
            self._grow_dense()
        return old

    def _grow_dense(self) -> None:
        start = self._start
        dense: list[Row | None] = [None] * (self._stop - start)
        for index, known in self._sparse.items():
            dense[index - start] = known
        self._dense = dense
        self._sparse = {}

    def put_new(self, row: Row) -> bool:
        """Set the row of a unit that has none; False if it has one."""
        dense = self._dense
        if dense is not None:
            place = row.index - self._start
            if dense[place] is not None:
                return False
            dense[place] = row
            if self._noted is not None:
                self._noted.append(row.index)
            return True
        if self._sparse.setdefault(row.index, row) is not row:
            return False
        if len(self._sparse) > self._dense_from:
            self.put(row)
        return True

    def load(self, rows: list[Row], units: list[int]) -> bool:
        """Set the rows of units that have none, in order; False, and nothing, if one has."""
        start = self._start
        sparse = self._sparse
        dense = self._dense
        if dense is None:
            if not sparse.keys().isdisjoint(units):
                return False
            if len(sparse) + len(units) <= self._dense_from:
                sparse.update(zip(units, rows, strict=True))
                return True
            dense = [None] * (self._stop - start)
            for unit, known in sparse.items():
                dense[unit - start] = known
            self._noted = list(sparse)
            self._dense = dense
            self._sparse = {}
        else:
            span = dense[units[0] - start : units[-1] + 1 - start]
            if span.count(None) < len(span):
                return False
        for unit, row in zip(units, rows, strict=True):
            dense[unit - start] = row
        if self._noted is not None:
            self._noted.extend(units)
        return True

    def forget(self, index: int) -> None:
        """Drop the row of a unit: it may be given again."""
        if self._dense is not None:
            self._dense[index - self._start] = None
            self._noted = None
        else:
            self._sparse.pop(index, None)

    def __iter__(self) -> Iterator[Row]:
        if self._dense is not None:
            return (row for row in self._dense if row is not None)
        sparse = self._sparse
        return (sparse[index] for index in sorted(sparse))

    def units(self) -> list[int]:
        """Units that have a row, in no order."""
        noted, self._noted = self._noted, None
        if noted is not None:
            return noted
        if self._dense is not None:
            start = self._start
            return [start + place for place, row in enumerate(self._dense) if row is not None]
        return list(self._sparse)

    def batches(self, size: int) -> Iterator[list[Row]]:
        """Rows in order, ``size`` at a time; rows may come, change and go between two batches."""
        if self._dense is not None:
            dense = self._dense
            for first in range(0, len(dense), size):
                yield [row for row in dense[first : first + size] if row is not None]
            return
        keys = sorted(self._sparse)
        for first in range(0, len(keys), size):
            found = [self.get(key) for key in keys[first : first + size]]
            yield [row for row in found if row is not None]

    def after(self, index: int) -> Iterator[Row]:
        """Rows of units above ``index``, in order."""
        if self._dense is not None:
            tail = self._dense[max(0, index + 1 - self._start) :]
            return (row for row in tail if row is not None)
        sparse = self._sparse
        return (sparse[key] for key in sorted(sparse) if key > index)


class VoterShard:
    """A voter's part of one grant register.  Written only by rule functions; persisted whole."""

    __slots__ = (
        "acked_seq",
        "commit_seq",
        "grant",
        "last_commit",
        "last_held",
        "mark",
        "promised",
        "quarantine",
        "quarantine_until",
        "seal",
        "session",
        "timer_until",
    )

    def __init__(self) -> None:
        self.promised: Ballot = ZERO
        self.grant: Grant | None = None
        self.timer_until: int | None = 0
        """Slow instant at which the grant has surely run out; None: never (pinned)."""
        self.mark: str | None = None
        """released, fenced or dead: said of the accepted grant."""
        self.seal: Seal | None = None
        self.session: Session = NO_SESSION
        self.quarantine = False
        self.quarantine_until: int | None = None
        self.acked_seq = 0
        """Every record of the accepted epoch up to here is on this voter's disk (R8 a)."""
        self.commit_seq = 0
        """Highest commit seq that the owner of the accepted epoch has told."""
        self.last_commit: tuple[int, int] = (0, 0)
        """(epoch counter, commit seq) of the latest earlier epoch that committed anything."""
        self.last_held: tuple[int, int] = (0, 0)
        """(epoch counter, acked seq) of the latest earlier epoch that acknowledged anything."""

    @property
    def epoch(self) -> Ballot:
        """The epoch accepted last, `ZERO` if there never was one."""
        return self.grant.epoch if self.grant is not None else ZERO


READING, BASING, RENEWING, SERVING, DRAINING, SEALED = (
    "reading",
    "basing",
    "renewing",
    "serving",
    "draining",
    "sealed",
)


class OwnerShard:
    """An owner's part of one grant it has won; dropped when the grant ends."""

    __slots__ = (
        "acked",
        "base_end",
        "commit_seq",
        "commit_told",
        "confirm",
        "confirmed",
        "durable_seq",
        "grant",
        "hold_until",
        "late",
        "pushed",
        "quarantine_until",
        "refused_at",
        "seal",
        "sent_floor",
        "seq",
        "spread_seq",
        "state",
        "tail",
        "window_ns",
    )

    def __init__(self, grant: Grant) -> None:
        self.grant = grant
        self.state = READING
        self.hold_until: int = 0
        """Fast instant; a pinned grant is held for ever after its first renewal."""
        self.window_ns = 0
        """How long a renewal holds at most: H, or less; 0 where it holds for ever."""
        self.seq = 0
        self.durable_seq = 0
        self.commit_seq = 0
        self.commit_told = 0
        """The commit seq that went out with the latest round (R8 b)."""
        self.base_end = 0
        self.acked: dict[str, int] = {}
        """Highest seq that each voter has said to hold, by timely acknowledgements (R8 b)."""
        self.confirmed: dict[str, int] = {}
        """Number of the latest round in which each voter acknowledged this epoch (R8 d)."""
        self.pushed: dict[str, tuple[int, int]] = {}
        self.tail: dict[int, int] = {}
        """seq -> unit index of rows that some voter may lack, in order of seq."""
        self.sent_floor = 0
        self.spread_seq = 0
        """Highest seq told to members that do not vote (R7)."""
        self.quarantine_until: int | None = None
        self.confirm: tuple[int, int] = (0, 0)
        """Highest (epoch counter, commit seq) read from the epochs before (R15 iv)."""
        self.refused_at: int | None = None
        """Fast instant of the first refusal for a higher ballot since the last renewal (R5)."""
        self.seal: Seal | None = None
        self.late: dict[int, int] = {}
        """Units whose rows ended while the shard was not held."""


class Shard:
    """Everything one node knows about one shard."""

    __slots__ = (
        "available",
        "claimed",
        "cooling",
        "digest",
        "floor",
        "free",
        "gaps",
        "have_epoch",
        "have_seq",
        "held",
        "index",
        "known_owner",
        "owner",
        "pool_no",
        "reserved",
        "rows",
        "start",
        "stop",
        "top_seq",
        "unfiled",
        "voter",
    )

    def __init__(self, pool_no: int, index: int, start: int, stop: int, reserved: int) -> None:
        self.pool_no = pool_no
        self.index = index
        self.start = start
        self.stop = stop
        self.reserved = reserved
        self.rows = RowTable(start, stop)
        self.held = 0
        self.cooling = 0
        self.unfiled = False
        """Some row's end came up while nobody here could close it: it is in no queue any more."""
        self.top_seq = 0
        """Highest seq of any row read from the log; only a restart needs it."""
        self.digest: int | None = None
        """XOR of the rows' fingerprints; None until it is first asked for, then kept up to date."""
        self.floor = 0
        """Epoch floor (R18): elements of lower epochs do not count any more."""
        self.have_epoch = 0
        self.have_seq = 0
        """Every element of ``have_epoch`` up to here is merged (or superseded by one that is)."""
        self.gaps: dict[int, int] = {}
        self.known_owner: str | None = None
        """Who is said to own it: a hint for routing, never evidence."""
        self.voter = VoterShard()
        self.owner: OwnerShard | None = None
        self.free: FreeMap | None = None
        """Free units nobody has a claim to; only while this node serves the shard."""
        self.claimed: FreeMap | None = None
        """Free units with a sticky claim; only while this node serves the shard."""
        self.available = False

    @property
    def key(self) -> tuple[int, int]:
        """(pool_no, index)."""
        return (self.pool_no, self.index)

    @property
    def size(self) -> int:
        """Units in the shard."""
        return self.stop - self.start

    @property
    def fingerprint(self) -> int:
        """Fingerprint of what is open (and claimed); equal views give equal fingerprints (R19)."""
        if self.digest is None:
            digest = 0
            for row in self.rows:
                digest ^= row.fingerprint()
            self.digest = digest
        return self.digest
