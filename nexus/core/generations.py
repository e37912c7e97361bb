"""What a deleted pool leaves behind: rows close, and a later pool over its range inherits (R10).

Both go on in slices, one after the other in the order of the decisions, and both begin anew after
a restart: to close a closed row, or to inherit a block twice, changes nothing.  A voter grants no
shard of a pool before it has inherited everything (`nexus.core.voting`), so nobody serves it early.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from nexus.core import slices
from nexus.core.book import PoolBook
from nexus.core.context import Context
from nexus.core.entries import RowsWritten
from nexus.ownership import records
from nexus.ownership.pool_state import PoolState
from nexus.ownership.shard import CLOSED, FLAG_FREE, HELD, SESSION, Row, Shard

SHARD_COST = 4
"""What a shard counts in rows: its grant is sealed, its counters are looked at."""


class Generations:
    """The work that deleted pools leave to this node."""

    def __init__(self, ctx: Context, book: PoolBook) -> None:
        self.ctx = ctx
        self.book = book
        self.start: Callable[[Iterator[None]], None] = _at_once
        """Set by the node: begins a job in turn."""
        self.on_shard_gone: Callable[[Shard], None] = _nothing
        """Set by the node: ends its part in a shard of a deleted pool."""
        self.on_inherited: Callable[[], None] = lambda: None
        """Set by the node: a pool's shards may be granted now."""

    def gone(self, pool: PoolState) -> None:
        """A pool was deleted: close what is open in it."""
        if self.ctx.replaying:
            return  # the clocks of a replay may be a second behind: see `dated`
        if pool.retired_slow is None:
            pool.retired_slow = self.ctx.clocks.slow
        self.start(self._close(pool))

    def dated(self, slow: int) -> None:
        """The log has come to this instant: what it has told of happened before."""
        for pool in self.book.by_no.values():
            if pool.retired_us is not None and pool.retired_slow is None:
                pool.retired_slow = slow

    def made(self, pool: PoolState) -> None:
        """A pool was made, perhaps where a deleted one was."""
        if self.book.predecessors(pool) and not self.ctx.replaying:
            pool.inheriting = True
            self.start(self._inherit(pool))

    def resume(self) -> None:
        """After a restart: go on with what was under way, or find that nothing was."""
        for pool in list(self.book.by_no.values()):
            if pool.retired_us is not None:
                self.gone(pool)
        for pool in list(self.book.by_id.values()):
            self.made(pool)

    # --- closing -----------------------------------------------------------------------------

    def _close(self, pool: PoolState) -> Iterator[None]:
        """Close every open row; what was told of it stays blocked.

        A permanent allocation counts as released by the operator.  All rows are closed as of the
        moment of the deletion, whenever their turn comes.
        """
        done = 0
        for shard in pool.shards:
            self.on_shard_gone(shard)
            done += SHARD_COST
            for rows in shard.rows.batches(slices.SLICE_ROWS):
                for row in rows:
                    if row.length == HELD:
                        pool.close(shard, row, row.epoch, row.seq, self._reuse_at(pool, row))
                        done += 1
                if done >= slices.SLICE_ROWS:
                    yield
                    done = 0

    def _reuse_at(self, pool: PoolState, row: Row) -> int:
        config = self.ctx.config
        slow = self.ctx.clocks.slow if pool.retired_slow is None else pool.retired_slow
        if row.ends == 0:
            return records.r10_reuse_after_release(row, slow, pool.cooldown_ns)
        return records.r10_reuse_at(
            row, slow, config.drift_ppm, config.ack_limit_ns, pool.cooldown_ns
        )

    # --- inheriting --------------------------------------------------------------------------

    def _inherit(self, pool: PoolState) -> Iterator[None]:
        """R10 outlives pools: what a deleted pool over this range told still blocks here."""
        batch: list[Row] = []
        looked = 0
        for old in self.book.predecessors(pool):
            for shard in old.shards:
                for rows in shard.rows.batches(slices.SLICE_ROWS):
                    looked += len(rows)
                    for row in rows:
                        for block in self._blocks(old, row, pool):
                            batch.append(block)
                            if len(batch) >= slices.SLICE_ROWS:
                                self._merge(pool, batch)
                                yield
                                batch, looked = [], 0
                    if looked >= slices.SLICE_READS:
                        self._merge(pool, batch)
                        yield
                        batch, looked = [], 0
        self._merge(pool, batch)
        pool.inheriting = False
        self.on_inherited()

    def _blocks(self, old: PoolState, row: Row, pool: PoolState) -> Iterator[Row]:
        """Rows of the new pool that keep what an old row blocks from being given."""
        slow = self.ctx.clocks.slow
        if row.length != CLOSED or row.flags & FLAG_FREE or row.blocked <= slow:
            return
        start, stop = old.geometry.absolute(row.index)
        low, high = pool.geometry.space()
        start, stop = max(start, low), min(stop, high)
        while start < stop:
            index = pool.geometry.index_at(start)
            if index is None:
                return
            if index not in pool.geometry.reserved:  # never given, so never blocked either
                yield Row(
                    index, row.subscriber, 0, 0, CLOSED, SESSION, 0, 0, row.blocked, row.created_us
                )
            start = pool.geometry.absolute(index)[1]

    def _merge(self, pool: PoolState, blocks: list[Row]) -> None:
        """A block counts unless the new pool knows more of the unit already."""
        merged: dict[int, Row] = {}
        for block in blocks:
            shard = pool.shard_at(block.index)
            seen = shard.rows.get(block.index)
            if seen is not None and (seen.epoch or seen.blocked >= block.blocked):
                continue
            pool.merge(shard, block)
            merged[block.index] = block
        if merged:
            self.ctx.persist(RowsWritten(pool.pool_no, tuple(merged.values())))


def _at_once(steps: Iterator[None]) -> None:
    """Default of a hook that nobody has taken: all of it now."""
    for _ in steps:
        pass


def _nothing(_: Shard) -> None:
    """Default of a hook that nobody has taken."""
