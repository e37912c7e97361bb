"""Everything loses power at once and comes back machine by machine."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from simulator.faults.base import Aim, Fault
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World


class PowerCut(Fault, kw_only=True):
    """All machines, or all of one site."""

    kind: str = "power_cut"
    lasts_s: ClassVar[tuple[float, float]] = (5, 120)

    def aim(self, layout: Layout, rng: Random) -> Aim:
        sites = sorted({each.site for each in layout.members})
        site = rng.choice(sites) if len(sites) > 1 and rng.random() < 0.5 else ""
        nodes = [each.name for each in layout.members if site in ("", each.site)]
        return {
            "nodes": self.victims(layout) if self.on else nodes,
            "spread_ms": rng.randint(0, 20_000),
        }

    def begin(self, world: World, aim: Aim) -> Any:
        for name in aim["nodes"]:
            world.machines[name].crash(reason="power cut")

    def end(self, world: World, aim: Aim, state: Any) -> None:
        count = len(aim["nodes"])
        for place, name in enumerate(aim["nodes"]):
            machine = world.machines[name]
            machine.reboot(0)
            delay_ns = aim["spread_ms"] * 1_000_000 * place // count
            world.env.call_later(delay_ns, lambda m: m.revive(), machine)
