"""A lone node over restarts: what it knew to be its own stays so (R6, R10, R11)."""

from __future__ import annotations

import msgspec
import pytest

from nexus.core.operations.allocate import Allocate
from nexus.core.operations.create_pool import CreatePool
from nexus.core.operations.delete_pool import DeletePool
from nexus.core.operations.read_allocations import GetAllocation
from nexus.core.operations.release import Release
from nexus.core.releasing import Releasing
from nexus.errors import NexusError
from nexus.model.time import NS_PER_S
from nexus.model.views import AllocationView
from nexus.ownership.shard import CLOSED, FLAG_CLAIM, SEALED, STICKY, Row
from nexus.resources import pool_spec_from
from tests.support.cluster import Cluster


def lone(cidr: str = "192.0.2.7/32", **knobs: object) -> Cluster:
    """One node with one pool."""
    cluster = Cluster()
    spec, _ = pool_spec_from({"id": "p", "cidr": cidr, **knobs})
    cluster.call("n1", CreatePool(spec))
    return cluster


@pytest.mark.parametrize("reboot", [False, True])
def test_what_cooled_over_a_restart_is_given_again(reboot: bool) -> None:
    # A release was written just before the process died: its replication was known only in memory.
    cluster = lone()
    assert isinstance(cluster.call("n1", Allocate("p", "one")), AllocationView)
    cluster.call("n1", Release("one"))
    cluster.crash("n1")
    cluster.run(2 * NS_PER_S)
    cluster.restart("n1", reboot=reboot)
    cluster.run(90 * NS_PER_S)
    view = cluster.call("n1", Allocate("p", "two"))
    assert isinstance(view, AllocationView), view
    assert view.resource == "192.0.2.7"


def test_what_ended_while_the_process_was_down_is_gone_and_cools() -> None:
    cluster = lone()
    cluster.call("n1", Allocate("p", "one", ttl_s=30))
    cluster.crash("n1")
    cluster.run(60 * NS_PER_S)
    cluster.restart("n1")
    cluster.run(NS_PER_S)
    gone = cluster.call("n1", GetAllocation("one"))
    assert isinstance(gone, NexusError)
    assert gone.code == "allocation_not_found"
    refused = cluster.call("n1", Allocate("p", "two"))
    assert isinstance(refused, NexusError)
    assert refused.code == "pool_exhausted"
    cluster.run(70 * NS_PER_S)
    assert isinstance(cluster.call("n1", Allocate("p", "two")), AllocationView)


def test_a_lease_is_told_after_a_reboot_with_what_is_left_of_it() -> None:
    cluster = lone()
    first = cluster.call("n1", Allocate("p", "one", ttl_s=3600))
    cluster.crash("n1")
    cluster.run(600 * NS_PER_S)
    cluster.restart("n1", reboot=True)
    cluster.run(NS_PER_S)
    again = cluster.call("n1", GetAllocation("one"))
    assert isinstance(again, AllocationView)
    assert again.ends_us is not None
    assert first.ends_us is not None
    assert again.ends_us <= first.ends_us + 1_000_000
    assert again.resource == first.resource


@pytest.mark.parametrize("restarted", [False, True])
def test_a_deleted_pools_told_leases_block_its_successor_and_then_it_is_forgotten(
    restarted: bool,
) -> None:
    cluster = lone()
    cluster.call("n1", Allocate("p", "one", ttl_s=300))
    cluster.call("n1", DeletePool("p", force=True))
    if restarted:
        cluster.crash("n1")
        cluster.restart("n1")
        cluster.run(NS_PER_S)
    spec, _ = pool_spec_from({"id": "p", "cidr": "192.0.2.7/32"})
    cluster.call("n1", CreatePool(spec))
    # A restarted voter does not know that nobody holds the old pool's shards any more (R6).
    cluster.run(20 * NS_PER_S)
    refused = cluster.call("n1", Allocate("p", "two"))
    assert isinstance(refused, NexusError)
    assert refused.code == "pool_exhausted"
    assert len(cluster.node("n1").book.by_no) == 2
    cluster.run(400 * NS_PER_S)
    assert isinstance(cluster.call("n1", Allocate("p", "two")), AllocationView)
    assert len(cluster.node("n1").book.by_no) == 1


