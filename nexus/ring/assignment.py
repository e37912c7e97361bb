"""Which member every shard of a pool is proposed to, kept up to date as members come and go (R1).

Over all pairs of a shard and a member there is one order, by rank (`hash_ring.Rank`).  Go through
the pairs from the best on; give a shard to the member if the shard is still free and the member
below its capacity.  That table is what `Assignment` holds.  It is the only stable one: no shard
and member both prefer each other to what they have (with one order for both sides there is exactly
one such table).  So it does not matter in which order members came: a table repaired step by step
is, bit for bit, the table computed at once, and a node that restarts agrees with those that did
not.

Each member remembers the shards that it refused for lack of room; when room appears it takes the
best of them.  A shard not at its first choice (`displaced`) is the price of the bound: without a
bound, removing a member moves its shards alone; with one, any other shard that moves is displaced
before or after.

What may not live here: who really owns a shard (the grant register does), how fast shards may be
moved (`move_budget`), whether a member is alive.

References: Gale and Shapley 1962; see `nexus.ring.hash_ring` for the rest.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import groupby

import msgspec

from nexus.ring.bulk import Hasher, PlainHasher, hasher
from nexus.ring.hash_ring import (
    ROUTING_SLOTS,
    WEIGHT_MAX,
    WEIGHT_MIN,
    Rank,
    RingMember,
    capacities,
    least_hash,
    member_key,
    rank_of,
    routing_key,
    routing_slot,
    score,
    shard_key,
)

LOAD_BOUND = 1.25
LOAD_BOUND_MIN = 1.05
"""Some slack is needed: at 1.0 every change of members would move shards between all others."""

_BATCH_SHARE = 8
"""More than one shard in eight without a member: first choices are found for all at once."""


class Move(msgspec.Struct, frozen=True, gc=False):
    """A shard is proposed to another member than before (None: to nobody)."""

    shard: int
    old: str | None
    new: str | None


class _Seat:
    """A member at the table: what it holds and what it refused, each sorted best first."""

    __slots__ = ("capacity", "held", "key", "member", "refused")

    def __init__(self, member: RingMember) -> None:
        self.member = member
        self.key = member_key(member.id)
        self.capacity = 0
        self.held: list[Rank] = []
        self.refused: list[Rank] = []

    def accepts(self, rank: Rank) -> bool:
        return len(self.held) < self.capacity or rank < self.held[-1]


class _WeightClass:
    """Members of one weight, sorted by id: among them the highest hash is the best score."""

    __slots__ = ("ids", "keys", "weight")

    def __init__(self, weight: float, ids: list[str]) -> None:
        self.weight = weight
        self.ids = ids
        self.keys = [member_key(name) for name in ids]


class Assignment:
    """The table of one pool.

    Parameters
    ----------
    pool : key of the pool (`hash_ring.pool_key`)
    shard_count : number of shards, fixed for the life of the pool's generation
    load_bound : most load of a member as a multiple of its fair share by weight, >= 1.05
    numpy : use numpy for large pools; None means if it is installed.  The table is the same.
    """

    def __init__(
        self,
        pool: int,
        shard_count: int,
        load_bound: float = LOAD_BOUND,
        *,
        numpy: bool | None = None,
    ) -> None:
        if not load_bound >= LOAD_BOUND_MIN:
            raise ValueError(f"load_bound {load_bound} is below {LOAD_BOUND_MIN}")
        self.load_bound = load_bound
        self._hasher: Hasher = hasher(numpy=numpy)
        self._keys = [shard_key(pool, shard) for shard in range(shard_count)]
        self._ranks: list[Rank | None] = [None] * shard_count
        self._free = list(range(shard_count))
        self._refusals: dict[int, list[Rank]] = {}
        self._seats: dict[str, _Seat] = {}
        self._classes: list[_WeightClass] = []
        self._before: dict[int, str | None] = {}

    # --- reading ------------------------------------------------------------------------------

    @property
    def shard_count(self) -> int:
        return len(self._keys)

    @property
    def members(self) -> tuple[RingMember, ...]:
        """Members in the order of their ids."""
        return tuple(seat.member for seat in self._seats.values())

    def owner(self, shard: int) -> str | None:
        """Member that the shard is proposed to; None while there is no member."""
        rank = self._ranks[shard]
        return None if rank is None else rank[2]

    def owners(self) -> list[str | None]:
        """`owner` of every shard."""
        return [None if rank is None else rank[2] for rank in self._ranks]

    def shards_of(self, member_id: str) -> list[int]:
        """Shards proposed to a member, in rising order; none for an unknown member."""
        seat = self._seats.get(member_id)
        return [] if seat is None else sorted(rank[3] for rank in seat.held)

    def load(self, member_id: str) -> int:
        """Number of shards proposed to a member."""
        seat = self._seats.get(member_id)
        return 0 if seat is None else len(seat.held)

    def capacity(self, member_id: str) -> int:
        """Most shards that the bound allows a member."""
        seat = self._seats.get(member_id)
        return 0 if seat is None else seat.capacity

    @property
    def displaced(self) -> int:
        """Shards that the bound keeps from their first choice."""
        return len(self._refusals)

    def candidates(self, shard: int) -> Iterator[str]:
        """All members, the best for the shard first, without regard to load (backups, routing)."""
        return (rank[2] for rank in self._choices(shard))

    # --- changing -----------------------------------------------------------------------------

    def join(self, member: RingMember) -> tuple[Move, ...]:
        """A member came, or came with another weight."""
        others = [seat.member for seat in self._seats.values() if seat.member.id != member.id]
        return self.update([*others, member])

    def leave(self, member_id: str) -> tuple[Move, ...]:
        """A member went."""
        return self.update(
            [seat.member for seat in self._seats.values() if seat.member.id != member_id]
        )

    def update(self, members: Iterable[RingMember]) -> tuple[Move, ...]:
        """Set who may own shards; returns the moves that follow, by shard.

        Raises
        ------
        ValueError
            Two members with one id, or a weight outside `WEIGHT_MIN` to `WEIGHT_MAX`.
        """
        wanted = _checked(members)
        gone = [name for name, seat in self._seats.items() if wanted.get(name) != seat.member]
        for name in gone:
            self._unseat(name)
        come = [name for name in wanted if name not in self._seats]
        for name in come:
            self._seats[name] = _Seat(wanted[name])
        if not gone and not come:
            return ()
        self._seats = {name: self._seats[name] for name in wanted}
        self._classes = _classes(self.members)
        self._resize()
        for name in come:
            self._announce(self._seats[name])
        if self._seats:
            free, self._free = sorted(self._free), []
            self._place(free)
        self._settle(list(self._seats))
        return self._moves()

    # --- inside: membership -------------------------------------------------------------------

    def _unseat(self, name: str) -> None:
        """Take a member from the table; its shards are left without one."""
        seat = self._seats.pop(name)
        for rank in seat.refused:
            self._forget_refusal(rank)
        for rank in seat.held:
            self._note(rank[3])
            self._ranks[rank[3]] = None
            self._free.append(rank[3])

    def _resize(self) -> None:
        if self._seats:
            limits = capacities(len(self._keys), self.members, self.load_bound)
            for name, seat in self._seats.items():
                seat.capacity = limits[name]

    def _announce(self, seat: _Seat) -> None:
        """File every shard that would rather have this new member; `_settle` lets it choose."""
        worst = max(
            (other.held[-1][0] for other in self._seats.values() if other.held), default=None
        )
        if worst is None:
            return
        member, weight = seat.member, seat.member.weight
        least = least_hash(worst, weight)
        for shard, pair in self._hasher.at_least(self._keys, seat.key, least):
            current = self._ranks[shard]
            rank = (score(pair, weight), -pair, member.id, shard)
            if current is not None and rank < current:
                seat.refused.append(rank)
                insort(self._refusals.setdefault(shard, []), rank)
        seat.refused.sort()

    # --- inside: shards -----------------------------------------------------------------------

    def _choices(self, shard: int) -> Iterator[Rank]:
        """Ranks of a shard with all members, best first, scored only as far as they are read."""
        key = self._keys[shard]
        streams = [
            _ranked(shard, group, self._hasher.row(key, group.keys)) for group in self._classes
        ]
        return streams[0] if len(streams) == 1 else merge(*streams)

    def _place(self, shards: list[int]) -> None:
        """Give shards without a member to one; `_settle` undoes what exceeds capacities."""
        if len(shards) * _BATCH_SHARE < len(self._keys):
            for shard in shards:
                self._seek(shard)
            return
        keys = [self._keys[shard] for shard in shards]
        first: list[Rank] = []
        for group in self._classes:
            best = self._hasher.best(keys, group.keys)
            ranks = [
                (score(pair, group.weight), -pair, group.ids[position], shard)
                for shard, (pair, position) in zip(shards, best, strict=True)
            ]
            first = ranks if not first else [min(pair) for pair in zip(first, ranks, strict=True)]
        for rank in sorted(first):
            # Sorted, so that appending keeps most lists in order: insort then costs no moves.
            self._assign(rank)

    def _seek(self, shard: int) -> str:
        """Give a shard to the best member that takes it; returns that member's id."""
        for rank in self._choices(shard):
            seat = self._seats[rank[2]]
            if seat.accepts(rank):
                self._assign(rank)
                return rank[2]
            self._refuse(seat, rank)
        # Capacities add up to more than all shards, so somebody has room.
        raise AssertionError(f"no member takes shard {shard}")

    def _assign(self, rank: Rank) -> None:
        shard = rank[3]
        self._note(shard)
        insort(self._seats[rank[2]].held, rank)
        self._ranks[shard] = rank
        # Who is no better than the new member has not refused any more: it was never asked.
        refusals = self._refusals.get(shard, [])
        while refusals and refusals[-1] >= rank:
            _drop(self._seats[refusals[-1][2]].refused, refusals.pop())
        if not refusals:
            self._refusals.pop(shard, None)

    def _release(self, rank: Rank) -> None:
        self._note(rank[3])
        _drop(self._seats[rank[2]].held, rank)
        self._ranks[rank[3]] = None

    def _refuse(self, seat: _Seat, rank: Rank) -> None:
        refusals = self._refusals.setdefault(rank[3], [])
        place = bisect_left(refusals, rank)
        if place == len(refusals) or refusals[place] != rank:
            refusals.insert(place, rank)
            insort(seat.refused, rank)

    def _forget_refusal(self, rank: Rank) -> None:
        refusals = self._refusals[rank[3]]
        _drop(refusals, rank)
        if not refusals:
            del self._refusals[rank[3]]

    # --- inside: repair -----------------------------------------------------------------------

    def _settle(self, names: list[str]) -> None:
        """Repair until nobody holds too much and nobody would take what it refused.

        Ends: each step gives a shard and a member something both prefer, in one common order.
        """
        queue = names
        while queue:
            seat = self._seats[queue.pop()]
            while True:
                if len(seat.held) > seat.capacity:
                    worst = seat.held[-1]
                    self._release(worst)
                    queue.append(self._seek(worst[3]))
                elif seat.refused and seat.accepts(seat.refused[0]):
                    rank = seat.refused[0]
                    current = self._ranks[rank[3]]
                    if current is not None:
                        self._release(current)
                        queue.append(current[2])
                    self._assign(rank)
                else:
                    break

    def _note(self, shard: int) -> None:
        """Remember who had the shard before this update."""
        if shard not in self._before:
            rank = self._ranks[shard]
            self._before[shard] = None if rank is None else rank[2]

    def _moves(self) -> tuple[Move, ...]:
        moves = tuple(
            Move(shard, self._before[shard], self.owner(shard))
            for shard in sorted(self._before)
            if self._before[shard] != self.owner(shard)
        )
        self._before = {}
        return moves


