"""A disk is replaced by a copy taken earlier: everything since is forgotten without a trace.

Not drawn by swarms: no member can know by itself that it forgot (see DESIGN.md on clones).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from simulator.faults.base import Aim, Fault

if TYPE_CHECKING:
    from simulator.world import World


class OldBackup(Fault, kw_only=True):
    """A copy is taken when it begins, and put in place when it ends."""

    swarms: ClassVar[bool] = False
    kind: str = "old_backup"
    lasts_s: ClassVar[tuple[float, float]] = (20, 200)

    def begin(self, world: World, aim: Aim) -> Any:
        return world.machines[aim["node"]].backup()

    def end(self, world: World, aim: Aim, state: Any) -> None:
        machine = world.machines[aim["node"]]
        machine.kill(reason="disk replaced by an old copy")
        machine.restore(state)
        machine.start()
