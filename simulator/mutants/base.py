"""What a mutant is: one rule function replaced by a wrong one while a world runs.

The product has no switches for that.  Rule functions are called through their modules (or, a few,
through their classes), so the attribute can be replaced from outside; `__exit__` puts it back.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

import msgspec

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

    def scenario(self) -> Scenario:
        """The scenario, checked."""
        return parse({"question": self.what, **self.raw}, self.name)

    def run(self, seed: int, mutant: Mutant | None = None) -> Result:
        """One run; of the intact protocol without a mutant."""
        prepare = self.prepare

        def on_phase(world: World, phase: str) -> None:
            if prepare is not None and phase == "safety":
                prepare(world)

        return run(build(self.scenario(), seed, mutant=mutant, hooks=Hooks(on_phase=on_phase)))


class Mutant:
    """One wrong rule; enter it around a run.

    Parameters
    ----------
    rule : number and clause, as in "R8 c".
    breaks : what the wrong version does, in a few words.
    place : the module or class whose attribute is replaced.
    function : name of the attribute.
    wrong : what stands in its place.
    seed : a seed of the mix that catches it; None: none is known.
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
        seed: int | None = None,
    ) -> None:
        self.name = name
        self.rule = rule
        self.breaks = breaks
        self.place = place
        self.function = function
        self.wrong = wrong
        self.mix = mix
        self.seed = seed
        self._intact: Any = None

    def __enter__(self) -> Mutant:
        self._intact = vars(self.place)[self.function]
        setattr(self.place, self.function, self.wrong)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        setattr(self.place, self.function, self._intact)
