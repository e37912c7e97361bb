"""A disk writes a row to another row's place; the next start must see it and refuse."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from simulator.faults.base import Aim, Fault
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World

ROWS_MIN = 2


class MisdirectedWrite(Fault, kw_only=True):
    """What lies there is whole, checksum and all, and belongs elsewhere."""

    kind: str = "misdirected_write"

    def aim(self, layout: Layout, rng: Random) -> Aim:
        return {"node": rng.choice(self.victims(layout)), "at": round(rng.random(), 6)}

    def begin(self, world: World, aim: Aim) -> Any:
        machine = world.machines[aim["node"]]
        rows = machine.disk.rows
        if len(rows) < ROWS_MIN or not world.may_lose(aim["node"]):
            return
        machine.kill(reason="killed for its misdirected write")
        place = int(aim["at"] * (len(rows) - 1))
        other = rows[place + 1]
        rows[place] = msgspec.structs.replace(rows[place], payload=other.payload, crc=other.crc)
        if machine.down:
            machine.damaged = "a row was overwritten while it was down"  # counted as lost from now
        else:
            machine.start()
