"""What the mixes of corners do to a world: voters that missed something, clocks that stop."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from nexus.core.operations.allocate import Allocate
from nexus.core.operations.nodes import FenceNode
from nexus.core.operations.release import Release
from nexus.model.time import seconds_to_ns
from nexus.model.views import Done
from nexus.ownership.shard import HELD, SERVING
from simulator.calls import Answer
from simulator.machine import Machine
from simulator.mutants.paths import ROWS, Pick, pick
from simulator.mutants.scripts import (
    at,
    cut,
    edges_prove_disks,
    install,
    owners_of,
    unseen_release,
)
from simulator.oracle import resource_of

if TYPE_CHECKING:
    from simulator.world import World

FOREVER_NS = 1 << 62


def interpose(world: World, passes: Any) -> None:
    """Ask ``passes(source, target, kind, message)`` of every message; False: it is lost."""
    network = world.network
    send = network.send

    def picking(source: str, target: str, message: Any) -> None:
        if passes(source, target, type(message).__name__, message):
            send(source, target, message)

    setattr(network, "send", picking)  # noqa: B010 - a method of this one network


def edges_hear_nothing(world: World) -> None:
    """No row ever reaches an edge by gossip: what it knows of epochs it learned by asking."""
    edges = tuple(world.layout.names("edge"))
    deaf = Pick(("RowsSpread", "DigestSpread"), edges, False, 0, FOREVER_NS, 1.0, 1)
    pick(world, [deaf], world.rng("script", "unheard"))


LEAVERS = 4
DEAF_S, DIE_S = 22.0, 50.0


def stale_reads(world: World) -> None:
    """Edges hear of no rows any more; addresses change hands, and then all edges' owners die.

    Some subscribers have left for good meanwhile: nothing of theirs may be open at the end.
    """
    rng = world.rng("script", "stale reads")
    edges = tuple(world.layout.names("edge"))
    deaf = Pick(ROWS, edges, False, seconds_to_ns(DEAF_S), FOREVER_NS, 1.0, 1)
    pick(world, [deaf], rng)
    gone: dict[str, None] = {}
    for number in range(LEAVERS):
        name, home = f"leaver-{number}", rng.choice(world.homes("owners"))
        at(world, rng.uniform(1, 6), partial(_comes_and_leaves, world, rng, name, home, gone))
    at(world, DIE_S, partial(_owners_die, world))
    at(world, world.scenario.duration_s - 1, partial(_nothing_reopened, world, gone))


def _comes_and_leaves(
    world: World, rng: Random, name: str, home: str, gone: dict[str, None]
) -> None:
    told: list[str] = []

    def answered(answer: Answer) -> None:
        if install(world, answer):
            told.append(resource_of(answer.result))

    def released(answer: Answer) -> None:
        if isinstance(answer.result, Done):
            gone[name] = None

    def leave() -> None:
        for resource in told:
            world.oracle.stop(resource, name)
        if told:
            world.call(home, Release(name, "p"), released)

    world.call(home, Allocate("p", name), answered)
    at(world, rng.uniform(DEAF_S + 1, DEAF_S + 8), leave)


def _owners_die(world: World) -> None:
    cores = world.layout.names("core")
    owning = []
    for name in cores:
        process = world.machines[name].process
        if process is not None and process.node.owning.owned:
            owning.append(name)
    for name in [*owners_of(world), *owning[:1]]:
        machine = world.machines[name]
        machine.crash(reason="dies with what it knows")
        at(world, world.env.now_ns / 1e9 + 60, machine.revive)


def _nothing_reopened(world: World, gone: dict[str, None]) -> None:
    for machine in world.machines.values():
        for pool in machine.process.node.book.by_id.values() if machine.process else ():
            for shard in pool.shards:
                if shard.owner is None or shard.owner.state != SERVING:
                    continue
                for row in shard.rows:
                    if row.length == HELD and row.subscriber in gone:
                        story = f"{row.subscriber} left, and {machine.name} holds {row} for it"
                        world.violate("reopened", 7, story)
                        return


def dies_proposing(world: World) -> None:
    """A first candidate reaches one voter with its proposal, and loses its disk right then."""
    rng = world.rng("script", "dies proposing")
    edges = world.layout.names("edge")
    cores = world.layout.names("core")
    reached = {edge: rng.choice(cores) for edge in edges}
    dead: set[str] = set()

    def passes(source: str, target: str, kind: str, message: Any) -> bool:
        if source not in reached or source in dead or kind != "AcceptShards":
            return True
        if target != reached[source]:
            return False
        dead.add(source)
        machine = world.machines[source]
        now_s = world.env.now_ns / 1e9
        at(world, now_s + rng.uniform(0.05, 0.3), partial(lose_disk, machine))
        at(world, now_s + 1, machine.revive)
        return True

    interpose(world, passes)


def lose_disk(machine: Machine) -> None:
    """Off, and the disk is empty when it comes back."""
    machine.crash(reason="disk lost")
    machine.wipe()


def _install(world: World, answer: Answer) -> None:
    install(world, answer)


def unaware_voter(world: World) -> None:
    """One voter never hears of the edges' grants; an edge that is cut off loses its disk."""
    edges_prove_disks(world)
    rng = world.rng("script", "unaware")
    cores = world.layout.names("core")
    unaware, away = rng.sample(cores, 2)
    kinds = ("PrepareShards", "AcceptShards", "RenewGrants", "PushRecords")
    missed = {(edge, kind) for edge in world.layout.names("edge") for kind in kinds}
    lost_s = rng.uniform(30, 40)
    until_ns = seconds_to_ns(lost_s)

    def passes(source: str, target: str, kind: str, message: Any) -> bool:
        heard = target != unaware or world.env.now_ns >= until_ns
        return heard or (source, kind) not in missed

    interpose(world, passes)
    at(world, lost_s - rng.uniform(6, 9), partial(_cut_and_lost, world, rng, lost_s))
    at(world, lost_s, lambda: cut(world, [away], 8))


