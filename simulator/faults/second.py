"""A second machine under a member's name: what clones and replaced devices have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.clocks import MachineClock
from simulator.machine import Backup, Identity, Machine

if TYPE_CHECKING:
    from simulator.world import World

OTHER_BOOTS = 1_000
"""Boots of other hardware are other boots."""


def second_machine(world: World, first: Machine, backup: Backup | None) -> Machine:
    """Another machine of that name, with a copy of the disk or an empty one; not started.

    Messages for the name reach both from now on.
    """
    rng = world.rng("second machine", first.name, str(world.env.now_ns))
    clock = MachineClock(world.env, rate_ppb=first.clock.rate_ppb, wall_rate_ppb=0)
    commit_us = world.scenario.cluster.commit_us
    second = Machine(world.env, world.network, clock, first.config, rng, world, commit_us)
    second.boots = first.boots + OTHER_BOOTS
    if first in world.detectors:
        world.detectors[second] = world.detector_for(second)
    if backup is None:
        second.wipes = first.wipes + 1
    else:
        second.restore(backup)
        second.identity = Identity(backup.identity.incarnation, backup.identity.session)

    def to_both(sender: str, message: Any) -> None:
        second.receive(sender, message)
        first.receive(sender, message)

    world.network.attach(first.name, to_both)
    return second


def one_left(world: World, name: str, beside: str, left: Machine, gone: Machine) -> None:
    """The doubled name is found out: one of the two is switched off for good."""
    gone.lose("found to be doubled")
    world.machines.pop(beside, None)
    world.machines[name] = left
    world.network.attach(name, left.receive)
