"""Invariant 7: after quiet time all reachable replicas are equal; nothing goes back.

Leases go on being renewed to the last second, so equality is looked for at several instants near
the end; once is enough for each shard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexus.model.time import NS_PER_S, seconds_to_ns
from simulator.checkers.base import Checker

if TYPE_CHECKING:
    from simulator.machine import Machine
    from simulator.world import World

LOOKS = 60
"""Instants looked at, over the last half of the calm phase."""
Key = tuple[int, int]


class Convergence(Checker):
    """Replicas that never agree, or a position that went back."""

    name = "convergence"
    invariant = 7

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._positions: dict[tuple[str, str, Key], tuple[int, int]] = {}
        self.apart: dict[Key, str] = {}
        self._agreed: dict[Key, None] = {}

    def full(self, machine: Machine) -> None:
        if machine.process is None:
            return
        node = machine.process.node
        start = f"{machine.name}/{machine.wipes}/{node.config.session.nonce}"
        for pool in node.book.by_no.values():
            for shard in pool.shards:
                place = (machine.name, start, shard.key)
                position = (shard.have_epoch, shard.have_seq)
                if shard.owner is None and position < self._positions.get(place, (0, 0)):
                    self.violate(
                        f"{machine.name} had shard {shard.key} up to "
                        f"{self._positions[place]}, now up to {position}"
                    )
                if shard.owner is None:
                    self._positions[place] = position

    def calm(self) -> None:
        calm_s = self.world.scenario.calm_s
        for number in range(LOOKS):
            delay = seconds_to_ns(calm_s / 2 + calm_s / 2 * number / LOOKS)
            self.world.env.call_later(delay, self._look)

    def _look(self, _: Any = None) -> None:
        nodes = [m.process.node for m in self.world.machines.values() if m.process is not None]
        views: dict[Key, dict[tuple[int, int, int], str]] = {}
        for node in nodes:
            for pool in node.book.by_id.values():
                for shard in pool.shards:
                    epoch, seq = node.spread.position(shard)
                    state = (epoch, seq, shard.fingerprint)
                    views.setdefault(shard.key, {})[state] = node.config.node_id
        self.apart = {}
        for key, states in views.items():
            if len(states) == 1:
                self._agreed[key] = None
            elif key not in self._agreed:
                told = "; ".join(f"{name}: {state}" for state, name in sorted(states.items()))
                self.apart[key] = told

    def finish(self) -> None:
        if self.world.scenario.calm_s * NS_PER_S == 0:
            return
        self._look()
        for key, told in list(self.apart.items())[:2]:
            self.violate(f"shard {key} was never the same everywhere: {told}")