def test_a_unit_that_is_reserved_in_the_new_pool_is_not_counted_as_cooling_too() -> None:
    """A pool made again over half of its range: one of its units is the new broadcast address."""
    cluster = lone("192.0.2.0/28")
    cluster.call("n1", Allocate("p", "one", resource="192.0.2.7", ttl_s=300))
    cluster.call("n1", Allocate("p", "two", resource="192.0.2.6", ttl_s=300))
    cluster.call("n1", DeletePool("p", force=True))
    spec, _ = pool_spec_from({"id": "p", "cidr": "192.0.2.0/29"})
    cluster.call("n1", CreatePool(spec))
    node = cluster.node("n1")
    (shard,) = node.book.by_id["p"].shards
    assert shard.cooling == 1, "the lease that ended; not the new broadcast address"
    node.check_invariants()


def test_a_sealed_shard_ends_with_the_pool_that_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A member that was down while its deleted pool's voters forgot the pool (swarm seed 46)."""
    monkeypatch.setattr(Releasing, "_send", lambda *_: None)
    cluster = lone()
    cluster.call("n1", Allocate("p", "one", ttl_s=30))
    node = cluster.node("n1")
    (shard,) = node.book.by_id["p"].shards
    owner = shard.owner
    assert owner is not None
    cluster.call("n1", DeletePool("p", force=True))
    owner.state = SEALED
    shard.owner = owner
    node.owning.owned[shard.key] = shard
    cluster.run(600 * NS_PER_S)
    assert not node.book.by_no
    assert shard.owner is None


def test_a_lease_that_ends_between_two_alarms_is_not_told_again() -> None:
    cluster = lone("192.0.2.0/29")
    first = cluster.call("n1", Allocate("p", "one", ttl_s=1))
    node = cluster.node("n1")
    node.leasing.next_due_ns = 1 << 62  # an alarm that never comes
    cluster.run(2 * NS_PER_S)
    second = cluster.call("n1", Allocate("p", "one", ttl_s=1))
    assert second.created
    assert second.resource != first.resource


def test_the_newest_of_two_claims_counts_in_whatever_order_rows_are_read() -> None:
    pool = next(iter(lone("192.0.2.0/28").node("n1").book.by_id.values()))
    older = Row(3, "one", 1, 5, CLOSED, STICKY, 60, 1, 1, created_us=10, flags=FLAG_CLAIM)
    newer = Row(9, "one", 1, 4, CLOSED, STICKY, 60, 1, 1, created_us=20, flags=FLAG_CLAIM)
    for row in (newer, older):
        pool.merge(pool.shard_at(row.index), row)
    assert pool.claims["one"] is newer


def test_an_older_claim_counts_again_when_the_newer_ones_are_gone() -> None:
    """A member whose clock is ahead made the newest; somebody else has got its unit since."""
    pool = next(iter(lone("192.0.2.0/28").node("n1").book.by_id.values()))
    rows = [
        Row(unit, "one", 1, unit, CLOSED, STICKY, 60, 1, 1, created_us=at, flags=FLAG_CLAIM)
        for unit, at in ((3, 10), (5, 30), (9, 20))
    ]
    for row in rows:
        pool.merge(pool.shard_at(row.index), row)
    assert pool.claims["one"].index == 5
    for gone, left in ((5, [9, 3]), (3, [9]), (9, [])):
        pool.forget(pool.shard_at(gone), next(row for row in rows if row.index == gone))
        assert [claim.index for claim in pool.claims_of("one")] == left
    assert not pool.claims
    assert not pool.claims_beside


def test_the_only_voter_acknowledges_nothing_of_a_grant_that_it_gave_to_somebody_else() -> None:
    """R8 a: what the old owner here has on disk is nothing that the new epoch's records rest on."""
    cluster = lone("192.0.2.0/28")
    cluster.call("n1", Allocate("p", "one"))
    node = cluster.node("n1")
    pool = node.book.by_id["p"]
    row = pool.subs["one"]
    shard = pool.shard_at(row.index)
    owner, voter = shard.owner, shard.voter
    assert owner is not None
    assert voter.acked_seq == owner.durable_seq == owner.commit_seq
    epoch = msgspec.structs.replace(owner.grant.epoch, counter=9, node="n2")
    voter.grant = msgspec.structs.replace(owner.grant, epoch=epoch, owner="n2")
    voter.acked_seq = 0
    committed = owner.commit_seq
    node.leasing.note_durable(shard, owner, owner.seq + 5)
    assert voter.acked_seq == 0
    assert owner.commit_seq == committed
