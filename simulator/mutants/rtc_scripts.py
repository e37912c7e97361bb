"""What the mix of trusted RTCs does to a world (`cold_start_offline`)."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING

import msgspec

from nexus.model.time import seconds_to_ns
from simulator.mutants.scripts import at, cut, owners_of

if TYPE_CHECKING:
    from simulator.world import World

RTC_ERROR_S = 1.0


def trusted_rtcs(world: World) -> None:
    """Edges that trust their RTCs lose power while they are cut off, and go on."""
    rng = world.rng("script", "trusted rtcs")
    for name in world.layout.names("edge"):
        machine = world.machines[name]
        machine.config = msgspec.structs.replace(
            machine.config, cold_start_error_bound_ns=seconds_to_ns(RTC_ERROR_S)
        )
    for second in (20.0, 85.0):
        at(world, second + rng.uniform(0, 5), partial(_loses_power, world, rng))


def _loses_power(world: World, rng: Random) -> None:
    owners = owners_of(world)
    if not owners:
        return
    name, off_s = rng.choice(owners), rng.uniform(9, 14)
    machine, now_s = world.machines[name], world.env.now_ns / 1e9
    error_ns = seconds_to_ns(rng.uniform(0, RTC_ERROR_S)) * rng.choice((-1, 1))
    cut(world, [name], 45)

    def back() -> None:
        machine.reboot(error_ns)
        machine.revive()

    at(world, now_s + 2, partial(machine.crash, reason="power lost"))
    at(world, now_s + 2 + off_s, back)
