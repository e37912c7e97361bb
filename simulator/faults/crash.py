"""A process dies at any moment and is started again; what was not synced may be lost or torn."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from simulator.faults.base import Aim, Fault
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World


class Crash(Fault, kw_only=True):
    """Many short ones or few long ones; some in the middle of a step."""

    kind: str = "crash"
    lasts_s: ClassVar[tuple[float, float]] = (0.05, 60)

    def aim(self, layout: Layout, rng: Random) -> Aim:
        return {
            "node": rng.choice(self.victims(layout)),
            "survive": rng.choice((0, 0, 1, 2)),
            "torn": rng.random() < 0.3,
            "mid_step": rng.choice((-1, -1, 0, 1, 2, 3)),
        }

    def begin(self, world: World, aim: Aim) -> Any:
        machine = world.machines[aim["node"]]
        machine.down += 1

        def kill(_: Any) -> None:
            if aim["mid_step"] >= 0:
                machine.resume()
            machine.kill(survive=aim["survive"], torn=aim["torn"], reason="crashed")

        if aim["mid_step"] < 0:
            kill(None)
        else:
            # Effects of the step under way that have not left by then never leave.
            machine.pause(after_effects=aim["mid_step"])
            world.env.call_later(10_000_000, kill, None)

    def end(self, world: World, aim: Aim, state: Any) -> None:
        machine = world.machines[aim["node"]]
        machine.kill(reason="crashed")
        machine.revive()
