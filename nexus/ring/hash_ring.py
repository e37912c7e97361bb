"""Weighted rendezvous hashing (HRW): how well a member suits a shard, as pure functions (R1, R20).

Each pair of a shard and a member has a 64-bit hash (splitmix64 over the two keys) and a score
``-log2(u) / weight`` with u the hash as a fraction; the lowest score wins, so a member of weight 2
wins twice as often, and removing a member changes nothing between the others.  Equal scores go to
the higher hash, then to the smaller id: every node orders any set of members the same way.

The logarithm is our own, in integers: libm and numpy differ in the last bit from machine to
machine, and a hint on which nodes disagree costs a round trip.  256 straight pieces are exact to
3e-6, and the function never falls as the hash grows, so among members of equal weight comparing
hashes is comparing scores; `best_of` uses that.

Placement is a hint, the grant register is the fact (R1); nothing here is consulted for safety.

References: Thaler and Ravishankar 1998 (HRW); Schindelhauer and Schomaker 2005 (weights);
Mirrokni, Thorup and Zadimoghaddam 2018 (bounded loads); Steele, Lea and Flood 2014 (splitmix64).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec
from xxhash import xxh3_64_intdigest

MASK_64 = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
MIX_1 = 0xBF58476D1CE4E5B9
MIX_2 = 0x94D049BB133111EB

ROUTING_SLOTS = 1 << 14
"""Slots that subscribers are hashed onto (R20): a table of them is kept, not one of subscribers."""
WEIGHT_MIN = 1e-3
WEIGHT_MAX = 1e3

_FRACTION_BITS = 53
_PIECE_BITS = 8
_REST_BITS = 24
_SCALE_BITS = 47
"""Fixed point of the logarithm.  A piece's height (< 2**40) times its rest (< 2**24) stays below
2**64 and 53 * 2**47 below 2**53, so that no step rounds in any word or float."""


class RingMember(msgspec.Struct, frozen=True, gc=False):
    """A member that may own shards, and the share it asks for (`WEIGHT_MIN` to `WEIGHT_MAX`)."""

    id: str
    weight: float = 1.0


def mix(value: int) -> int:
    """One step of splitmix64: 64 bits in, 64 well mixed bits out, a bijection."""
    value = (value + GOLDEN) & MASK_64
    value = ((value ^ (value >> 30)) * MIX_1) & MASK_64
    value = ((value ^ (value >> 27)) * MIX_2) & MASK_64
    return value ^ (value >> 31)


def pool_key(pool_id: str, generation: int) -> int:
    """Key of one generation of a pool: each lays its shards anew."""
    return xxh3_64_intdigest(pool_id.encode(), generation & MASK_64)


def shard_key(pool: int, shard: int) -> int:
    """Key of one shard of the pool with this key."""
    return mix((pool + shard * GOLDEN) & MASK_64)


def member_key(member_id: str) -> int:
    """Key of a member, by its id alone."""
    return xxh3_64_intdigest(member_id.encode())


def pair_hash(shard: int, member: int) -> int:
    """Hash of a shard key and a member key."""
    return mix(shard ^ member)


def _logarithms() -> tuple[int, ...]:
    """``log2(1 + i/256)`` in fixed point, for the ends of the pieces, by repeated squaring.

    Integers all the way: the table is the same on every machine.
    """
    extra = 64
    table = []
    for piece in range((1 << _PIECE_BITS) + 1):
        value = ((1 << _PIECE_BITS) + piece) << (extra - _PIECE_BITS)
        result = 0
        for _ in range(_SCALE_BITS):
            value = value * value >> extra
            result <<= 1
            if value >> (extra + 1):
                value >>= 1
                result |= 1
        table.append(result)
    table[-1] = 1 << _SCALE_BITS  # log2(2), where squaring has no next digit
    return tuple(table)


_LOG2 = _logarithms()


def score(pair: int, weight: float) -> float:
    """Score of a pair hash for a member of this weight; the lowest wins.

    Returns
    -------
    float
        ``-log2(((pair >> 11) + 1) / 2**53) / weight`` scaled by 2**47; never rises with ``pair``.
    """
    return _distance(pair) / weight


def _distance(pair: int) -> int:
    """``-log2`` of the hash as a fraction in (0, 1], fixed point with `_SCALE_BITS`."""
    fraction = (pair >> (64 - _FRACTION_BITS)) + 1
    whole = fraction.bit_length() - 1
    mantissa = (fraction << (_FRACTION_BITS - whole)) & ((1 << _FRACTION_BITS) - 1)
    piece = mantissa >> (_FRACTION_BITS - _PIECE_BITS)
    rest = (mantissa >> (_FRACTION_BITS - _PIECE_BITS - _REST_BITS)) & ((1 << _REST_BITS) - 1)
    low = _LOG2[piece]
    inside = low + ((_LOG2[piece + 1] - low) * rest >> _REST_BITS)
    return ((_FRACTION_BITS - whole) << _SCALE_BITS) - inside


Rank = tuple[float, int, str, int]
"""Order over all pairs of a pool: (score, -hash, member id, shard).  No two pairs are equal."""


def rank_of(shard: int, key: int, member: RingMember, key_of_member: int) -> Rank:
    """Rank of one pair: shard number and key, member and key."""
    pair = mix(key ^ key_of_member)
    return (_distance(pair) / member.weight, -pair, member.id, shard)


def least_hash(limit: float, weight: float) -> int:
    """Smallest pair hash whose score at this weight is not above ``limit`` (2**64 if none is)."""
    low, high = 0, 1 << 64
    while low < high:
        middle = (low + high) // 2
        if score(middle, weight) <= limit:
            high = middle
        else:
            low = middle + 1
    return low


def ranking(pool: int, shard: int, members: Iterable[RingMember]) -> list[RingMember]:
    """All members, the best for this shard first, without regard to load."""
    key = shard_key(pool, shard)
    return sorted(members, key=lambda member: rank_of(shard, key, member, member_key(member.id)))


def best_of(pool: int, shard: int, members: Iterable[RingMember]) -> RingMember | None:
    """The best member for this shard, without regard to load; None if there is no member."""
    key = shard_key(pool, shard)
    return min(
        members,
        key=lambda member: rank_of(shard, key, member, member_key(member.id)),
        default=None,
    )


_ROUTING_POOL = pool_key("subscriber routing", 0)


def routing_slot(subscriber_id: str) -> int:
    """Slot of a subscriber, 0 to `ROUTING_SLOTS` - 1."""
    return xxh3_64_intdigest(subscriber_id.encode()) & (ROUTING_SLOTS - 1)


def routing_key(slot: int) -> int:
    """Shard key of a routing slot."""
    return shard_key(_ROUTING_POOL, slot)


def owner_for(subscriber_id: str, members: Iterable[RingMember]) -> str | None:
    """Member that requests for this subscriber go to where it is reachable (R20).

    Two nodes with the same view answer the same; None if there is no member.  For many lookups
    over one set of members keep a `nexus.ring.assignment.RoutingTable`, which answers the same.
    """
    best = best_of(_ROUTING_POOL, routing_slot(subscriber_id), members)
    return None if best is None else best.id


def capacities(
    shard_count: int, members: Sequence[RingMember], load_bound: float
) -> dict[str, int]:
    """Most shards that each member may be given: its fair share by weight times the bound.

    Rounded up to whole shards, so that the sum is never below ``shard_count``.
    """
    total = math.fsum(member.weight for member in members)
    return {
        member.id: min(shard_count, math.ceil(load_bound * shard_count * member.weight / total))
        for member in members
    }
