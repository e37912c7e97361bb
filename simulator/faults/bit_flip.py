"""A byte of the log changes on the disk; the next start must see it and refuse."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from simulator.faults.base import Aim, Fault
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World


class BitFlip(Fault, kw_only=True):
    """One row somewhere in the log rots, then the process is restarted."""

    kind: str = "bit_flip"

    def aim(self, layout: Layout, rng: Random) -> Aim:
        return {"node": rng.choice(self.victims(layout)), "at": round(rng.random(), 6)}

    def begin(self, world: World, aim: Aim) -> Any:
        machine = world.machines[aim["node"]]
        if machine.disk.rows and world.may_lose(aim["node"]):
            row = machine.disk.rows[int(aim["at"] * len(machine.disk.rows))]
            machine.kill(reason="killed for its rotten disk")
            machine.disk.rot(row.seq)
            if machine.down:
                machine.damaged = "its disk rotted while it was down"  # counted as lost from now
            else:
                machine.start()