def _cut_and_lost(world: World, rng: Random, lost_s: float) -> None:
    owners = owners_of(world)
    if not owners:
        return
    name = rng.choice(owners)
    machine = world.machines[name]
    now_s = world.env.now_ns / 1e9
    cut(world, [name], lost_s + 0.2 - now_s)

    def ask(home: str, who: str) -> None:
        request = Allocate("p", who, ttl_s=25, provisional=True)
        world.call(home, request, partial(_install, world))

    for number in range(3):
        at(world, now_s + rng.uniform(1, 5), partial(ask, name, f"told-{number}"))
    at(world, lost_s, partial(lose_disk, machine))
    at(world, lost_s + 0.5, machine.revive)
    for number in range(12):
        at(world, lost_s + 1 + number, partial(ask, name, f"next-{number}"))


def releases_on_their_way(world: World) -> None:
    """An owner that has just given a shard back dies, and is back before anybody hears of it.

    What gave the shard back reaches each voter just before the next candidate does, and for a
    while nothing of what the owner says of its records gets through.
    """
    network, env = world.network, world.env
    send = network.send
    muted: dict[str, int] = {}
    waiting: dict[str, list[tuple[str, Any]]] = {}

    def picking(source: str, target: str, message: Any) -> None:
        kind = type(message).__name__
        now = env.now_ns
        if kind == "ReleaseShards":
            if now > muted.get(source, 0):
                muted[source] = now + seconds_to_ns(25)
                machine = world.machines[source]
                at(world, now / 1e9 + 0.01, partial(machine.crash, reason="died releasing"))
                at(world, now / 1e9 + 0.1, machine.revive)
            waiting.setdefault(target, []).append((source, message))
            return
        if kind == "PushRecords" and now < muted.get(source, 0):
            return
        if kind == "PrepareShards":
            for releaser, release in waiting.pop(target, ()):
                send(releaser, target, release)
            late = seconds_to_ns(0.01)
            env.call_later(late, lambda _: send(source, target, message), None)
            return
        send(source, target, message)

    setattr(network, "send", picking)  # noqa: B010 - a method of this one network


def old_releases(world: World) -> None:
    """What once gave a shard back comes again, just before a candidate asks for that shard."""
    network, env = world.network, world.env
    send = network.send
    kept: dict[tuple[str, Any], Any] = {}

    def again(source: str, target: str, message: Any, _: None) -> None:
        send(source, target, message)

    def picking(source: str, target: str, message: Any) -> None:
        kind = type(message).__name__
        if kind == "ReleaseShards":
            for key, _seal in message.seals:
                kept[target, key] = (source, message)
        if kind != "PrepareShards":
            send(source, target, message)
            return
        for key in message.shards:
            if (target, key) in kept:
                releaser, release = kept[target, key]
                env.call_later(1_000_000, partial(again, releaser, target, release), None)
        env.call_later(seconds_to_ns(0.01), lambda _: send(source, target, message), None)

    setattr(network, "send", picking)  # noqa: B010 - a method of this one network


