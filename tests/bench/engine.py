"""The engine alone, no HTTP and no disk: allocate and release at growing fill.

Three depths: the free map of one shard, the owner's call (routing, ownership checks, free pick,
record, its bytes for the log), and a whole trip through `NexusNode.handle` with its reply.  Time
is the process's own CPU time, so busy neighbours hardly matter.  The yardstick is the least that
any allocator written in Python has to do: a bit, two dictionary entries, one object.

Time is simulated: what was released has to cool, so the clock is moved on by the cooldown whenever
the free units run low, and the cost of the cooling is part of the number.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import msgspec
from bitarray import bitarray

from nexus import codec
from nexus.core.calls import Call
from nexus.core.config import NodeConfig
from nexus.core.effects import Persist, Reply
from nexus.core.events import ApiRequested, DeadlineReached, Event, Persisted, Started
from nexus.core.node import NexusNode
from nexus.core.operations.allocate import Allocate
from nexus.core.operations.create_pool import CreatePool
from nexus.core.operations.release import Release
from nexus.model.pool import PoolSpec
from nexus.model.time import NS_PER_S, Instant
from nexus.ownership.values import Session
from nexus.space.free_map import FreeMap
from tests.bench.cells import Cell, Line, run, table

FILLS = (0.01, 0.5, 0.99, 0.9999)
POOL_BITS = 18
PAIRS = 40_000
COOLDOWN_S = 1
OWNER_ASKED_PER_S = 100_000
FLAT_ASKED = 0.4
"""A nearly full pool against a nearly empty one."""
BATCH = 100
"""Calls that share one durable commit, as under load."""
ORIGIN = Instant(NS_PER_S, NS_PER_S, 1_800_000_000 * NS_PER_S)


class Node:
    """A lone node whose disk answers when told to and whose clock moves when told to."""

    def __init__(self, fill: float) -> None:
        self.now = ORIGIN
        self.encoded_bytes = 0
        self.serial = 0
        """Every subscriber is a new one, over all samples."""
        config = NodeConfig(
            node_id="bench",
            cluster_id="bench",
            incarnation=1,
            session=Session(1, 1),
            boot_id="bench",
            ack_limit_ns=NS_PER_S,
            renew_interval_ns=86_400 * NS_PER_S,
        )
        self.node = NexusNode(config, rng=Random(1), now=self.now)
        self.step(Started())
        spec = PoolSpec(
            id="bench",
            type="ipv4",
            cidr=f"10.0.0.0/{32 - POOL_BITS}",
            prefix=32,
            cooldown=COOLDOWN_S,
            horizon=30 * 86_400,
        )
        self.step(ApiRequested(0, CreatePool(spec), "c", "bench"))
        self.advance(NS_PER_S // 10)
        self.pool = self.node.book.by_id["bench"]
        usable = self.pool.geometry.size - self.pool.geometry.reserved.count
        self.held = [f"mac-{i:012x}" for i in range(int(usable * fill))]
        self.slack = max(1, min(1000, (usable - len(self.held)) // 2))
        self.rng = Random(2)
        for start in range(0, len(self.held), 1000):
            for subscriber in self.held[start : start + 1000]:
                self.call(Allocate("bench", subscriber, ttl_s=86_400 * 20))
            self.answer(self.record())

    def step(self, event: Event) -> list[Any]:
        """One event with the disk answering at once; its replies."""
        replies = []
        events: list[Event] = [event]
        while events:
            for effect in self.node.handle(events.pop(0), self.now):
                if isinstance(effect, Persist):
                    events.append(Persisted(effect.token))
                elif isinstance(effect, Reply):
                    replies.append(effect.result)
        return replies

    def call(self, request: Any) -> None:
        """The owner's call: below `handle`, not yet durable."""
        self.node.run(Call(0, "c", "bench", request))

    def record(self) -> int:
        """Make the bytes of what is to be persisted; its token."""
        for effect in self.node.ctx.take_effects():
            if isinstance(effect, Persist):
                for entry in effect.entries:
                    self.encoded_bytes += len(codec.encode_entry(entry))
        return self.node.ctx.token

    def answer(self, token: int) -> None:
        """The disk is done: the answers leave."""
        self.node.ctx.durable_upto(token)
        self.node.ctx.take_effects()

    def advance(self, step_ns: int) -> None:
        """Time passes; what has cooled is free again."""
        now = self.now
        self.now = Instant(now.mono_ns + step_ns, now.boot_ns + step_ns, now.wall_ns + step_ns)
        self.step(DeadlineReached())

    def owners_calls(self, pairs: int) -> float:
        """Release one, allocate another, again and again; CPU seconds.

        Making and delivering the answers, which follow the disk, is not counted here.
        """
        held, rng, slack = self.held, self.rng, self.slack
        answering = 0.0
        started = time.process_time()
        for done in range(1, pairs + 1):
            place = rng.randrange(len(held))
            self.serial += 1
            subscriber = f"new-{self.serial:012x}"
            self.call(Allocate("bench", subscriber, ttl_s=86_400 * 20))
            self.call(Release(held[place], "bench"))
            held[place] = subscriber
            if done % BATCH == 0 or done % slack == 0 or done == pairs:
                token = self.record()
                paused = time.process_time()
                self.answer(token)
                answering += time.process_time() - paused
            if done % slack == 0:
                self.advance(2 * COOLDOWN_S * NS_PER_S)
        took = time.process_time() - started - answering
        self._check()
        return took

    def whole_trips(self, pairs: int) -> float:
        """The same through `handle`, replies, audit lines and watch events included."""
        held, rng, slack = self.held, self.rng, self.slack
        handle = self.node.handle
        encode = codec.encode_entry
        token = 0
        started = time.process_time()
        for done in range(1, pairs + 1):
            place = rng.randrange(len(held))
            self.serial += 1
            subscriber = f"trip-{self.serial:012x}"
            for request in (
                Allocate("bench", subscriber, ttl_s=86_400 * 20),
                Release(held[place], "bench"),
            ):
                for effect in handle(ApiRequested(done, request, "c", "bench"), self.now):
                    if type(effect) is Persist:
                        token = effect.token
                        for entry in effect.entries:
                            encode(entry)
            held[place] = subscriber
            if done % BATCH == 0 or done % slack == 0:
                handle(Persisted(token), self.now)
            if done % slack == 0:
                self.advance(2 * COOLDOWN_S * NS_PER_S)
        handle(Persisted(token), self.now)
        took = time.process_time() - started
        self._check()
        return took

    def _check(self) -> None:
        """The work was really done: everybody is held, nobody twice."""
        assert len(self.pool.subs) == len(self.held), (len(self.pool.subs), len(self.held))
        assert len({row.index for row in self.pool.subs.values()}) == len(self.held)


