"""Invariant 6: the same deltas in any order, doubled or split, give equal fingerprints.

Deltas that were really sent are merged anew at the end, in several drawn orders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexus.core.messages import PushRecords, RowsSpread
from nexus.core.voting import merge_rows
from nexus.ownership.pool_state import PoolState
from nexus.ownership.records import WireRow
from simulator.checkers.base import Checker

if TYPE_CHECKING:
    from simulator.machine import Machine
    from simulator.world import World

SHARDS_KEPT = 4
DELTAS_KEPT = 60
ORDERS = 4
Key = tuple[int, int]


class MergeLaws(Checker):
    """A merge that depends on order."""

    name = "merge_laws"
    invariant = 6
    hears = (RowsSpread, PushRecords)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.deltas: dict[Key, list[tuple[WireRow, ...]]] = {}
        self._rng = world.rng("checker", self.name)

    def heard(self, machine: Machine, sender: str, message: Any) -> None:
        if isinstance(message, RowsSpread):
            self._keep(message.shard, message.rows)
            return
        for push in message.pushes:
            self._keep(push.shard, push.rows)

    def _keep(self, key: Key, rows: tuple[WireRow, ...]) -> None:
        if not rows:
            return
        kept = self.deltas.get(key)
        if kept is None and len(self.deltas) < SHARDS_KEPT:
            kept = self.deltas[key] = []
        if kept is not None and len(kept) < DELTAS_KEPT:
            kept.append(rows)

    def finish(self) -> None:
        for machine in self.world.machines.values():
            if machine.process is not None:
                for key, deltas in self.deltas.items():
                    self._merge(machine, key, deltas)
                return

    def _merge(self, machine: Machine, key: Key, deltas: list[tuple[WireRow, ...]]) -> None:
        assert machine.process is not None
        node = machine.process.node
        known = node.book.by_no.get(key[0])
        if known is None:
            return
        seen: dict[int, None] = {}
        for _ in range(ORDERS):
            pool = PoolState(known.pool_no, 1, known.spec, known.geometry, 0)
            order = self._rng.sample(deltas, len(deltas))
            order += self._rng.sample(deltas, len(deltas) // 2)
            for delta in order:
                rows = list(delta)
                self._rng.shuffle(rows)
                merge_rows(node.ctx, pool, pool.shards[key[1]], tuple(rows))
            seen[pool.shards[key[1]].fingerprint] = None
        if len(seen) > 1:
            self.violate(f"shard {key}: {len(deltas)} deltas give {len(seen)} states")
