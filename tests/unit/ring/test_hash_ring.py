"""Rendezvous scores: fixed bits, fair shares, and equal for everybody."""

from __future__ import annotations

import itertools
import math
from random import Random

import pytest

from nexus.ring.hash_ring import (
    MASK_64,
    ROUTING_SLOTS,
    RingMember,
    best_of,
    capacities,
    least_hash,
    member_key,
    mix,
    owner_for,
    pair_hash,
    pool_key,
    rank_of,
    ranking,
    routing_slot,
    score,
    shard_key,
)

POOL = pool_key("pool-a", 1)


def test_the_bits_are_frozen_because_nodes_of_two_versions_must_agree() -> None:
    assert mix(0) == 0xE220A8397B1DCDAF  # first output of splitmix64 seeded with 0
    assert pool_key("pool-a", 1) == 0x19D4FAFB6D28D992
    assert pair_hash(shard_key(POOL, 3), member_key("edge-1")) == 0x67DB40D7B88EFA21
    assert score(0x0123456789ABCDEF, 2.0) == 549846087828180.5
    assert owner_for("ont-1", [RingMember(f"edge-{n}") for n in range(9)]) == "edge-1"


def test_generations_of_a_pool_are_laid_anew() -> None:
    assert pool_key("pool-a", 1) != pool_key("pool-a", 2)


def test_score_is_the_logarithm_and_never_rises_with_the_hash() -> None:
    rng = Random(5)
    hashes = sorted(rng.getrandbits(64) >> rng.choice((0, 0, 1, 8, 40)) for _ in range(5000))
    scores = [score(pair, 1.0) for pair in hashes]
    assert all(left >= right for left, right in itertools.pairwise(scores))
    for pair, value in zip(hashes, scores, strict=True):
        exact = -math.log2(((pair >> 11) + 1) / 2**53)
        assert math.isclose(value / 2**47, exact, abs_tol=3e-6)
    assert score(MASK_64, 1.0) == 0.0


def test_the_ends_of_the_pieces_join_without_a_step_back() -> None:
    for piece in range(1, 256):
        edge = (1 << 63) | piece << 55
        assert score(edge - 1, 1.0) >= score(edge, 1.0)


@pytest.mark.parametrize("weight", [0.001, 1.0, 2.5, 1000.0])
def test_least_hash_is_where_the_score_passes_the_limit(weight: float) -> None:
    for limit in (score(1 << shift, weight) for shift in (20, 40, 62, 63)):
        edge = least_hash(limit, weight)
        assert score(edge, weight) <= limit < score(edge - 1, weight)
    assert least_hash(-1.0, weight) == 1 << 64


def test_members_get_shards_by_weight() -> None:
    members = [RingMember("a", 1.0), RingMember("b", 2.0), RingMember("c", 0.5)]
    wins = dict.fromkeys("abc", 0)
    for shard in range(7000):
        best = best_of(POOL, shard, members)
        assert best is not None
        wins[best.id] += 1
    # 2,000 / 4,000 / 1,000 expected; five standard deviations are 190 / 207 / 146.
    assert abs(wins["a"] - 2000) < 190
    assert abs(wins["b"] - 4000) < 207
    assert abs(wins["c"] - 1000) < 146


def test_ranking_is_the_same_for_any_order_of_members() -> None:
    members = [RingMember(f"n{number}", 1.0 + number % 3) for number in range(12)]
    shuffled = members[:]
    Random(1).shuffle(shuffled)
    assert ranking(POOL, 4, members) == ranking(POOL, 4, shuffled)
    assert ranking(POOL, 4, members)[0] == best_of(POOL, 4, members)


def test_equal_pairs_go_to_the_smaller_id() -> None:
    one, two = RingMember("a"), RingMember("b")
    assert rank_of(0, 7, one, 9) < rank_of(0, 7, two, 9)


def test_nobody_is_best_of_none() -> None:
    assert best_of(POOL, 0, []) is None
    assert owner_for("ont-1", []) is None
    assert ranking(POOL, 0, []) == []


def test_slots_of_subscribers_are_even() -> None:
    hit = [0] * 16
    for number in range(16_000):
        slot = routing_slot(f"ont-{number}")
        assert 0 <= slot < ROUTING_SLOTS
        hit[slot % 16] += 1
    assert max(hit) - min(hit) < 320


@pytest.mark.parametrize(
    ("shards", "weights", "bound", "expected"),
    [
        (100, [1.0, 1.0], 1.25, [63, 63]),
        (100, [1.0, 3.0], 1.0, [25, 75]),
        (1, [1.0, 1.0, 1.0], 1.25, [1, 1, 1]),
        (8, [1.0], 2.0, [8]),
        (0, [1.0], 1.25, [0]),
    ],
)
def test_capacity_is_the_bound_times_the_fair_share(
    shards: int, weights: list[float], bound: float, expected: list[int]
) -> None:
    members = [RingMember(f"n{place}", weight) for place, weight in enumerate(weights)]
    assert list(capacities(shards, members, bound).values()) == expected
