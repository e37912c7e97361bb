"""A disk is gone.  An edge comes back empty under its name; a voter does not come back (R21 d)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from simulator.faults.base import Aim, Fault

if TYPE_CHECKING:
    from simulator.world import World


class DiskLost(Fault, kw_only=True):
    """All that a member knew is lost."""

    kind: str = "disk_lost"
    lasts_s: ClassVar[tuple[float, float]] = (1, 120)

    def begin(self, world: World, aim: Aim) -> Any:
        machine = world.machines[aim["node"]]
        if not world.may_lose(aim["node"]):
            return
        if machine.role == "core":
            machine.lose("disk lost")
            return
        machine.crash(reason="disk lost")
        machine.wipe()

    def end(self, world: World, aim: Aim, state: Any) -> None:
        world.machines[aim["node"]].revive()
