"""Links stop one by one and come back in another order (FoundationDB's swizzle-clog)."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from simulator.faults.base import Aim, Fault
from simulator.network import Worsening
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World


class Swizzle(Fault, kw_only=True):
    """Members are clogged one after the other, then let go in a drawn order."""

    kind: str = "swizzle"
    lasts_s: ClassVar[tuple[float, float]] = (4, 60)

    def aim(self, layout: Layout, rng: Random) -> Aim:
        names = rng.sample(layout.names(), rng.randint(1, len(layout.names())))
        return {
            "nodes": names,
            "back": rng.sample(names, len(names)),
            "step_ms": rng.randint(10, 2_000),
        }

    def begin(self, world: World, aim: Aim) -> Any:
        step_ns = aim["step_ms"] * 1_000_000
        clogs: dict[str, int] = {}

        def stop(name: str) -> None:
            names = world.network.names
            pairs = [(one, name) for one in names if one != name]
            clogs[name] = world.network.worsen(Worsening(clogged=True), pairs)

        def go(name: str) -> None:
            if name in clogs:
                world.network.better(clogs.pop(name))

        for place, name in enumerate(aim["nodes"]):
            world.env.call_later(place * step_ns, stop, name)
        begin_back = len(aim["nodes"]) * step_ns
        for place, name in enumerate(aim["back"]):
            world.env.call_later(begin_back + place * step_ns + 1, go, name)
        return clogs

    def end(self, world: World, aim: Aim, state: Any) -> None:
        for number in state.values():
            world.network.better(number)
        state.clear()
