"""What the mix of short restarts does to a world: an owner is back at once, and then cut off."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING

from nexus.core.operations.allocate import Allocate
from simulator.calls import Answer
from simulator.mutants.scripts import at, cut, install, owners_of

if TYPE_CHECKING:
    from simulator.world import World

ASKERS = 6
"""On each side; a name is at home in one shard, and not all are in the owner's."""


def back_and_cut_off(world: World) -> None:
    """An edge restarts, renews what it had won, and is cut off while its hold lasts.

    It goes on telling leases that no voter hears of.  Whoever asks the others meanwhile gets
    nothing of that shard: unless the start gave it back, and then a successor reads voters that
    know of none of these leases.
    """
    rng = world.rng("script", "back and cut off")
    at(world, rng.uniform(20, 25), partial(_back_and_cut_off, world, rng))


def _back_and_cut_off(world: World, rng: Random) -> None:
    owners = owners_of(world)
    if not owners:
        return
    name, cores = rng.choice(owners), world.layout.names("core")
    machine = world.machines[name]
    back_s = world.env.now_ns / 1e9 + rng.uniform(0.1, 0.5)
    cut_s = back_s + rng.uniform(0.3, 1)
    machine.crash(reason="restarts")
    at(world, back_s, machine.revive)
    at(world, cut_s, lambda: cut(world, [name], 20))

    def told(answer: Answer) -> None:
        install(world, answer)

    def ask(home: str, who: str) -> None:
        world.call(home, Allocate("p", who, ttl_s=20, provisional=True), told)

    for number in range(ASKERS):
        at(world, cut_s + rng.uniform(3, 7), partial(ask, name, f"cut-off-{number}"))
        other = partial(ask, rng.choice(cores), f"elsewhere-{number}")
        at(world, cut_s + rng.uniform(8, 16), other)