def fenced_and_back(world: World) -> None:
    """A fenced member registers again and serves; a voter that votes for it hears of the fence
    late, when another one, that knew of it, has missed the new grant."""
    rng = world.rng("script", "fenced and back")
    at(world, rng.uniform(15, 25), partial(_fenced_and_back, world, rng))


def _fenced_and_back(world: World, rng: Random) -> None:
    owners = owners_of(world)
    if not owners:
        return
    name = rng.choice(owners)
    by, misses, late = rng.sample(world.layout.names("core"), 3)
    now_s = world.env.now_ns / 1e9
    heard_s = now_s + rng.uniform(36, 44)
    heard_ns = seconds_to_ns(heard_s)
    decisions = ("Decided", "CatalogTold", "DecisionsWanted")
    asking = ("PrepareShards", "AcceptShards", "RenewGrants", "PushRecords")

    def passes(source: str, target: str, kind: str, message: Any) -> bool:
        if source == name and target == misses and kind in asking:
            return False
        if world.env.now_ns >= heard_ns:
            return True
        others_ask = kind == "PrepareShards" and source != name
        return not (others_ask or (target == late and kind in decisions))

    interpose(world, passes)
    machine = world.machines[name]
    machine.crash(reason="switched off")
    world.oracle.stop_all(name)
    world.call(by, FenceNode(name, "switched off"), lambda answer: None)
    at(world, now_s + rng.uniform(0.2, 2), machine.revive)
    at(world, heard_s - rng.uniform(0.5, 2), lambda: cut(world, [name], 25))


def fenced_candidate(world: World) -> None:
    """A fenced member starts again, is the only one that asks, and has not heard of its fence."""
    rng = world.rng("script", "fenced candidate")
    at(world, rng.uniform(15, 25), partial(_fenced_candidate, world, rng))


def _fenced_candidate(world: World, rng: Random) -> None:
    owners = owners_of(world)
    if not owners:
        return
    name, by = rng.choice(owners), rng.choice(world.layout.names("core"))
    until_ns = world.env.now_ns + seconds_to_ns(8)

    def passes(source: str, target: str, kind: str, message: Any) -> bool:
        now = world.env.now_ns
        if target == name and kind in ("Decided", "CatalogTold"):
            return now >= until_ns + seconds_to_ns(6)
        return kind != "PrepareShards" or source == name or now >= until_ns

    interpose(world, passes)
    machine = world.machines[name]
    machine.crash(reason="switched off")
    world.oracle.stop_all(name)
    world.call(by, FenceNode(name, "switched off"), lambda answer: None)
    at(world, world.env.now_ns / 1e9 + rng.uniform(0.5, 3), machine.revive)


def stopped_clocks(world: World) -> None:
    """Edges whose every clock stops while they are stopped, and who know that of themselves.

    One is stopped until others serve its shards, and asked when it has run again for longer than
    `witness_age`, still cut off.
    """
    rng = world.rng("script", "stopped clocks")
    for name in world.layout.names("edge"):
        machine = world.machines[name]
        machine.config = msgspec.structs.replace(
            machine.config, running_clock=False, witness_age_ns=seconds_to_ns(1)
        )
    for second in (20.0, 90.0):
        at(world, second + rng.uniform(0, 5), partial(_stop, world, rng, f"{second:.0f}"))


