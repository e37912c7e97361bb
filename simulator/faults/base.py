"""What a fault is: a plan made before the run from its own randomness, and two acts.

All of a fault's injections are drawn before anything runs, each with its victims and its length,
so one of them can be left out without moving another: that is how a failing run is shrunk.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from nexus.model.time import seconds_to_ns
from simulator.topology import Layout

if TYPE_CHECKING:
    from typing import Self

    from simulator.world import World

Aim = dict[str, Any]
"""Whom an injection hits and how hard: plain values, printed and written to files."""


class Injection(msgspec.Struct, frozen=True):
    """One fault, once."""

    number: int
    kind: str
    at_ns: int
    for_ns: int
    aim: Aim
    fault: Any
    """The `Fault` that carries it out."""

    def told(self) -> str:
        """One line for people."""
        aim = " ".join(f"{key}={value}" for key, value in self.aim.items())
        return f"{self.at_ns / 1e9:.3f} s {self.kind} for {self.for_ns / 1e9:.3f} s {aim}"


class Fault(msgspec.Struct, kw_only=True):
    """A kind of fault with its numbers; subclasses say what it does."""

    swarms: ClassVar[bool] = True
    lasts_s: ClassVar[tuple[float, float]] = (2, 60)

    kind: str = ""
    at_s: tuple[float, ...] = ()
    """Instants after the warm-up; empty: ``count`` of them are drawn over the whole phase."""
    count: int = 1
    for_s: tuple[float, float] | None = None
    on: tuple[str, ...] = ()
    """Victims by name or role; empty: drawn."""

    @classmethod
    def drawn(cls, count: int, rng: Random) -> Self:
        """This kind, so many times."""
        del rng
        made = cls(count=count)
        made.kind = next(kind for kind, each in _registry().items() if each is cls)
        return made

    def plan(
        self, layout: Layout, phase_ns: tuple[int, int], rng: Random
    ) -> list[tuple[int, int, Aim]]:
        """(instant, length, aim) of each injection, in order of time."""
        begin, end = phase_ns
        if self.at_s:
            instants = [begin + seconds_to_ns(at) for at in self.at_s]
        else:
            instants = [rng.randrange(begin, max(begin + 1, end)) for _ in range(self.count)]
        planned = []
        for at in sorted(instants):
            lasts = seconds_to_ns(rng.uniform(*(self.for_s or self.lasts_s)))
            planned.append((at, lasts, self.aim(layout, rng)))
        return planned

    def victims(self, layout: Layout) -> list[str]:
        """Members that may be hit."""
        if not self.on:
            return layout.names()
        return [
            each.name for each in layout.members if each.name in self.on or each.role in self.on
        ]

    # --- for a kind to fill ------------------------------------------------------------------

    def aim(self, layout: Layout, rng: Random) -> Aim:
        """Whom it hits this time: one member, unless a kind says otherwise."""
        return {"node": rng.choice(self.victims(layout))}

    def begin(self, world: World, aim: Aim) -> Any:
        """It happens; what is returned comes back in `end`."""
        raise NotImplementedError

    def end(self, world: World, aim: Aim, state: Any) -> None:
        """It is over."""


def _registry() -> dict[str, type[Fault]]:
    from simulator.faults import FAULTS

    return FAULTS
