"""Records, rule by rule: R8 b and c, R10, R12 (digest), R17, R18, R20."""

from __future__ import annotations

import pytest

from nexus.model.time import NS_PER_S
from nexus.ownership import records as rules
from nexus.ownership.pool_state import PoolState, r20_elder
from nexus.ownership.shard import (
    CLOSED,
    FLAG_CLAIM,
    FLAG_FREE,
    FLAG_GONE,
    FLAG_PROVISIONAL,
    FLAG_RETIRED,
    HELD,
    SESSION,
    Row,
)
from nexus.ownership.values import Ballot, Seal
from nexus.resources import geometry, pool_spec_from


def row(index=1, epoch=4, seq=3, *, length=HELD, ends=100, blocked=100, ttl=0, flags=0, made=0):
    return Row(
        index, f"s{index}", epoch, seq, length, SESSION, ttl, ends, blocked, made, flags=flags
    )


# --- R8 b: durations -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ends", "blocked", "told", "slow", "left"),
    [
        (100, 100, 40, 40, 60),
        (100, 150, 40, 40, 110),
        (100, 100, 40, 90, 60),
        (0, 0, 40, 40, 0),
        (100, 100, 140, 140, 0),
    ],
)
def test_r8b_what_is_sent_blocks_for_all_that_is_not_over(ends, blocked, told, slow, left):
    assert rules.r8b_blocked_in(row(ends=ends, blocked=blocked), told, slow, 0) == left


@pytest.mark.parametrize(("ends", "left"), [(0, 0), (100, 60), (40, -1), (7, -1)])
def test_r8b_only_durations_travel(ends, left):
    assert rules.to_wire(row(ends=ends), 40, 40, 0).ends_in == left


def test_r8b_a_receiver_dates_by_its_receipt_and_never_earlier_than_meant():
    sent = row(ends=1_000_040, blocked=1_000_040, flags=FLAG_PROVISIONAL | FLAG_RETIRED | FLAG_GONE)
    wire = rules.to_wire(sent, 40, 40, 1_000)
    got = rules.from_wire(wire, 7, 9, 1_000)
    assert got.ends == 7 + 1_000_000
    assert got.blocked == 9 + 1_002_003
    assert got.flags == FLAG_PROVISIONAL, "what is of one node only does not travel"
    over = rules.from_wire(rules.to_wire(row(ends=5, blocked=5), 40, 40, 0), 70, 90, 0)
    assert (over.ends, over.blocked) == (70, 0)


# --- R10 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "anew", "until"), [(100, 50, 100), (100, 150, 150)])
def test_r10_blocking_only_moves_later(before, anew, until):
    assert rules.r10_blocked_until(before, anew) == until
    spec, _ = pool_spec_from({"id": "p", "type": "ipv4", "cidr": "10.0.0.0/28"})
    pool = PoolState(1, 1, spec, geometry(spec), 0)
    held = row(5, blocked=before, ends=before)
    pool.open(pool.shard_at(5), held)
    pool.change(pool.shard_at(5), held, 9, anew, anew)
    assert (held.ends, held.blocked) == (anew, until)


@pytest.mark.parametrize(
    ("blocked", "slow", "ttl", "drift", "at"),
    [
        (100, 100, 0, 0, 100 + 7 + 9),
        (150, 100, 0, 0, 150 + 7 + 9),
        (90, 100, 0, 0, 100 + 7 + 9),
        (100 + NS_PER_S, 100, 0, 1_000, 100 + NS_PER_S + 2_002_003 + 7 + 9),
        (100, 100, 1, 1_000, 100 + 2_002_003 + 7 + 9),
    ],
)
def test_r10_reuse_waits_for_ends_guard_answers_and_cooldown(blocked, slow, ttl, drift, at):
    assert rules.r10_reuse_at(row(blocked=blocked, ttl=ttl), slow, drift, 7, 9) == at


def test_r10_a_release_skips_the_ends_but_not_the_cooldown():
    assert rules.r10_reuse_after_release(row(blocked=1_000), 100, 9) == 109


@pytest.mark.parametrize(("commit", "frees"), [(2, False), (3, True)])
def test_r10_a_release_frees_when_it_is_replicated(commit, frees):
    assert rules.r10_release_frees(row(seq=3), commit) == frees


# --- R17, R18 --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("element", "newer"),
    [
        ((5, 1, HELD), True),
        ((4, 4, HELD), True),
        ((4, 3, CLOSED), True),
        ((4, 3, HELD), False),
        ((4, 2, CLOSED), False),
        ((3, 99, CLOSED), False),
    ],
)
def test_r17_elements_are_ordered_by_epoch_then_seq_then_length(element, newer):
    epoch, seq, length = element
    assert rules.r17_newer(epoch, seq, length, row()) == newer


@pytest.mark.parametrize(
    ("upto", "over"), [((4, 3), True), ((5, 0), True), ((4, 2), False), ((3, 9), False)]
)
def test_r17_who_has_everything_up_to_there_and_lacks_it_knows_that_it_is_over(upto, over):
    assert rules.r17_over(row(), upto) == over


