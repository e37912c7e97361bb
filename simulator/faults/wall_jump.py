"""A wall clock is set wrongly, forward or back, and later set right."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from simulator.faults.base import Aim, Fault
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World


class WallJump(Fault, kw_only=True):
    """Core clocks stay within their stated bound; edges state none and may show any time."""

    kind: str = "wall_jump"
    lasts_s: ClassVar[tuple[float, float]] = (1, 300)
    core_s_max: float = 9

    def aim(self, layout: Layout, rng: Random) -> Aim:
        node = rng.choice(self.victims(layout))
        role = next(each.role for each in layout.members if each.name == node)
        if role == "edge":
            by_ms = int(rng.choice((-1, 1)) * 10 ** (2 + rng.random() * 7))
        else:
            by_ms = int(rng.uniform(-1, 1) * self.core_s_max * 1000)
        return {"node": node, "by_ms": by_ms}

    def begin(self, world: World, aim: Aim) -> Any:
        world.machines[aim["node"]].clock.step_wall(aim["by_ms"] * 1_000_000)

    def end(self, world: World, aim: Aim, state: Any) -> None:
        world.machines[aim["node"]].clock.set_wall_error(0)
