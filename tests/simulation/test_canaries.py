"""Each checker has a case that makes it complain: an alarm that cannot ring is none.

Every canary takes a world that runs well, breaks one thing in it by hand, and expects that
checker, and no other, to tell.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nexus.core.entries import VoterWritten
from nexus.core.messages import ReleaseShards
from nexus.model.time import NS_PER_S
from nexus.model.views import AllocationView
from nexus.ownership import records
from nexus.ownership.shard import FLAG_CLAIM, HELD, Row, Shard
from nexus.ownership.values import Ballot, Grant, Seal
from simulator.checkers import CHECKERS
from simulator.checkers import merge_laws as merge_laws_checker
from simulator.checkers import movement as movement_checker
from simulator.machine import Machine
from simulator.scenario import load
from simulator.world import World, build

SCENARIO = Path(__file__).parents[2] / "scenarios" / "cluster-of-three.toml"
WARM_S = 60


@pytest.fixture
def world() -> World:
    """Three cores that have served subscribers for a minute, and nothing is wrong."""
    made = build(load(SCENARIO), 1)
    made.schedule()
    made.enter("safety", WARM_S)
    assert not made.violations
    return made


def checker(world: World, name: str) -> Any:
    """One checker of the world."""
    return next(each for each in world.checkers if each.name == name)


def shard_in_use(world: World) -> tuple[Machine, Shard, Row]:
    """A served shard with an open row, and who serves it."""
    for machine in world.machines.values():
        assert machine.process is not None
        for shard in machine.process.node.owning.owned.values():
            for row in shard.rows:
                if row.length == HELD:
                    return machine, shard, row
    raise AssertionError("nobody serves anybody")


def other_than(world: World, machine: Machine) -> Machine:
    return next(each for each in world.machines.values() if each is not machine)


def view_of(world: World, **more: Any) -> AllocationView:
    """What the owner of an open row would tell, with something changed."""
    machine, _, row = shard_in_use(world)
    assert machine.process is not None
    pool = machine.process.node.book.by_id["p1"]
    view = AllocationView(
        "p1",
        row.subscriber,
        pool.geometry.format(row.index),
        "ipv4",
        "session",
        row.epoch,
        row.created_us,
        ip=pool.geometry.ip(row.index),
        ttl_s=120,
        ends_us=machine.clock.peek().wall_us + 60_000_000,
    )
    return msgspec.structs.replace(view, **more)


def tell(world: World, name: str, view: AllocationView) -> None:
    machine, _, _ = shard_in_use(world)
    checker(world, name).told(machine, None, view, machine.clock.peek(), world.env.now_ns)


def two_users(world: World) -> None:
    """A second subscriber uses an address, behind the oracle's back."""
    span = next(span for span in world.oracle.spans() if span.end_ns > world.env.now_ns)
    world.oracle._ended.append(msgspec.structs.replace(span, subscriber="intruder"))
    checker(world, "overlap").finish()


def two_holders(world: World) -> None:
    machine, shard, _ = shard_in_use(world)
    other = other_than(world, machine)
    assert other.process is not None
    node = other.process.node
    twin = node.book.shard(shard.key)
    assert twin is not None
    twin.owner = shard.owner
    node.owning.owned[shard.key] = twin
    checker(world, "one_owner").heard(other, "x", None)


def epoch_goes_back(world: World) -> None:
    machine, shard, _ = shard_in_use(world)
    grant = shard.voter.grant
    assert grant is not None
    checker(world, "one_owner").durable(machine, written(shard, grant))
    lower = msgspec.structs.replace(grant.epoch, counter=0)
    older = msgspec.structs.replace(grant, epoch=lower)
    checker(world, "one_owner").durable(machine, written(shard, older))


def two_owners_of_an_epoch(world: World) -> None:
    machine, shard, _ = shard_in_use(world)
    grant = shard.voter.grant
    assert grant is not None
    entry = written(shard, msgspec.structs.replace(grant, owner="somebody-else"))
    checker(world, "history").durable(machine, entry)


