"""A run that starts from what a live cluster holds: its shards' owners and its leases.

Each machine gets the disk that it would have had: a snapshot of catalogue, registers and rows, made
from what REST tells, and starts through the product's own restore path.  What REST does not tell
(ballots' other parts, sequence numbers) is made up consistently; the epochs are the live ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from nexus import codec
from nexus.core.entries import (
    CatalogWritten,
    OwnerWritten,
    ReplicaWritten,
    RowsWritten,
    SessionStarted,
    VoterWritten,
)
from nexus.core.members import Member
from nexus.core.pool_record import PoolRecord
from nexus.model.time import NS_PER_S
from nexus.ownership import configuration
from nexus.ownership.clocks import NodeClocks
from nexus.ownership.shard import HELD, PERMANENT, SERVING, SESSION, Row
from nexus.ownership.values import Ballot, Grant, Session

if TYPE_CHECKING:
    from simulator.machine import Machine
    from simulator.world import World

FIRST_POOL_NO = 256


class CarriedShard(msgspec.Struct, frozen=True):
    """A shard and its owner, by the name that it has in the run."""

    pool: str
    index: int
    owner: str
    epoch: int
    horizon_s: float | None = None
    """None: pinned."""


class CarriedLease(msgspec.Struct, frozen=True):
    """A lease as it was when it was read."""

    pool: str
    shard: int
    unit: int
    subscriber: str
    site: str
    left_s: float | None = None
    """None: permanent."""


class Carried(msgspec.Struct, frozen=True):
    """Everything that a run starts from."""

    shards: tuple[CarriedShard, ...] = ()
    leases: tuple[CarriedLease, ...] = ()


def carry(world: World, carried: Carried) -> None:
    """Give every machine its disk; nothing runs yet."""
    for machine in world.machines.values():
        machine.identity.session = 1
        entries = _entries(world, machine, carried)
        machine.disk.chunks = tuple(codec.encode_entry(entry) for entry in entries)


def _entries(world: World, machine: Machine, carried: Carried) -> Iterator[Any]:
    reading = machine.clock.peek()
    config = machine.config
    identity = machine.identity
    boot_id = f"{machine.name}-boot-{machine.boots}"
    mark = NodeClocks(reading).mark(boot_id)
    yield SessionStarted(config.cluster_id, machine.name, identity.incarnation, Session(1, 1), mark)
    specs = world.scenario.pools
    numbers = {spec.id: FIRST_POOL_NO + place for place, spec in enumerate(specs)}
    yield CatalogWritten(
        1,
        tuple(PoolRecord(numbers[spec.id], 1, spec, reading.wall_us, None) for spec in specs),
        tuple(Member(each.id, each.role, each.weight) for each in config.members)
        or (Member(machine.name, config.role),),
        (),
    )
    cores = sorted(each.id for each in config.members if each.role == "core") or [machine.name]
    size = max(size for size in configuration.SIZES if size <= len(cores))
    voters = config.voters or tuple(cores[: min(size, 5)])
    for shard in carried.shards:
        key = (shard.pool, shard.index)
        leases = [lease for lease in carried.leases if (lease.pool, lease.shard) == key]
        yield from _shard(world, machine, voters, numbers[shard.pool], shard, leases)


def _shard(
    world: World,
    machine: Machine,
    voters: tuple[str, ...],
    pool_no: int,
    shard: CarriedShard,
    leases: list[CarriedLease],
) -> Iterator[Any]:
    """One shard's registers and rows, as far as this machine has a part in it."""
    owner = world.machines[shard.owner]
    epoch = Ballot(shard.epoch, owner.name, owner.identity.incarnation, 1)
    horizon = None if shard.horizon_s is None else int(shard.horizon_s * NS_PER_S)
    grant = Grant(epoch, owner.name, 1, owner.identity.incarnation, horizon, False)
    seq = len(leases)
    if machine.name in voters:
        yield VoterWritten(
            pool_no, shard.index, epoch, grant, None, None, Session(1, 1), False, seq, seq, (0, 0)
        )
    if machine is owner:
        yield OwnerWritten(pool_no, shard.index, epoch, grant, SERVING, 0, (0, 0), None)
    yield ReplicaWritten(pool_no, shard.index, owner.name, 0, shard.epoch, seq)
    reading = machine.clock.peek()
    clocks = NodeClocks(reading)
    rows = []
    for number, lease in enumerate(leases, 1):
        left = None if lease.left_s is None else max(1, int(lease.left_s * NS_PER_S))
        rows.append(
            Row(
                lease.unit,
                lease.subscriber,
                shard.epoch,
                number,
                HELD,
                PERMANENT if left is None else SESSION,
                0 if left is None else max(1, int(lease.left_s or 0)),
                0 if left is None else clocks.told + left,
                0 if left is None else clocks.slow + left,
                reading.wall_us,
                reading.wall_us,
                lease.site,
            )
        )
    if rows:
        yield RowsWritten(pool_no, tuple(rows))
