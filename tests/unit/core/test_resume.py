"""What an owner counts as its own after a restart in the middle of a takeover (R8 c)."""

from __future__ import annotations

from nexus.core.entries import OwnerWritten
from nexus.core.operations.allocate import Allocate
from nexus.core.operations.create_pool import CreatePool
from nexus.core.restore import resume_seqs
from nexus.model.time import NS_PER_S
from nexus.ownership.shard import READING, OwnerShard, Shard
from nexus.ownership.values import Ballot, Grant
from nexus.resources import pool_spec_from
from tests.support.cluster import Cluster


def test_a_reader_that_restarts_holds_nothing_of_its_epoch_yet() -> None:
    # It has rows of the epoch before with high seqs; they are not the base it has still to write.
    cluster = Cluster()
    spec, _ = pool_spec_from({"id": "p", "cidr": "192.0.2.0/29"})
    cluster.call("n1", CreatePool(spec))
    for name in ("a", "b", "c"):
        cluster.call("n1", Allocate("p", name))
    node = cluster.node("n1")
    shard = node.book.by_id["p"].shards[0]
    assert shard.owner is not None
    grant = shard.owner.grant
    epoch = Ballot(grant.epoch.counter + 1, "n1", 1, 9)
    newer = Grant(epoch, "n1", grant.registration, grant.incarnation, grant.horizon_ns)
    node.ctx.persist(OwnerWritten(shard.pool_no, 0, epoch, newer, READING, 0, (0, 0), None))
    cluster.run(NS_PER_S)
    cluster.crash("n1", survive=99)
    cluster.restart("n1")
    owner = cluster.node("n1").book.by_id["p"].shards[0].owner
    assert owner is not None
    assert owner.state == READING
    assert (owner.seq, owner.durable_seq, owner.acked) == (0, 0, {})


def test_an_owner_goes_on_above_every_seq_on_its_disk() -> None:
    shard = Shard(1, 0, 0, 8, 0)
    epoch = Ballot(3, "n1", 1, 1)
    owner = OwnerShard(Grant(epoch, "n1", 1, 1, None))
    owner.base_end = 2
    shard.top_seq = 7
    resume_seqs(shard, owner, "n1")
    assert (owner.seq, owner.durable_seq) == (7, 7)
    assert owner.acked == {}  # our voter has accepted another epoch
