"""Power off and on: another boot, clocks from zero, and a wall clock as good as the RTC."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from simulator.faults.base import Aim, Fault
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World


class Reboot(Fault, kw_only=True):
    """Unsynced writes are lost; edges may come up in another decade."""

    kind: str = "reboot"
    lasts_s: ClassVar[tuple[float, float]] = (2, 120)

    def aim(self, layout: Layout, rng: Random) -> Aim:
        node = rng.choice(self.victims(layout))
        role = next(each.role for each in layout.members if each.name == node)
        error_ms = rng.randint(-9_000, 9_000)
        if role == "edge" and rng.random() < 0.5:
            error_ms = int(rng.choice((-1, 1)) * 10 ** (2 + rng.random() * 8))
        return {"node": node, "rtc_error_ms": error_ms, "torn": rng.random() < 0.3}

    def begin(self, world: World, aim: Aim) -> Any:
        world.machines[aim["node"]].crash(torn=aim["torn"], reason="power off")

    def end(self, world: World, aim: Aim, state: Any) -> None:
        machine = world.machines[aim["node"]]
        machine.reboot(aim["rtc_error_ms"] * 1_000_000)
        machine.revive()
