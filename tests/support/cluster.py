"""A cluster in memory: real nodes under the real driver, on clocks, disks and a network told here.

Nothing runs by itself and nothing is random but by a seed: `Cluster.run` goes from one due thing
(an alarm, a commit, a message) to the next, in order of true time.  Messages pass through the
codec, so what arrives is what the wire would carry.  An oracle sees what clients are told, in true
time, and says when two subscribers could use one resource at once.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from nexus import codec
from nexus.core.config import InitialMember, NodeConfig
from nexus.core.effects import Audit, Watch
from nexus.core.events import ApiRequested, Event, MemberJudged, MessageReceived
from nexus.core.node import NexusNode
from nexus.driver.driver import Driver
from nexus.model.time import NS_PER_MS, NS_PER_S, NS_PER_US
from nexus.model.views import AllocationView
from nexus.ownership.values import Session
from nexus.store.memory import MemoryDisk, MemoryStore
from tests.support.node_clock import NodeClock
from tests.support.oracle import Oracle

STEPS_MAX = 2_000_000


class _Alarm:
    def __init__(self, member: Member) -> None:
        self._member = member
        self._ring: Callable[[], None] = lambda: None
        self._armed = 0

    def bind(self, on_ring: Callable[[], None]) -> None:
        self._ring = on_ring

    def set(self, mono_ns: int | None) -> None:
        self._armed += 1
        if mono_ns is None:
            return
        mine = self._armed
        at_ns = self._member.clock.true_ns(mono_ns)

        def ring() -> None:
            if mine == self._armed:
                self._ring()

        self._member.later(at_ns, ring)


class _Transport:
    def __init__(self, member: Member) -> None:
        self._member = member

    def send(self, to: str, message: Any) -> None:
        self._member.cluster.send(self._member.name, to, message)

    def broadcast(self, message: Any) -> None:
        for name in self._member.cluster.members:
            if name != self._member.name:
                self.send(name, message)


class _Outbox:
    def __init__(self, member: Member) -> None:
        self._member = member

    def reply(self, reply_to: int, result: Any) -> None:
        self._member.cluster.replied(self._member, reply_to, result)

    def audit(self, line: Audit) -> None:
        self._member.audits.append(line)
        self._member.cluster.note(f"{self._member.name} audit {line.action} {line.target}")

    def watch(self, change: Watch) -> None:
        self._member.watched.append(change)


class Member:
    """One machine: its clocks and its disk outlive the processes on it."""

    def __init__(self, cluster: Cluster, name: str, role: str, clock: NodeClock) -> None:
        self.cluster = cluster
        self.name = name
        self.role = role
        self.clock = clock
        self.disk = MemoryDisk()
        self.disk_latency_ns = NS_PER_MS
        self.disk_held = False
        """Commits wait until `Cluster.free_disk`."""
        self.held: list[Callable[[], None]] = []
        self.incarnation = 1
        self.boot = 1
        self.sessions = 0
        self.life = 0
        self.alive = False
        self.paused_until_ns = 0
        self.audits: list[Audit] = []
        self.watched: list[Watch] = []
        self.options: dict[str, Any] = {}
        self.node: NexusNode
        self.driver: Driver

    def later(self, at_ns: int, step: Callable[[], None]) -> None:
        """Take a step of this process at a true time, unless it has ended by then."""
        life = self.life

        def guarded() -> None:
            if life != self.life or not self.alive:
                return
            if self.cluster.now_ns < self.paused_until_ns:
                self.cluster.at(self.paused_until_ns, guarded)
                return
            step()

        self.cluster.at(at_ns, guarded)

    def _post(self, step: Callable[[], None]) -> None:
        if self.disk_held:
            self.held.append(step)
        else:
            self.later(self.cluster.now_ns + self.disk_latency_ns, step)

    def deliver(self, event: Event) -> None:
        """Hand an event to the node, and check it afterwards."""
        self.driver.deliver(event)
        self.cluster.events += 1
        if self.cluster.events % self.cluster.check_every == 0:
            self.node.check_invariants()

    def config(self) -> NodeConfig:
        """What this process is told."""
        cluster = self.cluster
        founders = tuple(InitialMember(name, role) for name, role in cluster.founders)
        return NodeConfig(
            node_id=self.name,
            cluster_id="c",
            incarnation=self.incarnation,
            session=Session(self.sessions, cluster.rng.getrandbits(32)),
            boot_id=f"boot-{self.boot}",
            role=self.role,
            members=founders if len(founders) > 1 else (),
            **{**cluster.options, **self.options},
        )

    def start(self) -> None:
        """Start a process on this machine's disk."""
        self.sessions += 1
        self.life += 1
        self.alive = True
        self.held.clear()
        store = MemoryStore(self.disk, self._post)
        restored = store.load()
        entries = [codec.decode_entry(data) for data in [*restored.snapshot, *restored.entries]]
        self.node = NexusNode(
            self.config(),
            rng=Random(self.cluster.rng.getrandbits(64)),
            now=self.clock.read(),
            restored=entries,
        )
        self.driver = Driver(
            self.node,
            clock=self.clock,
            alarm=_Alarm(self),
            transport=_Transport(self),
            store=store,
            outbox=_Outbox(self),
            encode=codec.encode_entry,
        )
        self.store = store
        self.driver.start()

    def crash(self, survive: int = 0) -> None:
        """The process ends without a word; ``survive`` uncommitted groups reach the disk."""
        self.alive = False
        self.life += 1
        self.driver.stop()
        self.disk.crash(survive=survive)

    def snapshot(self) -> None:
        """Write a snapshot, all of it now."""
        writer = self.store.begin_snapshot()
        for entry in self.node.snapshot_entries():
            writer.write(codec.encode_entry(entry))
        writer.commit(lambda _: None)