class Record(msgspec.Struct, gc=False):
    """The yardstick's row."""

    index: int
    subscriber: str
    ends: int


def bare_pairs(fill: float, pairs: int) -> float:
    """A bit, two dictionaries and an object per allocation; CPU seconds."""
    size = 1 << POOL_BITS
    used = bitarray(size)
    by_index: dict[int, Record] = {}
    by_subscriber: dict[str, Record] = {}
    held = []
    for index in range(int(size * fill)):
        record = Record(index, f"mac-{index:012x}", 0)
        used[index] = 1
        by_index[index] = by_subscriber[record.subscriber] = record
        held.append(record.subscriber)
    rng = Random(2)
    started = time.process_time()
    for serial in range(pairs):
        place = rng.randrange(len(held))
        subscriber = f"new-{serial:012x}"
        hint = hash(subscriber) % size
        index = used.find(0, hint)
        if index < 0:
            index = used.find(0)
        used[index] = 1
        by_index[index] = by_subscriber[subscriber] = Record(index, subscriber, serial)
        gone = by_subscriber.pop(held[place])
        del by_index[gone.index]
        used[gone.index] = 0
        held[place] = subscriber
    return time.process_time() - started


def free_map_pairs(fill: float, pairs: int) -> float:
    """Pick, take and give on one shard's free map; CPU seconds."""
    size = 1 << 16
    free = FreeMap(0, size)
    rng = Random(2)
    held = rng.sample(range(size), int(size * fill))
    free.take_all(held)
    started = time.process_time()
    for serial in range(pairs):
        place = rng.randrange(len(held))
        index = free.pick(serial * 2654435761 % size)
        free.take(index)
        free.give(held[place])
        held[place] = index
    return time.process_time() - started


def _cell(name: str, pairs: int, seconds: Callable[[], float]) -> Cell:
    """Operations a second; an allocate and a release are two."""
    return Cell(name, "ops/s", lambda: 2 * pairs / seconds(), retries_max=1)


def report(rounds: int, rng: Random) -> str:
    """Measure and format."""
    nodes = {fill: Node(fill) for fill in FILLS}
    depths: dict[str, dict[float, Cell]] = {"free map": {}, "owner": {}, "trip": {}, "bare": {}}
    for fill in FILLS:
        percent = f"{fill * 100:g} % full"
        node = nodes[fill]
        depths["bare"][fill] = _cell(
            f"bare Python, {percent}", PAIRS, partial(bare_pairs, fill, PAIRS)
        )
        depths["free map"][fill] = _cell(
            f"free map of a shard, {percent}", PAIRS, partial(free_map_pairs, fill, PAIRS)
        )
        depths["owner"][fill] = _cell(
            f"owner's call with record, {percent}",
            PAIRS,
            partial(node.owners_calls, PAIRS),
        )
        depths["trip"][fill] = _cell(
            f"through handle with reply, {percent}",
            PAIRS // 2,
            partial(node.whole_trips, PAIRS // 2),
        )
    run([cell for cells in depths.values() for cell in cells.values()], rounds, rng)
    lines = [
        Line(depths[depth][fill], depths["bare"][fill])
        for depth in ("free map", "owner", "trip")
        for fill in FILLS
    ]
    lines += [Line(_renamed(depths["owner"][fill]), None, OWNER_ASKED_PER_S) for fill in FILLS]
    lines += [
        Line(depths[depth][FILLS[-1]], depths[depth][FILLS[0]], FLAT_ASKED)
        for depth in ("free map", "owner")
    ]
    notes = [
        f"Pool of 2^{POOL_BITS} addresses; CPU time of one process; {BATCH} calls share a commit; "
        f"the cooldown of {COOLDOWN_S} s passes on a simulated clock whenever half of the free "
        "units are cooling."
    ]
    return table("Engine: allocate and release", lines, notes)


def _renamed(cell: Cell) -> Cell:
    return Cell(f"{cell.name}, per second", cell.unit, cell.sample, cell.pids, cell.samples)