class RoutingTable:
    """`hash_ring.owner_for` for many subscribers: the same answers, a slot is worked out once."""

    def __init__(self, members: Iterable[RingMember] = ()) -> None:
        self._members: dict[str, RingMember] = {}
        self._classes: list[_WeightClass] = []
        self._hasher: Hasher = PlainHasher()
        self._owners: list[str | None] = [None] * ROUTING_SLOTS
        self._ranks: dict[int, Rank] = {}
        self.update(members)

    def owner(self, subscriber_id: str) -> str | None:
        """Member that requests for this subscriber go to; None if there is no member."""
        slot = routing_slot(subscriber_id)
        return self._owners[slot] or self._fill(slot)

    def update(self, members: Iterable[RingMember]) -> None:
        """Set the members; slots keep their owners unless a better one came or theirs went."""
        wanted = _checked(members)
        gone = {name for name, member in self._members.items() if wanted.get(name) != member}
        come = [m for name, m in wanted.items() if name in gone or name not in self._members]
        self._members = wanted
        self._classes = _classes(wanted.values())
        for slot, rank in list(self._ranks.items()):
            if rank[2] in gone:
                del self._ranks[slot]
                self._owners[slot] = None
        for member in come:
            key = member_key(member.id)
            for slot, rank in self._ranks.items():
                mine = rank_of(slot, routing_key(slot), member, key)
                if mine < rank:
                    self._ranks[slot] = mine
                    self._owners[slot] = member.id

    def _fill(self, slot: int) -> str | None:
        if not self._members:
            return None
        key = routing_key(slot)
        rank = min(_first(slot, key, group, self._hasher) for group in self._classes)
        self._ranks[slot] = rank
        self._owners[slot] = rank[2]
        return rank[2]


