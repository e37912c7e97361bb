"""What the journal does not say: how long each owner may still act, and how callers fare.

Hung onto a world of which a folder is wanted.  It only looks (`peek`), so a run with it has the
digest of the run without.
"""

from __future__ import annotations

from copy import copy
from pathlib import Path

import msgspec

from nexus.core.effects import Effect, Reply
from nexus.core.events import Event
from nexus.errors import NexusError
from nexus.model.time import NS_PER_S, seconds_to_ns
from nexus.ownership.shard import DRAINING, SERVING
from simulator.machine import Machine
from simulator.scenario import Scenario
from simulator.world import Hooks, World

SAMPLES = 600
"""Looks at every owner over a run."""
FILE = "samples.jsonl"
HOLD_LEFT_MAX_S = 10**7


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """One member at one instant."""

    at_s: float
    member: str
    up: bool
    """Its process runs."""
    shards: tuple[tuple[str, int, str, float, int], ...]
    """(pool/index, epoch, state, seconds for which it may still act, open leases)"""
    answered: int
    """Callers who got what they asked since the sample before."""
    refused: int
    """Callers who were told to come again."""


class Recorder:
    """Owned by one run; `hooks` goes into `build`."""

    def __init__(self, scenario: Scenario) -> None:
        self._every_ns = seconds_to_ns((scenario.duration_s + scenario.calm_s) / SAMPLES)
        self._next_ns = 0
        self._answered: dict[str, int] = {}
        self._refused: dict[str, int] = {}
        self.samples: list[Sample] = []
        self.hooks = Hooks(on_event=self._on_event, keep_messages=True)

    def _on_event(
        self, world: World, machine: Machine, event: Event, effects: tuple[Effect, ...]
    ) -> None:
        del event
        for effect in effects:
            if type(effect) is Reply:
                result = effect.result
                late = isinstance(result, NexusError) and result.status in (429, 500, 503, 507)
                counts = self._refused if late else self._answered
                counts[machine.name] = counts.get(machine.name, 0) + 1
        if world.env.now_ns >= self._next_ns:
            self._next_ns = world.env.now_ns + self._every_ns
            for each in world.machines.values():
                self.samples.append(self._sample(world, each))

    def _sample(self, world: World, machine: Machine) -> Sample:
        shards: list[tuple[str, int, str, float, int]] = []
        process = machine.process
        if process is not None:
            node = process.node
            clocks = copy(node.ctx.clocks)
            clocks.advance(machine.clock.peek())
            for (pool_no, index), shard in sorted(node.owning.owned.items()):
                owner = shard.owner
                pool = node.book.by_no.get(pool_no)
                if owner is None or pool is None or owner.state not in (SERVING, DRAINING):
                    continue
                left_s = min((owner.hold_until - clocks.fast) / NS_PER_S, HOLD_LEFT_MAX_S)
                name = f"{pool.spec.id}/{index}"
                epoch = owner.grant.epoch.counter
                shards.append((name, epoch, owner.state, round(max(left_s, 0.0), 3), shard.held))
        return Sample(
            world.env.now_ns / NS_PER_S,
            machine.name,
            process is not None,
            tuple(shards),
            self._answered.pop(machine.name, 0),
            self._refused.pop(machine.name, 0),
        )

    def write(self, folder: Path) -> None:
        """Beside the other files of the run."""
        encode = msgspec.json.encode
        with (folder / FILE).open("wb") as file:
            file.writelines(encode(sample) + b"\n" for sample in self.samples)
