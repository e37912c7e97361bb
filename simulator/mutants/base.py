"""What a mutant is: one rule function replaced by a wrong one while a world runs.

The product has no switches for that.  Rule functions are called through their modules (or, a few,
through their classes), so the attribute can be replaced from outside; `__exit__` puts it back.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import msgspec

from nexus.core.effects import Effect
from nexus.core.events import Event, MessageReceived
from nexus.core.messages import GrantsRenewed, RecordsHeld
from nexus.ownership.shard import DRAINING, SERVING
from simulator.checkers.one_owner import holds
from simulator.machine import Machine
from simulator.scenario import Scenario, parse
from simulator.world import Hooks, Result, World, build, run

RUNS_MAX = 500
"""Runs of its aimed mix within which a mutant must be caught."""

Prepare = Callable[[World], None]


class Mix(msgspec.Struct, frozen=True):
    """An aimed mix: a small world, and what goes wrong in it."""

    name: str
    what: str
    raw: dict[str, Any]
    """A scenario as its file would say it."""
    prepare: Prepare | None = None
    """What no scenario says: done to a world that is built and has not run yet."""
    strict: bool = True
    """Two holders at one instant are a violation here, whether or not anybody is told anything."""

    def scenario(self) -> Scenario:
        """The scenario, checked."""
        return parse({"question": self.what, **self.raw}, self.name)

    def run(self, seed: int, mutant: Replaced | None = None) -> Result:
        """One run; of the intact protocol without a mutant."""
        prepare = self.prepare

        def on_phase(world: World, phase: str) -> None:
            if prepare is not None and phase == "safety":
                prepare(world)

        hooks = Hooks(on_phase=on_phase, on_event=one_holder if self.strict else None)
        return run(build(self.scenario(), seed, mutant=mutant, hooks=hooks))


def one_holder(world: World, machine: Machine, event: Event, effects: tuple[Effect, ...]) -> None:
    """Invariant 2, asked of all machines whenever one of them may have come to hold a shard.

    Stricter than the checker of every world, and too dear for it: this one sees two processes of
    one member, and holds that began without a renewal.
    """
    del effects
    process = machine.process
    if type(event) is not MessageReceived or process is None:
        return
    if not isinstance(event.message, GrantsRenewed | RecordsHeld):
        return
    fast = process.node.ctx.clocks.fast
    for key, shard in process.node.owning.owned.items():
        owner = shard.owner
        if owner is None or owner.hold_until <= fast or owner.state not in (SERVING, DRAINING):
            continue
        for other in world.machines.values():
            known = other.process.node.book.shard(key) if other.process is not None else None
            if other is machine or known is None or known.owner is None:
                continue
            if other.process is None or not other.process.gate.open:
                continue  # it does not run; when it does it has to look at its clocks first
            if holds(other, key, known.owner.grant.epoch):
                world.violate(
                    "one_holder",
                    2,
                    f"shard {key} is held by {machine.name} (epoch {owner.grant.epoch.counter}) "
                    f"and by {other.name} (epoch {known.owner.grant.epoch.counter})",
                )


class Replaced:
    """Functions that others stand in for while a run lasts; enter it around the run."""

    def __init__(self, replacements: tuple[tuple[Any, str, Any], ...]) -> None:
        self.replacements = replacements
        self._intact: list[Any] = []

    def __enter__(self) -> Self:
        for place, function, wrong in self.replacements:
            self._intact.append(vars(place)[function])
            setattr(place, function, wrong)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for (place, function, _), intact in zip(self.replacements, self._intact, strict=True):
            setattr(place, function, intact)
        self._intact.clear()


class Mutant(Replaced):
    """One wrong rule.

    Parameters
    ----------
    rule : number and clause, as in "R8 c".
    breaks : what the wrong version does, in a few words.
    place : the module or class whose attribute is replaced.
    function : name of the attribute.
    wrong : what stands in its place.
    also : replaced together with it, where a rule is asked at two places.
    spared : why nothing can catch it alone: which rule stands in for it.
    beside : that rule, taken away as well, in the runs that must pass too: then what a checker
        complains of is this rule's lack alone.  A spared mutant without it is hunted on request
        only.
    """

    def __init__(
        self,
        name: str,
        rule: str,
        breaks: str,
        place: Any,
        function: str,
        wrong: Any,
        mix: Mix,
        also: tuple[tuple[Any, str, Any], ...] = (),
        spared: str = "",
        beside: tuple[tuple[Any, str, Any], ...] = (),
    ) -> None:
        super().__init__(((place, function, wrong), *also, *beside))
        self.name = name
        self.rule = rule
        self.breaks = breaks
        self.mix = mix
        self.spared = spared
        self.beside = beside

    @property
    def hunted(self) -> bool:
        """It belongs to the list that must be caught."""
        return bool(self.beside) or not self.spared

    def control(self, seed: int) -> Result:
        """The same run with this rule intact; what fails there says nothing about it."""
        return self.mix.run(seed, Replaced(self.beside) if self.beside else None)
