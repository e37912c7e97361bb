"""A member is upgraded and rolled back: its log has an entry that its old version does not know.

It must refuse to start rather than skip what it cannot read; with the newer version back it goes
on.  Members of two versions that talk to each other come with the transport (DESIGN.md, 7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from nexus.store.records import unpack
from simulator.faults.base import Aim, Fault

if TYPE_CHECKING:
    from simulator.world import World

FROM_THE_FUTURE = msgspec.msgpack.encode(["EntryOfANewerVersion", 1])


class MixedVersions(Fault, kw_only=True):
    """While it lasts the older version is installed."""

    kind: str = "mixed_versions"
    lasts_s: ClassVar[tuple[float, float]] = (2, 60)

    def begin(self, world: World, aim: Aim) -> Any:
        machine = world.machines[aim["node"]]
        if machine.process is None or not world.may_lose(aim["node"]):
            return None
        machine.kill(reason="rolled back to an older version")
        before = machine.disk.acknowledged_seq
        machine.disk.write([FROM_THE_FUTURE])
        machine.disk.acknowledged_seq = machine.disk.rows[-1].seq
        machine.start()
        return machine, before

    def end(self, world: World, aim: Aim, state: Any) -> None:
        if state is None:
            return
        machine, before = state
        if machine.process is not None or not machine.disk.rows:
            return
        # The newer version reads the entry, whose meaning is nothing to the rest.
        if FROM_THE_FUTURE in map(bytes, unpack(machine.disk.rows[-1].payload)):
            machine.disk.rows.pop()
            machine.disk.acknowledged_seq = before
            machine.damaged = None
            machine.start()