def test_r17_what_a_deleted_pool_left_blocked_is_ended_by_time_alone():
    assert not rules.r17_over(row(epoch=0, seq=0), (9, 9))


@pytest.mark.parametrize(("epoch", "below"), [(3, True), (4, False), (5, False)])
def test_r18_elements_below_the_floor_do_not_count(epoch, below):
    assert rules.r18_below_floor(epoch, 4) == below


# --- R8 c ------------------------------------------------------------------------------------


def test_r8c_of_all_that_was_read_the_highest_counts_as_it_was_written():
    old, new = row(1, 4, 3, blocked=500), row(1, 5, 1, blocked=200)
    for reads in ([[old], [new]], [[new], [old]]):
        union = rules.r8c_union(reads, 0)
        assert union[1] is new
        assert new.blocked == 200


def test_r8c_of_copies_of_one_record_the_longest_block_counts():
    early, late = row(1, 4, 3, blocked=200), row(1, 4, 3, blocked=203)
    for reads in ([[early], [late]], [[late], [early]]):
        assert rules.r8c_union(reads, 0)[1].blocked == 203
        early.blocked, late.blocked = 200, 203


def test_r8c_the_union_is_in_order_of_units_and_above_the_floor():
    union = rules.r8c_union([[row(9), row(2, epoch=2)], [row(3)]], 3)
    assert list(union) == [3, 9]


@pytest.mark.parametrize(
    ("length", "flags", "blocked", "carried"),
    [
        (HELD, 0, 0, True),
        (CLOSED, FLAG_CLAIM | FLAG_FREE, 0, True),
        (CLOSED, 0, 51, True),
        (CLOSED, 0, 50, False),
    ],
)
def test_r8c_a_base_keeps_what_is_open_claimed_or_blocked(length, flags, blocked, carried):
    assert rules.r8c_carried(row(length=length, flags=flags, blocked=blocked), 50) == carried


def test_r8c_a_base_is_written_under_the_new_epoch_and_numbered_from_one():
    over = row(2, length=CLOSED, blocked=0)
    base = rules.r8c_base({1: row(1), 2: over, 3: row(3)}, 9, 50)
    assert [(each.index, each.epoch, each.seq) for each in base] == [(1, 9, 1), (3, 9, 2)]
    assert over.epoch == 4


@pytest.mark.parametrize(
    ("have", "units", "over"),
    [((4, 3), (), True), ((4, 3), (1,), False), ((4, 2), (), False), ((5, 0), (), True)],
)
def test_r8c_a_voter_that_had_it_and_lacks_it_says_that_it_is_over(have, units, over):
    assert rules.r8c_over(row(), [(have, units)]) == over


@pytest.mark.parametrize(
    ("acked", "commit", "may"), [(5, 5, True), (4, 5, False), (5, 4, False), (9, 9, True)]
)
def test_r8c_nothing_is_dropped_before_the_base_is_replicated(acked, commit, may):
    assert rules.r8c_may_drop(acked, commit, 5) == may


# --- R12, R20 --------------------------------------------------------------------------------


def test_r12_the_digest_is_of_the_sealed_epochs_rows_whatever_their_order():
    rows = {1: row(1), 2: row(2, seq=4), 3: row(3, epoch=5)}
    sealed = rules.r12_digest_of([rows[2], rows[1]])
    seal = Seal(Ballot(4, "a", 1, 1), 4, sealed)
    assert rules.r12_digest_matches(seal, rows)
    rows[2].seq = 5
    assert not rules.r12_digest_matches(seal, rows)


def test_r12_the_owners_digest_is_the_one_that_its_successor_finds():
    spec, _ = pool_spec_from({"id": "p", "type": "ipv4", "cidr": "10.0.0.0/28"})
    pool = PoolState(1, 1, spec, geometry(spec), 0)
    shard = pool.shards[0]
    held = [row(index) for index in range(shard.start + 1, shard.start + 3)]
    for each in held:
        pool.open(shard, each)
    assert rules.r12_digest(shard) == rules.r12_digest_of(held)


@pytest.mark.parametrize(
    ("one", "other", "elder"),
    [((1, 5), (2, 9), 1), ((1, 9), (2, 5), 2), ((1, 5), (2, 5), 1), ((2, 5), (1, 5), 1)],
)
def test_r20_the_elder_is_the_same_on_every_node(one, other, elder):
    first, second = row(one[0], made=one[1]), row(other[0], made=other[1])
    assert r20_elder(first, second)[0].index == elder
    assert r20_elder(second, first)[0].index == elder


@pytest.mark.parametrize(
    ("ticket", "age", "ends"),
    [((4, 3), 7, True), ((4, 3), 8, False), ((4, 2), 0, False), ((3, 3), 0, False)],
)
def test_r8d_a_release_names_what_it_ends_and_is_not_late(ticket, age, ends):
    assert rules.r8d_release_names(row(), ticket, age, 7) == ends
