"""Paths that pick: messages of one kind are late or lost, the others are not.

No cable does that, and no rule relies on it: an adversary that finds in a few runs what even
losses find in thousands.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from nexus.model.time import seconds_to_ns
from simulator.mutants.scripts import at, cut, times

if TYPE_CHECKING:
    from simulator.world import World

PICKED = (
    ("RenewGrants",),
    ("GrantsRenewed",),
    ("PushRecords",),
    ("RecordsHeld",),
    ("ShardsPromised", "ShardsAccepted"),
    ("PrepareShards", "AcceptShards"),
    ("AcceptShards",),
    ("ReadShards", "ShardsRead"),
    ("ReleaseShards", "ShardsReleased"),
    ("RowsSpread", "DigestSpread", "RowsWanted"),
    ("Decided", "DecidePrepare", "DecideAccept"),
)
MUTE_NS = seconds_to_ns(60)
PATIENCE_NS = seconds_to_ns(3)
ACCEPTED_LATE_NS = 4 * PATIENCE_NS - seconds_to_ns(0.5)
"""A campaign waits hardly longer for them."""
ROWS = ("PushRecords", "RowsSpread", "DigestSpread", "RowsWanted")


class Pick(msgspec.Struct, frozen=True):
    """Messages of some kinds, to or from some members, are late or lost for a while."""

    kinds: tuple[str, ...]
    members: tuple[str, ...]
    outward: bool
    from_ns: int
    until_ns: int
    lost: float
    late_ns_max: int


def picky(world: World) -> None:
    """Paths that treat one kind of message badly: no rule forbids it."""
    rng = world.rng("script", "picky")
    names = world.network.names
    picks = []
    for second in times(world, rng, 30, spare_s=10):
        from_ns = seconds_to_ns(second)
        picks.append(
            Pick(
                rng.choice(PICKED),
                (rng.choice(names),),
                rng.random() < 0.5,
                from_ns,
                from_ns + seconds_to_ns(rng.uniform(2, 30)),
                rng.choice((0.0, 0.5, 1.0)),
                seconds_to_ns(rng.choice((1.5, 8, 25))),
            )
        )
    pick(world, picks, rng)


def always_late(kinds: tuple[str, ...], late_s: float) -> Callable[[World], None]:
    """Messages of these kinds take up to so long, all the time."""

    def prepare(world: World) -> None:
        names = tuple(world.network.names)
        late_ns = seconds_to_ns(late_s)
        late = Pick(kinds, names, True, 0, 1 << 62, 0.0, late_ns)
        pick(world, [late], world.rng("script", "late"))

    return prepare


def deaf(world: World) -> None:
    """One core after the other hears of no rows; what it holds is old."""
    rng = world.rng("script", "deaf")
    cores = world.layout.names("core")
    picks = []
    second, end = 6.0, world.scenario.duration_s
    while second < end:
        until = second + rng.uniform(25, 60)
        victims = tuple(rng.sample(cores, rng.choice((1, 1, 2))))
        picks.append(
            Pick(ROWS, victims, False, seconds_to_ns(second), seconds_to_ns(until), 1.0, 1)
        )
        second = until
    pick(world, picks, rng)


def unrenewed(world: World) -> None:
    """Acceptances come late; then the winner's renewals come nowhere, and soon nothing at all."""
    rng = world.rng("script", "unrenewed")
    network, env = world.network, world.env
    for machine in world.machines.values():
        machine.config = msgspec.structs.replace(machine.config, retry_ns=PATIENCE_NS)
    send = network.send
    mute_until: dict[str, int] = {}
    cut_off: list[str] = []

    def picking(source: str, target: str, message: Any) -> None:
        kind = type(message).__name__
        now = env.now_ns
        if kind == "AcceptShards" and not mute_until and rng.random() < 0.3:
            mute_until[source] = now + MUTE_NS
        muted = now < mute_until.get(source, 0)
        if muted and kind == "RenewGrants":
            return
        if muted and kind == "ReadShards" and source not in cut_off:
            cut_off.append(source)
            at(world, now / 1e9 + rng.uniform(1, 3), partial(cut, world, [source], 60))
        if kind == "ShardsAccepted" and now < mute_until.get(target, 0):
            late = ACCEPTED_LATE_NS - int(rng.random() * PATIENCE_NS)
            env.call_later(late, lambda _: send(source, target, message), None)
            return
        send(source, target, message)

    setattr(network, "send", picking)  # noqa: B010 - a method of this one network


def pick(world: World, picks: list[Pick], rng: Random) -> None:
    """Put these between the members and their network."""
    network, env = world.network, world.env
    send = network.send

    def picking(source: str, target: str, message: Any) -> None:
        now = env.now_ns
        kind = type(message).__name__
        for each in picks:
            if each.from_ns <= now < each.until_ns and kind in each.kinds:
                if (source if each.outward else target) not in each.members:
                    continue
                if rng.random() < each.lost:
                    return
                late = int(rng.random() * each.late_ns_max)
                env.call_later(late, lambda _: send(source, target, message), None)
                return
        send(source, target, message)

    setattr(network, "send", picking)  # noqa: B010 - a method of this one network


def both(*prepares: Callable[[World], None]) -> Callable[[World], None]:
    """One after the other."""

    def prepare(world: World) -> None:
        for each in prepares:
            each(world)

    return prepare
