"""What the mixes of voters' corners do to a world: changes before copies, and second foundings."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from nexus.model.time import seconds_to_ns
from simulator.mutants.corner_scripts import interpose
from simulator.mutants.scripts import at, change_voters, cut, owners_of

if TYPE_CHECKING:
    from simulator.world import World


def voters_starved(world: World) -> None:
    """Two of three voters are replaced, and what they have to copy first is long under way."""
    cores = world.layout.names("core")
    for machine in world.machines.values():
        machine.config = msgspec.structs.replace(machine.config, voters=tuple(cores[:3]))
    rng = world.rng("script", "starved")
    second = rng.uniform(15, 30)
    until_ns = seconds_to_ns(second + rng.uniform(4, 10))

    def passes(source: str, target: str, kind: str, message: Any) -> bool:
        return kind != "StateGiven" or world.env.now_ns >= until_ns

    interpose(world, passes)
    at(world, second, partial(change_voters, world, rng.choice(cores[:3]), tuple(cores[2:])))


def founded_twice(world: World) -> None:
    """One founder is never there, another loses its disk when the third is away; then both come."""
    first, second, absent = world.layout.names("core")
    world.machines[absent].crash(reason="was never there")
    machines = world.machines
    at(world, 30, partial(machines[second].crash, reason="is away"))
    at(world, 30, partial(machines[first].crash, reason="disk lost"))
    at(world, 31, machines[first].wipe)
    at(world, 32, machines[first].revive)
    at(world, 32, machines[absent].revive)
    at(world, 34, partial(world.make_pool, world.scenario.pools[0]))
    at(world, world.scenario.duration_s - 2, machines[second].revive)


def ignorant_copies(world: World) -> None:
    """Joiners hear first of a voter that has missed everything, while an owner is cut off."""
    cores = world.layout.names("core")
    for machine in world.machines.values():
        machine.config = msgspec.structs.replace(machine.config, voters=tuple(cores[:3]))
    rng = world.rng("script", "ignorant copies")
    ignorant = cores[2]
    second = rng.uniform(20, 30)
    from_ns, until_ns = seconds_to_ns(second), seconds_to_ns(second + 9)
    missed = ("PrepareShards", "AcceptShards", "RenewGrants", "PushRecords", "ReadShards")

    def passes(source: str, target: str, kind: str, message: Any) -> bool:
        now = world.env.now_ns
        if kind == "StateGiven":
            return source == ignorant or now >= until_ns
        return now >= from_ns or target != ignorant or kind not in missed

    interpose(world, passes)
    at(world, second, lambda: cut(world, owners_of(world), 18))
    at(world, second + 0.2, partial(change_voters, world, ignorant, tuple(cores[2:])))
