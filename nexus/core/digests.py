"""What anti-entropy compares, kept up to date shard by shard: one 16-way tree over all (R19).

A shard's line is (key, owner, epoch, seq, floor, fingerprint of its rows).  Parts that change
anything in a line call `Context.touch`; a round of anti-entropy then looks at the shards touched
since the last one and at no others, and two equal members exchange one digest of eight bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from nexus.core.book import PoolBook
from nexus.core.context import Context
from nexus.crdt.digest import Differing, DigestTree, Probe, bytes_fingerprint, opening, respond
from nexus.ownership.shard import Shard

Key = tuple[int, int]
Line = tuple[Key, str, int, int, int, int]

DEPTH = 2
"""256 leaves: with 16,384 shards 64 lines in each."""
FEW = 64
"""With so few shards all lines are told at once: two messages fewer, and they fit in one."""

_encode = msgspec.msgpack.Encoder().encode


class ShardDigests:
    """The tree of one node's shards."""

    def __init__(self, ctx: Context, book: PoolBook, line_of: Callable[[Shard], Line]) -> None:
        self.ctx = ctx
        self.book = book
        self.line_of = line_of
        self.tree = DigestTree(DEPTH)
        self._counted: dict[Key, tuple[int, int]] = {}
        """Shard -> (its place, what is counted in the tree for it)."""
        self._leaves: dict[int, dict[Key, None]] = {}

    def opening(self) -> Probe:
        """First step of a comparison."""
        self._refresh()
        return opening(self.tree)

    def answer(self, probe: Probe) -> Probe | Differing:
        """Next step of a comparison; raises ValueError for a step that cannot be one."""
        self._refresh()
        step = respond(self.tree, probe)
        if isinstance(step, Probe) and len(self._counted) <= FEW:
            return Differing(tuple(range(self.tree.leaf_count)))
        return step

    def lines(self, leaves: Iterable[int]) -> list[Line]:
        """Lines of the shards in these leaves."""
        self._refresh()
        keys = [key for leaf in leaves for key in self._leaves.get(leaf, ())]
        shards = (self.book.shard(key) for key in sorted(keys))
        return [self.line_of(shard) for shard in shards if shard is not None]

    def problem(self) -> str | None:
        """A shard that changed without a word: its copy would never be repaired."""
        self._refresh()
        for pool in self.book.by_no.values():
            for shard in pool.shards:
                if shard.key in self.ctx.touched:
                    continue
                counted = self._counted.get(shard.key, (0, 0))[1]
                if counted != self._fingerprint(shard):
                    return f"R19 shard {shard.key} is {self.line_of(shard)}, digested otherwise"
        return None

    def _fingerprint(self, shard: Shard) -> int:
        if not shard.have_epoch and shard.owner is None:
            return 0
        return bytes_fingerprint(_encode(self.line_of(shard)))

    def _refresh(self) -> None:
        touched = self.ctx.touched
        moving: dict[Key, Shard] = {}
        for key, shard in touched.items():
            gone = self.book.shard(key) is not shard
            self._count(key, 0 if gone else self._fingerprint(shard))
            owner = shard.owner
            if not gone and owner is not None and owner.durable_seq < owner.seq:
                moving[key] = shard  # its position moves again when its records are on disk
        touched.clear()
        touched.update(moving)

    def _count(self, key: Key, new: int) -> None:
        known = self._counted.get(key)
        if known is None:
            if not new:
                return
            place = bytes_fingerprint(_encode(key))
            self._leaves.setdefault(self.tree.leaf_of(place), {})[key] = None
            known = (place, 0)
        place, old = known
        if new != old:
            self.tree.toggle(place, old ^ new)
        if new:
            self._counted[key] = (place, new)
        else:
            self._counted.pop(key, None)
            self._leaves[self.tree.leaf_of(place)].pop(key, None)
