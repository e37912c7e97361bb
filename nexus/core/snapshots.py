"""Entries that rebuild a node, made piece by piece while it serves.

Each piece is the state of one moment; pieces are of different moments.  That is sound because
entries are joins and the log since the beginning is replayed on top (`nexus.core.entries`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nexus.core import columns
from nexus.core.entries import (
    CatalogWritten,
    OwnerWritten,
    ReplicaWritten,
    RowsWritten,
    SessionStarted,
    SlotWritten,
)
from nexus.core.pool_record import PoolRecord
from nexus.core.voting import voter_entry
from nexus.ownership.shard import Row, Shard
from nexus.ownership.values import ZERO

if TYPE_CHECKING:
    from nexus.core.node import NexusNode

ROWS_PER_ENTRY = 4_096


def snapshot_entries(node: NexusNode) -> Iterator[Any]:
    """Identity and catalogue first, then every pool that the catalogue names."""
    ctx = node.ctx
    config = node.config
    pools = sorted(node.book.by_no.values(), key=lambda pool: pool.pool_no)
    yield SessionStarted(
        config.cluster_id,
        config.node_id,
        config.incarnation,
        config.session,
        ctx.clocks.mark(config.boot_id),
    )
    yield node.voters.entry()
    if config.cold_start_error_bound_ns is not None:
        yield node.owning.renewing.holds()
    yield catalog_entry(node)
    yield from node.campaigns.proposals()
    for slot, vote in sorted(node.decisions.votes.items()):
        yield SlotWritten(slot, vote.promised, vote.accepted_ballot, vote.accepted, decided=False)
    for pool in pools:
        batch: list[Row] = []
        for shard in pool.shards:
            yield from register_entries(shard)
            for rows in shard.rows.batches(ROWS_PER_ENTRY):
                batch.extend(rows)
                if len(batch) >= ROWS_PER_ENTRY:
                    yield from row_entries(pool.pool_no, batch)
                    batch = []
        yield from row_entries(pool.pool_no, batch)


def row_entries(pool_no: int, batch: list[Row]) -> Iterator[Any]:
    """Rows as they are now, which may be later than when they were put into the batch."""
    others = tuple([row for row in batch if not columns.is_plain(row)])
    plain = [row for row in batch if columns.is_plain(row)] if others else batch
    kept = columns.keep(pool_no, plain) if plain else None
    # Others first: what is encoded after a pause is what it is then, columns are of this moment.
    if others:
        yield RowsWritten(pool_no, others)
    if kept is not None:
        yield kept


def catalog_entry(node: NexusNode) -> CatalogWritten:
    """Everything decided, in one piece."""
    pools = sorted(node.book.by_no.values(), key=lambda pool: pool.pool_no)
    return CatalogWritten(
        node.decisions.slot,
        tuple(
            PoolRecord(pool.pool_no, pool.generation, pool.spec, pool.created_us, pool.retired_us)
            for pool in pools
        ),
        tuple(node.members.all()),
        tuple(node.catalog.devices.export()),
        {pool.pool_no: pool.retired_slow for pool in pools if pool.retired_slow is not None},
        dict(node.book.generations),
    )


def register_entries(shard: Shard) -> Iterator[Any]:
    """A shard's registers, where there is anything in them."""
    voter = shard.voter
    if voter.promised > ZERO or voter.grant is not None:
        yield voter_entry(shard)
    owner = shard.owner
    if owner is not None:
        yield OwnerWritten(
            shard.pool_no,
            shard.index,
            owner.grant.epoch,
            owner.grant,
            owner.state,
            owner.base_end,
            owner.confirm,
            owner.seal,
        )
    if shard.floor or shard.have_epoch:
        seq = owner.seq if owner is not None else shard.have_seq
        epoch = owner.grant.epoch.counter if owner is not None else shard.have_epoch
        yield ReplicaWritten(shard.pool_no, shard.index, shard.known_owner, shard.floor, epoch, seq)
