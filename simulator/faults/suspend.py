"""A machine sleeps: its monotonic clock stops, the boot-time and the wall clock run on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from simulator.faults.base import Aim, Fault

if TYPE_CHECKING:
    from simulator.world import World


class Suspend(Fault, kw_only=True):
    """A laptop's lid, a virtual machine moved."""

    kind: str = "suspend"
    lasts_s: ClassVar[tuple[float, float]] = (1, 200)

    def begin(self, world: World, aim: Aim) -> Any:
        world.machines[aim["node"]].suspend()

    def end(self, world: World, aim: Aim, state: Any) -> None:
        world.machines[aim["node"]].wake()