def _checked(members: Iterable[RingMember]) -> dict[str, RingMember]:
    """Members by id in the order of the ids."""
    found: dict[str, RingMember] = {}
    for member in sorted(members, key=lambda member: member.id):
        if member.id in found:
            raise ValueError(f"two members with the id {member.id!r}")
        if not WEIGHT_MIN <= member.weight <= WEIGHT_MAX:
            raise ValueError(
                f"weight {member.weight} of {member.id!r} is not within {WEIGHT_MIN}..{WEIGHT_MAX}"
            )
        found[member.id] = member
    return found


def _classes(members: Iterable[RingMember]) -> list[_WeightClass]:
    ordered = sorted(members, key=lambda member: (member.weight, member.id))
    return [
        _WeightClass(weight, [member.id for member in group])
        for weight, group in groupby(ordered, key=lambda member: member.weight)
    ]


def _first(shard: int, key: int, group: _WeightClass, hashing: Hasher) -> Rank:
    """Rank of a shard with the best member of one class."""
    ((pair, position),) = hashing.best((key,), group.keys)
    return (score(pair, group.weight), -pair, group.ids[position], shard)


def _ranked(shard: int, group: _WeightClass, hashes: list[int]) -> Iterator[Rank]:
    order = sorted(zip((-pair for pair in hashes), group.ids, strict=True))
    return ((score(-pair, group.weight), pair, name, shard) for pair, name in order)


def _drop(ranks: list[Rank], rank: Rank) -> None:
    """Remove a rank that is in a sorted list."""
    del ranks[bisect_left(ranks, rank)]
