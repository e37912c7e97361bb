"""A machine has little time for the process: it runs for some milliseconds and stands for many."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from simulator.faults.base import Aim, Fault
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World

MS_NS = 1_000_000


class SlowCpu(Fault, kw_only=True):
    """Steal time of a full host, a throttled container: stops of 20 ms to 2 s, in a row."""

    kind: str = "slow_cpu"
    lasts_s: ClassVar[tuple[float, float]] = (2, 60)

    def aim(self, layout: Layout, rng: Random) -> Aim:
        return {
            "node": rng.choice(self.victims(layout)),
            "stands_ms": int(20 * 10 ** (rng.random() * 2)),
            "runs_ms": rng.randint(1, 20),
        }

    def begin(self, world: World, aim: Aim) -> Any:
        machine = world.machines[aim["node"]]
        going = {"on": True, "stands": False}

        def stand(_: Any = None) -> None:
            if going["on"]:
                going["stands"] = True
                machine.pause()
                world.env.call_later(aim["stands_ms"] * MS_NS, run)

        def run(_: Any = None) -> None:
            if going["stands"]:
                going["stands"] = False
                machine.resume()
                world.env.call_later(aim["runs_ms"] * MS_NS, stand)

        stand()
        return machine, going

    def end(self, world: World, aim: Aim, state: Any) -> None:
        machine, going = state
        going["on"] = False
        if going["stands"]:
            going["stands"] = False
            machine.resume()