class Cluster:
    """Members, their network and the time.

    Parameters
    ----------
    roles : one role per member; members are named n1, n2 ...
    options : knobs of `NodeConfig` for all members
    """

    def __init__(
        self,
        roles: Iterable[str] = ("core",),
        *,
        seed: int = 1,
        drifts_ppm: dict[str, int] | None = None,
        **options: Any,
    ) -> None:
        self.rng = Random(seed)
        self.now_ns = 0
        self.events = 0
        self.check_every = 50
        self.options = options
        self.founders = [(f"n{place}", role) for place, role in enumerate(roles, 1)]
        self.members: dict[str, Member] = {}
        self.clones: dict[str, Member] = {}
        """Second machines with a member's disk and name; messages to the member reach both."""
        self.replies: dict[int, Any] = {}
        self.asked: dict[int, int] = {}
        self.on_reply: Callable[[int, Any], None] | None = None
        self.trace: list[str] = []
        self.traced: set[str] = set()
        self.delay_ns: Callable[[], int] = lambda: 2 * NS_PER_MS
        self.cut: set[tuple[str, str]] = set()
        self.lose: Callable[[str, str, Any], bool] = lambda sender, to, message: False
        self.double: Callable[[], bool] = lambda: False
        self.oracle = Oracle()
        self.sent: dict[str, int] = {}
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        self._reply_no = 0
        for name, role in self.founders:
            drift = (drifts_ppm or {}).get(name, 0)
            self.members[name] = Member(self, name, role, NodeClock(self, drift))
        for member in self.members.values():
            member.start()

    # --- time --------------------------------------------------------------------------------

    def at(self, at_ns: int, step: Callable[[], None]) -> None:
        """Do something at a true time."""
        self._order += 1
        heapq.heappush(self._due, (max(at_ns, self.now_ns), self._order, step))

    def run(self, duration_ns: int) -> None:
        """Let time pass."""
        end_ns = self.now_ns + duration_ns
        steps = 0
        while self._due and self._due[0][0] <= end_ns:
            steps += 1
            if steps > STEPS_MAX:
                raise AssertionError("the cluster does not come to rest")
            at_ns, _, step = heapq.heappop(self._due)
            self.now_ns = at_ns
            step()
        self.now_ns = end_ns

    def run_until(self, condition: Callable[[], bool], limit_ns: int) -> bool:
        """Let time pass until something holds; False if it did not within the limit."""
        end_ns = self.now_ns + limit_ns
        while not condition():
            if not self._due or self._due[0][0] > end_ns:
                self.now_ns = end_ns
                return condition()
            at_ns, _, step = heapq.heappop(self._due)
            self.now_ns = at_ns
            step()
        return True

    # --- network -----------------------------------------------------------------------------

    def send(self, sender: str, to: str, message: Any) -> None:
        """A message leaves; whether and when it arrives is up to the network."""
        kind = type(message).__name__
        self.sent[kind] = self.sent.get(kind, 0) + 1
        if kind in self.traced:
            self.note(f"{sender}>{to} {kind}")
        if (sender, to) in self.cut or self.lose(sender, to, message):
            return
        data = codec.encode_message(message)
        for _ in range(2 if self.double() else 1):
            self.at(self.now_ns + self.delay_ns(), lambda: self._arrive(sender, to, data))

    def _arrive(self, sender: str, to: str, data: bytes) -> None:
        for member in (self.members.get(to), self.clones.get(to)):
            if member is not None and member.alive and (sender, to) not in self.cut:
                self._hand_over(member, sender, to, data)

    def _hand_over(self, member: Member, sender: str, to: str, data: bytes) -> None:
        if self.now_ns < member.paused_until_ns:
            self.at(member.paused_until_ns, lambda: self._arrive(sender, to, data))
            return
        member.deliver(MessageReceived(sender, codec.decode_message(data)))

    def partition(self, *groups: Iterable[str]) -> None:
        """Only members of one group reach each other; who is in no group reaches nobody."""
        side: dict[str, int] = {}
        for number, group in enumerate(groups):
            for name in group:
                side[name] = number
        self.cut = {
            (one, other)
            for one in self.members
            for other in self.members
            if one != other and side.get(one, one) != side.get(other, other)
        }

    def heal(self) -> None:
        """Everybody reaches everybody."""
        self.cut = set()

    # --- machines ----------------------------------------------------------------------------

    def add(self, name: str, role: str = "core", **options: Any) -> Member:
        """A machine that is no founding member is started; it has to be admitted."""
        member = Member(self, name, role, NodeClock(self))
        member.options = options
        self.members[name] = member
        member.start()
        return member

    def clone(self, name: str) -> Member:
        """A copy of a member's disk is started on another machine."""
        member = self.members[name]
        twin = Member(self, name, member.role, NodeClock(self))
        twin.disk.rows = list(member.disk.rows)
        twin.disk.acknowledged_seq = member.disk.acknowledged_seq
        twin.disk.base_seq, twin.disk.chunks = member.disk.base_seq, member.disk.chunks
        twin.incarnation, twin.sessions = member.incarnation, member.sessions
        twin.boot = member.boot + 1
        self.clones[name] = twin
        twin.start()
        return twin

    def crash(self, name: str, survive: int = 0) -> None:
        """A process ends."""
        self.members[name].crash(survive)

    def restart(self, name: str, *, reboot: bool = False) -> None:
        """A process starts again on the same disk."""
        member = self.members[name]
        if member.alive:
            member.crash()
        if reboot:
            member.boot += 1
            member.clock.reboot()
        member.start()

    def lose_disk(self, name: str, **options: Any) -> None:
        """A machine comes back with an empty disk: another incarnation."""
        member = self.members[name]
        if member.alive:
            member.crash()
        member.disk = MemoryDisk()
        member.incarnation += 1
        member.sessions = 0
        member.options.update(options)
        member.start()

    def pause(self, name: str, duration_ns: int) -> None:
        """A process stands still; what is for it waits."""
        self.members[name].paused_until_ns = self.now_ns + duration_ns

    def hold_disk(self, name: str) -> None:
        """Commits of a machine wait."""
        self.members[name].disk_held = True

    def free_disk(self, name: str) -> None:
        """Commits that waited happen now."""
        member = self.members[name]
        member.disk_held = False
        held, member.held = member.held, []
        for step in held:
            member.later(self.now_ns, step)

    def judge(self, who: str, verdict: str) -> None:
        """Everybody's failure detector says the same of a member."""
        for member in self.alive():
            if member.name != who:
                member.deliver(MemberJudged(who, verdict))

    def alive(self) -> list[Member]:
        """Members with a process."""
        return [member for member in self.members.values() if member.alive]

    def node(self, name: str) -> NexusNode:
        """The core of a member."""
        return self.members[name].node

    # --- callers -----------------------------------------------------------------------------

    def ask(self, name: str, request: Any) -> int:
        """A caller asks a member; the answer comes later, by the number returned."""
        self._reply_no += 1
        number = self._reply_no
        self.asked[number] = self.now_ns
        self.oracle.asked(self.now_ns, request)
        member = self.members[name]
        if member.alive and self.now_ns >= member.paused_until_ns:
            member.deliver(ApiRequested(number, request, f"cause-{number}", "tester"))
        return number

    def call(self, name: str, request: Any, limit_ns: int = 10 * NS_PER_S) -> Any:
        """Ask and wait; None if no answer came."""
        number = self.ask(name, request)
        self.run_until(lambda: number in self.replies, limit_ns)
        return self.replies.get(number)

    def replied(self, member: Member, number: int, result: Any) -> None:
        """A member answers a caller."""
        self.replies[number] = result
        if isinstance(result, AllocationView):
            wall_us = member.clock.read().wall_ns // NS_PER_US
            self.oracle.told(self.now_ns, self.asked[number], result, wall_us)
        if self.on_reply is not None:
            self.on_reply(number, result)

    # --- looking -----------------------------------------------------------------------------

    def note(self, text: str) -> None:
        """One line of the trace, dated by true time."""
        self.trace.append(f"{self.now_ns / NS_PER_S:8.3f} {text}")

    def check(self) -> None:
        """Every node's own invariants, and what the oracle saw."""
        for member in self.alive():
            member.node.check_invariants()
        self.oracle.check()
        self.check_owners()

    def check_owners(self) -> None:
        """Invariant 2: at most one owner holds a shard (all clocks here run alike)."""
        holders: dict[tuple[int, int], str] = {}
        for member in self.alive():
            for key, shard in member.node.owning.owned.items():
                owner = shard.owner
                member.clock.read()
                if owner is None or owner.hold_until <= member.node.ctx.clocks.fast:
                    continue
                passed = member.clock.read().mono_ns - member.node.ctx.now.mono_ns
                if owner.hold_until <= member.node.ctx.clocks.fast + passed:
                    continue
                assert key not in holders, f"{key} is held by {holders[key]} and {member.name}"
                holders[key] = member.name

    def differences(self) -> list[str]:
        """Shards on which two live members do not agree; empty when all views are equal."""
        found: list[str] = []
        views: dict[tuple[int, int], tuple[str, Any]] = {}
        for member in self.alive():
            for pool in member.node.book.by_id.values():
                for shard in pool.shards:
                    view = open_rows(shard)
                    first = views.setdefault(shard.key, (member.name, view))
                    if first[1] != view:
                        found.append(f"{shard.key}: {first[0]} {first[1]}, {member.name} {view}")
        return found


def open_rows(shard: Any) -> list[tuple[Any, ...]]:
    """What replicas must agree on: the open and claimed elements of a shard."""
    return [
        (row.index, row.subscriber, row.epoch, row.seq, row.length)
        for row in shard.rows
        if row.fingerprint()
    ]
