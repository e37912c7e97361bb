"""The table of proposed owners: what happens to it when members come, go and change weight."""

from __future__ import annotations

import pytest

from nexus.ring import bulk
from nexus.ring.assignment import Assignment, Move, RoutingTable
from nexus.ring.hash_ring import (
    ROUTING_SLOTS,
    RingMember,
    best_of,
    owner_for,
    pool_key,
    ranking,
    routing_slot,
)

POOL = pool_key("pool-a", 1)
NO_BOUND = 1e9


def _members(count: int) -> list[RingMember]:
    return [RingMember(f"n{number}") for number in range(count)]


def _table(shards: int, count: int, bound: float = 1.25) -> Assignment:
    table = Assignment(POOL, shards, bound)
    table.update(_members(count))
    return table


def test_without_members_nobody_is_proposed() -> None:
    table = Assignment(POOL, 3)
    assert table.owners() == [None, None, None]
    assert table.shards_of("n0") == []
    assert (table.load("n0"), table.capacity("n0"), table.displaced) == (0, 0, 0)


def test_the_first_member_gets_everything_and_the_last_one_leaves_nothing() -> None:
    table = Assignment(POOL, 3)
    assert table.join(RingMember("n0")) == tuple(Move(shard, None, "n0") for shard in range(3))
    assert table.shards_of("n0") == [0, 1, 2]
    assert table.leave("n0") == tuple(Move(shard, "n0", None) for shard in range(3))
    assert table.members == ()


def test_a_pool_without_shards_has_an_empty_table() -> None:
    assert _table(0, 3).owners() == []


def test_without_a_bound_every_shard_has_its_first_choice() -> None:
    table = _table(500, 7, NO_BOUND)
    assert table.displaced == 0
    for shard in range(500):
        best = best_of(POOL, shard, _members(7))
        assert best is not None
        assert table.owner(shard) == best.id
        assert list(table.candidates(shard)) == [m.id for m in ranking(POOL, shard, _members(7))]


def test_the_bound_displaces_few_and_nobody_is_above_it() -> None:
    table = _table(1000, 20)
    assert max(table.load(f"n{number}") for number in range(20)) <= 63 == table.capacity("n0")
    assert sum(table.load(f"n{number}") for number in range(20)) == 1000
    assert table.displaced <= 20
    tight = _table(1000, 20, 1.05)
    assert {tight.capacity(f"n{number}") for number in range(20)} == {53}
    assert 20 < tight.displaced < 200


def test_more_members_than_shards_give_one_each_at_most() -> None:
    table = _table(6, 50)
    owners = table.owners()
    assert len(set(owners)) == 6


def test_weight_is_the_share() -> None:
    table = Assignment(POOL, 4000)
    table.update([RingMember("a", 1.0), RingMember("b", 3.0)])
    assert abs(table.load("b") - 3000) < 140
    assert table.capacity("a") == 1250


def test_a_changed_weight_moves_shards_to_or_from_that_member_only() -> None:
    table = Assignment(POOL, 1000, NO_BOUND)
    table.update([RingMember("a"), RingMember("b"), RingMember("c")])
    moves = table.join(RingMember("b", 2.0))
    assert moves
    assert {move.new for move in moves} == {"b"}
    assert {move.old for move in table.join(RingMember("b", 0.5))} == {"b"}


def test_the_same_members_again_change_nothing() -> None:
    table = _table(100, 5)
    assert table.update(reversed(_members(5))) == ()
    assert table.leave("unknown") == ()


def test_shards_of_names_what_owner_names() -> None:
    table = _table(64, 5)
    for member in table.members:
        assert table.shards_of(member.id) == [
            shard for shard in range(64) if table.owner(shard) == member.id
        ]


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ([RingMember("a"), RingMember("a", 2.0)], "two members with the id 'a'"),
        ([RingMember("a", 0.0)], "weight 0.0 of 'a'"),
        ([RingMember("a", float("nan"))], "weight nan of 'a'"),
        ([RingMember("a", 1e9)], "weight 1000000000.0 of 'a'"),
    ],
)
def test_impossible_members_are_refused_and_change_nothing(
    members: list[RingMember], text: str
) -> None:
    table = _table(10, 2)
    before = table.owners()
    with pytest.raises(ValueError, match=text):
        table.update(members)
    assert table.owners() == before


@pytest.mark.parametrize("bound", [1.0, 0.0, float("nan")])
def test_a_bound_without_slack_is_refused(bound: float) -> None:
    with pytest.raises(ValueError, match="load_bound"):
        Assignment(POOL, 10, bound)


# --- routing of subscribers -----------------------------------------------------------------------


def test_the_routing_table_answers_like_owner_for_through_changes() -> None:
    table = RoutingTable()
    assert table.owner("ont-1") is None
    steps = [
        _members(5),
        _members(9),
        [member for member in _members(9) if member.id != "n3"],
        [RingMember("n1", 4.0), *_members(1)],
        [],
        _members(3),
    ]
    for members in steps:
        table.update(members)
        for number in range(300):
            assert table.owner(f"ont-{number}") == owner_for(f"ont-{number}", members)


def test_a_lost_member_moves_only_its_own_subscribers() -> None:
    table = RoutingTable(_members(6))
    before = {f"ont-{number}": table.owner(f"ont-{number}") for number in range(500)}
    table.update(_members(5))
    for subscriber, owner in before.items():
        if owner != "n5":
            assert table.owner(subscriber) == owner


def test_subscribers_of_one_slot_go_together() -> None:
    assert 0 <= routing_slot("ont-1") < ROUTING_SLOTS
    assert routing_slot("ont-1") == routing_slot("ont-1")


# --- bulk hashing ---------------------------------------------------------------------------------


def test_without_numpy_the_plain_path_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(bulk, "import_module", missing)
    assert isinstance(bulk.hasher(), bulk.PlainHasher)
    with pytest.raises(ImportError, match="numpy"):
        bulk.hasher(numpy=True)