def grants_out_of_order(world: World) -> None:
    _, shard, _ = shard_in_use(world)
    late = Grant(Ballot(0, "late", 1, 1), "late", 1, 1, NS_PER_S)
    for machine in world.machines.values():
        checker(world, "history").durable(machine, written(shard, late))


def written(shard: Shard, grant: Grant) -> VoterWritten:
    voter = shard.voter
    return VoterWritten(
        shard.pool_no,
        shard.index,
        grant.epoch,
        grant,
        None,
        None,
        voter.session,
        False,
        0,
        0,
        (0, 0),
    )


def told_too_long(world: World) -> None:
    machine, _, _ = shard_in_use(world)
    checker(world, "told_ends")._held.clear()
    day_us = machine.clock.peek().wall_us + 86_400_000_000
    tell(world, "told_ends", view_of(world, ends_us=day_us))


def told_for_ever(world: World) -> None:
    checker(world, "told_ends")._held.clear()
    tell(world, "told_ends", view_of(world, ends_us=None))


def network_address(world: World) -> None:
    tell(world, "legal", view_of(world, ip="10.0.0.0", created=True, resource="10.0.0.0"))


def still_cooling(world: World) -> None:
    view = view_of(world)
    tell(world, "legal", view)
    tell(world, "legal", msgspec.structs.replace(view, subscriber_id="next", created=True))


def test_an_answer_that_comes_too_late_for_any_sink_gives_nothing(world: World) -> None:
    view = view_of(world)
    tell(world, "legal", view)
    late = msgspec.structs.replace(view, subscriber_id="next", created=True, not_after_us=1)
    tell(world, "legal", late)
    assert not world.violations


def test_nobody_is_asked_to_serve_when_all_that_are_there_are_drained(world: World) -> None:
    for machine in world.machines.values():
        assert machine.process is not None
        members = machine.process.node.members
        me = members.get(machine.name)
        assert me is not None
        members.add(msgspec.structs.replace(me, draining=True))
    liveness = checker(world, "liveness")
    liveness.calm()
    assert not liveness.waiting


@pytest.mark.parametrize("heard", [False, True])
def test_a_successor_lets_cool_what_a_majority_has_heard_of(world: World, heard: bool) -> None:
    view = view_of(world)
    tell(world, "legal", view)
    legal, told = checker(world, "legal"), checker(world, "told_ends")
    for ends in legal._ends.values():
        ends[view.subscriber_id] = world.env.now_ns - NS_PER_S
    if not heard:
        told._held.clear()
    later = msgspec.structs.replace(view, subscriber_id="next", created=True, epoch=view.epoch + 1)
    tell(world, "legal", later)
    assert bool(world.violations) is heard


def in_quarantine(world: World) -> None:
    _, shard, _ = shard_in_use(world)
    assert shard.owner is not None
    shard.owner.quarantine_until = 1 << 60
    tell(world, "legal", view_of(world, created=True))


def a_unit_too_many(world: World) -> None:
    machine, shard, _ = shard_in_use(world)
    shard.held += 1
    checker(world, "sums").full(machine)


