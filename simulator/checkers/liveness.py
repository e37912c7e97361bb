"""Invariant 11: with a majority and headroom every request is served; nobody needs an operator.

After the healing each member is asked for one allocation in each pool, again and again until it
answers; at the end none may be left without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexus.core.operations.allocate import Allocate
from nexus.errors import NexusError
from nexus.model.time import NS_PER_S, seconds_to_ns
from nexus.model.views import AllocationView
from simulator.calls import Answer
from simulator.checkers.base import Checker

if TYPE_CHECKING:
    from simulator.world import World

PROBE_TTL_S = 30
AGAIN_NS = 2 * NS_PER_S


class Liveness(Checker):
    """A request that nobody ever serves."""

    name = "liveness"
    invariant = 11

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.waiting: dict[tuple[str, str], str] = {}

    def calm(self) -> None:
        if not self._somebody_may_own():
            return
        for name, machine in self.world.machines.items():
            if machine.damaged is not None:
                continue
            for spec in self.world.scenario.pools:
                self.waiting[name, spec.id] = "not asked yet"
                self.world.env.call_later(1 + seconds_to_ns(1), self._ask, (name, spec.id))

    def _somebody_may_own(self) -> bool:
        """A member is there that is not drained; operators may drain all but a lost one."""
        nodes = [m.process.node for m in self.world.machines.values() if m.process is not None]
        return any(
            (me := node.members.get(node.ctx.me)) is not None
            and me.role != "read"
            and not me.draining
            for node in nodes
        )

    def _ask(self, probe: tuple[str, str]) -> None:
        name, pool_id = probe
        request = Allocate(pool_id, f"probe-{name}", ttl_s=PROBE_TTL_S, provisional=True)
        self.world.call(name, request, lambda answer: self._answered(probe, answer))

    def _answered(self, probe: tuple[str, str], answer: Answer) -> None:
        result = answer.result
        if isinstance(result, AllocationView):
            self.waiting.pop(probe, None)
            return
        if isinstance(result, NexusError) and result.code == "pool_exhausted":
            self.waiting.pop(probe, None)
            return
        self.waiting[probe] = str(result)
        self.world.env.call_later(AGAIN_NS, self._ask, probe)

    def finish(self) -> None:
        for (name, pool_id), why in list(self.waiting.items())[:2]:
            self.violate(f"{name} never served anybody of pool {pool_id} after healing: {why}")