def _stop(world: World, rng: Random, label: str) -> None:
    owners = owners_of(world)
    if not owners:
        return
    name, lasts_s = rng.choice(owners), rng.uniform(33, 38)
    machine = world.machines[name]
    clock, now_s = machine.clock, world.env.now_ns / 1e9
    machine.pause()
    clock.stop()
    cut(world, [name], lasts_s + 8)

    def go_on() -> None:
        clock.go_on()
        if machine.process is not None:
            machine.process.alarm.rearm()
        machine.resume()

    def ask(home: str, who: str) -> None:
        request = Allocate("p", who, ttl_s=20, provisional=True)
        world.call(home, request, partial(_install, world))

    at(world, now_s + lasts_s, go_on)
    for number in range(8):
        core = rng.choice(world.layout.names("core"))
        second = now_s + lasts_s - rng.uniform(1, 6)
        at(world, second, partial(ask, core, f"served-{label}-{number}"))
    for number in range(8):
        second = now_s + lasts_s + rng.uniform(2.5, 6)
        at(world, second, partial(ask, name, f"late-{label}-{number}"))


def late_releases(world: World) -> None:
    """A release comes to its owner seconds late; its holder has been told the address again."""
    rng = world.rng("script", "late releases")
    network, env = world.network, world.env
    send = network.send

    def picking(source: str, target: str, message: Any) -> None:
        if type(message).__name__ != "Forward" or rng.random() < 0.5:
            send(source, target, message)
            return
        late = seconds_to_ns(rng.uniform(1.5, 9))
        env.call_later(late, lambda _: send(source, target, message), None)
        if rng.random() < 0.5:
            send(source, target, message)

    setattr(network, "send", picking)  # noqa: B010 - a method of this one network


def half_seen_releases(world: World) -> None:
    """A release that its owner and one voter know of is lost with both of them."""
    edges_prove_disks(world)
    rng = world.rng("script", "half seen")
    for number, second in enumerate((25.0, 95.0)):
        witness = rng.choice(world.layout.names("core"))
        name = f"half-seen-{number}"
        at(world, second, partial(unseen_release, world, rng, name, witness))


def unseen_offers(world: World) -> None:
    """One voter keeps what an owner offered to somebody and took back, and then lost."""
    edges_prove_disks(world)
    rng = world.rng("script", "offers")
    for number, second in enumerate((25.0, 95.0)):
        at(world, second, partial(_unseen_offer, world, rng, f"offered-{number}"))


def _unseen_offer(world: World, rng: Random, name: str) -> None:
    owners = owners_of(world)
    if not owners:
        return
    home, witness = rng.choice(owners), rng.choice(world.layout.names("core"))
    elsewhere = rng.choice([core for core in world.layout.names("core") if core != witness])
    machine, now_s = world.machines[home], world.env.now_ns / 1e9
    cut(world, [home, witness], 0.5)
    at(world, now_s + 0.4, lambda: cut(world, [home], 10))
    at(world, now_s + 0.05, partial(world.call, home, Allocate("p", name), _nobody))
    for number in range(8):
        other = Allocate("p", f"{name}-{number}", ttl_s=60, provisional=True)
        second = now_s + 4.5 + rng.uniform(0, 4)
        at(world, second, partial(world.call, home, other, partial(_install, world)))
    at(world, now_s + 9, partial(lose_disk, machine))
    at(world, now_s + 10.5, machine.revive)
    for wait_s in range(11, 36, 2):
        again = partial(world.call, elsewhere, Allocate("p", name), partial(_install, world))
        at(world, now_s + wait_s, again)


def _nobody(_: Answer) -> None:
    """Nobody waits for this answer."""


def twice_over(world: World) -> None:
    """A voter misses that leases ended, is away when a successor reads, and is read by the next."""
    rng = world.rng("script", "twice over")
    missing, other = rng.sample(world.layout.names("core"), 2)
    from_ns, until_ns = seconds_to_ns(DEAF_S), seconds_to_ns(DIE_S)
    pick(world, [Pick(ROWS, (missing,), False, from_ns, until_ns, 1.0, 1)], rng)
    gone: dict[str, None] = {}
    for number in range(LEAVERS):
        name, home = f"leaver-{number}", rng.choice(world.layout.names("edge"))
        at(world, rng.uniform(1, 6), partial(_comes_and_leaves, world, rng, name, home, gone))
    at(world, DIE_S - 0.1, lambda: cut(world, [missing], 28))

    def dies() -> None:
        _owners_die(world)
        cores = world.layout.names("core")
        if all(world.machines[core].process is not None for core in cores):
            cut(world, [other], 35)

    at(world, DIE_S, partial(_owners_die, world))
    at(world, DIE_S + 40, dies)
    at(world, world.scenario.duration_s - 1, partial(_nothing_reopened, world, gone))
