"""What a checker is: it hears what happens, and says so when an invariant is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from nexus.model.time import Instant
from nexus.model.views import AllocationView

if TYPE_CHECKING:
    from simulator.machine import Machine
    from simulator.world import World


class Checker:
    """Base of all; a kind overrides what it wants to hear of."""

    name: ClassVar[str]
    invariant: ClassVar[int]
    """Number in protocol section 6; 0: none of them."""
    hears: ClassVar[tuple[type, ...]] = ()
    """Messages whose arrival (after it was handled) it wants to hear of."""

    def __init__(self, world: World) -> None:
        self.world = world

    def violate(self, story: str) -> None:
        """An invariant is broken."""
        self.world.violate(self.name, self.invariant, story)

    def heard(self, machine: Machine, sender: str, message: Any) -> None:
        """A node has handled a message of a type in ``hears``."""

    def told(self, machine: Machine, request: Any, view: AllocationView, reading: Instant) -> None:
        """A node has told somebody an allocation."""

    def full(self, machine: Machine) -> None:
        """Time for a thorough look at one node."""

    def calm(self) -> None:
        """The faults are over and everything is healed."""

    def finish(self) -> None:
        """The run is over."""
