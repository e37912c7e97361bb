"""A disk refuses every write until an operator makes room and starts the process again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.faults.base import Aim, Fault

if TYPE_CHECKING:
    from simulator.world import World


class DiskFull(Fault, kw_only=True):
    """No space left."""

    kind: str = "disk_full"

    def begin(self, world: World, aim: Aim) -> Any:
        world.machines[aim["node"]].disk.fault = "no space left on device"

    def end(self, world: World, aim: Aim, state: Any) -> None:
        machine = world.machines[aim["node"]]
        machine.disk.fault = None
        if machine.process is not None and machine.process.store.failed is not None:
            machine.kill(reason="restarted after room was made")
            machine.start()
