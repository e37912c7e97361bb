"""What a hunt consists of: scenario files and aimed mixes, each with its share of the seeds.

A part is (name, share).  A name is a scenario's (`swarm-small`) or a mix's (`mix cuts`); what a
seed of it costs is in docs/hunt.md, so shares are set by hand to what is worth its time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from simulator.mutants import MIXES
from simulator.mutants.base import one_holder
from simulator.scenario import Scenario, ScenarioError, load
from simulator.world import Hooks, Result, World, build, run

FOLDER = Path("scenarios")
MIX = "mix "
"""First word of the names of aimed mixes."""


class Part(msgspec.Struct, frozen=True):
    """One thing that seeds are drawn for."""

    name: str
    share: float
    """Of the seeds; shares are relative to each other."""

    def scenario(self) -> Scenario:
        """The scenario, checked."""
        if self.name.startswith(MIX):
            mix = MIXES.get(self.name.removeprefix(MIX))
            if mix is None:
                raise ScenarioError(f"no mix {self.name!r}, accepted: {', '.join(MIXES)}")
            return mix.scenario()
        return load(FOLDER / f"{self.name}.toml")

    def run(self, seed: int, keep: Any = None) -> tuple[World, Result]:
        """One world from beginning to end."""
        hooks = Hooks()
        if self.name.startswith(MIX):
            mix = MIXES[self.name.removeprefix(MIX)]

            def on_phase(world: World, phase: str) -> None:
                if mix.prepare is not None and phase == "safety":
                    mix.prepare(world)

            hooks = Hooks(on_phase=on_phase, on_event=one_holder if mix.strict else None)
        world = build(self.scenario(), seed, hooks=hooks, keep=keep)
        return world, run(world)

    def command(self, seed: int) -> str:
        """What repeats one seed."""
        if self.name.startswith(MIX):
            return f'nexus-sim hunt --only "{self.name}" --seed {seed}'
        return f"nexus-sim run {FOLDER}/{self.name}.toml --seed {seed}"


SHARES = {
    "swarm-small": 30.0,
    "swarm": 1.0,
    "partition-five": 2.0,
    "late-release": 0.5,
    "late-requests": 0.5,
    "cloned-disk": 0.5,
    "fence-forwarded": 0.5,
    "roaming": 0.2,
    "exhaustion": 0.2,
    "drain-rebalance": 0.3,
    "distributed-bngs": 0.3,
}
"""Scenario -> share, in per cent or so."""
MIXES_SHARE = 64.0
"""Of all aimed mixes together, each the same."""


def parts() -> dict[str, Part]:
    """Everything that a hunt goes through, by name."""
    each = MIXES_SHARE / len(MIXES)
    made = [Part(name, share) for name, share in SHARES.items()]
    made += [Part(MIX + name, each) for name in MIXES]
    return {part.name: part for part in made}