def order_matters(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Last writer wins, as in a map without an order of its own."""

    def overwrite(ctx: Any, pool: Any, shard: Shard, rows: Any) -> list[Row]:
        for wire in rows:
            shard.rows.put(records.from_wire(wire, 0, 0, 0))
        shard.digest = None
        return []

    deltas = next(iter(checker(world, "merge_laws").deltas.values()))
    wire = deltas[0][0]
    deltas.append((msgspec.structs.replace(wire, seq=wire.seq + 100, subscriber="later"),))
    monkeypatch.setattr(merge_laws_checker, "merge_rows", overwrite)
    checker(world, "merge_laws").finish()


def replicas_apart(world: World) -> None:
    _, shard, row = shard_in_use(world)
    world.heal()
    looks = checker(world, "convergence")
    looks._agreed.clear()
    row.subscriber += "-changed"
    shard.digest = None
    looks.finish()


def position_goes_back(world: World) -> None:
    machine, shard, _ = shard_in_use(world)
    other = other_than(world, machine)
    assert other.process is not None
    replica = other.process.node.book.shard(shard.key)
    assert replica is not None
    replica.have_epoch = 99
    checker(world, "convergence").full(other)
    replica.have_epoch = 1
    checker(world, "convergence").full(other)


def forgotten(world: World) -> None:
    machine, shard, row = shard_in_use(world)
    reading = machine.clock.peek()
    checker(world, "durable").told(machine, None, view_of(world), reading, 0)
    shard.rows.forget(row.index)
    checker(world, "durable").finish()


def claim_passed_over(world: World) -> None:
    machine, shard, row = shard_in_use(world)
    assert machine.process is not None
    pool = machine.process.node.book.by_id["p1"]
    sticky = checker(world, "sticky")
    view = view_of(world, alloc_type="sticky", created=True)
    spare = next(index for index in range(shard.start, shard.stop) if pool.row_at(index) is None)
    claim = Row(spare, row.subscriber, row.epoch, 1, 2, 1, 60, 0, 0, 1, flags=FLAG_CLAIM)
    shard.rows.put(claim)
    sticky.had["p1", row.subscriber] = pool.geometry.format(spare)
    tell(world, "sticky", view)


def test_a_claim_ends_with_its_pool(world: World) -> None:
    """A pool made again over a range knows of the old one's units only that they cool."""
    machine, shard, row = shard_in_use(world)
    assert machine.process is not None
    pool = machine.process.node.book.by_id["p1"]
    sticky = checker(world, "sticky")
    spare = next(index for index in range(shard.start, shard.stop) if pool.row_at(index) is None)
    shard.rows.put(Row(spare, row.subscriber, 0, 0, 2, 0, 0, 0, 1 << 60, 1))
    sticky.had["p1", row.subscriber] = pool.geometry.format(spare)
    tell(world, "sticky", view_of(world, alloc_type="sticky", created=True))
    assert not world.violations


def own_backup(world: World) -> None:
    tell(world, "sticky", view_of(world, node_id="core-1", backup_node_id="core-1"))


def sessions_given_away(world: World) -> None:
    machine, shard, _ = shard_in_use(world)
    assert shard.owner is not None
    seal = Seal(shard.owner.grant.epoch, 1, 0)
    message = ReleaseShards(1, ((shard.key, seal),))
    checker(world, "movement").heard(other_than(world, machine), machine.name, message)


def strays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(movement_checker, "moved", lambda *_: [7])
    checker(world, "movement").finish()


def nobody_serves(world: World) -> None:
    world.heal()
    checker(world, "liveness").finish()


CANARIES: list[tuple[str, Callable[..., None]]] = [
    ("overlap", two_users),
    ("one_owner", two_holders),
    ("one_owner", epoch_goes_back),
    ("history", two_owners_of_an_epoch),
    ("history", grants_out_of_order),
    ("told_ends", told_too_long),
    ("told_ends", told_for_ever),
    ("legal", network_address),
    ("legal", still_cooling),
    ("legal", in_quarantine),
    ("sums", a_unit_too_many),
    ("merge_laws", order_matters),
    ("convergence", replicas_apart),
    ("convergence", position_goes_back),
    ("durable", forgotten),
    ("sticky", claim_passed_over),
    ("sticky", own_backup),
    ("movement", sessions_given_away),
    ("movement", strays),
    ("liveness", nobody_serves),
]


def test_every_checker_has_a_canary() -> None:
    assert {name for name, _ in CANARIES} == set(CHECKERS)


@pytest.mark.parametrize(("name", "canary"), CANARIES, ids=[each.__name__ for _, each in CANARIES])
def test_the_alarm_rings(
    world: World, name: str, canary: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    if canary.__code__.co_argcount == 2:
        canary(world, monkeypatch)
    else:
        canary(world)
    assert {violation.checker for violation in world.violations} == {name}


def test_a_defect_of_the_node_is_a_violation(world: World) -> None:
    machine, _, _ = shard_in_use(world)
    assert machine.process is not None
    machine.process.gate.enter(lambda: 1 // 0)
    (violation,) = world.violations
    assert violation.checker == "defect"
    assert "ZeroDivisionError" in violation.story
    assert machine.process is None
