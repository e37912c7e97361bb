"""States of single nodes, each known once: a world is a handful of numbers of them.

What a node does next follows from its state and the event, and from nothing else (that its clock
moves on is an event here, too).  So every such step is carried out by the real core
once and remembered, and walking through worlds is looking things up.  A node in a given state is
got by living its life again from its last process start; those used last are kept alive.
"""

from __future__ import annotations

import hashlib
import marshal
from collections import OrderedDict
from collections.abc import Mapping
from random import Random
from typing import Any

import msgspec

from nexus import codec
from nexus.core.effects import Broadcast, Persist, Reply, Send
from nexus.core.entries import CatalogWritten, ConfigWritten
from nexus.core.events import (
    ApiRequested,
    DeadlineReached,
    MemberJudged,
    MessageReceived,
    Persisted,
    Started,
)
from nexus.core.members import Member
from nexus.core.messages import Message
from nexus.core.node import InvariantError, NexusNode
from nexus.core.operations.allocate import Allocate
from nexus.core.operations.read_allocations import GetAllocation
from nexus.core.operations.release import Release
from nexus.core.operations.renew import Renew
from nexus.core.timers import NEVER
from nexus.model.time import NS_PER_US, Instant
from nexus.model.views import AllocationView
from nexus.ownership.configuration import stable
from nexus.ownership.shard import DRAINING, SERVING
from nexus.ownership.values import ZERO
from simulator.explore.canon import QUANTUM_NS, due_in, message_value, node_value
from simulator.explore.small import POOL_ID, POOL_NO, Ask, Small

LIVE_MAX = 3_000
"""Nodes kept alive."""
PLAIN_FORMAT = 2
"""Of `marshal`: the last in which equal values have equal bytes, whoever else refers to them."""
WALL_NS = 10**18
CARRIED = frozenset(
    (
        "PrepareShards",
        "ShardsPromised",
        "AcceptShards",
        "ShardsAccepted",
        "ReadShards",
        "ShardsRead",
        "RenewGrants",
        "GrantsRenewed",
        "PushRecords",
        "RecordsHeld",
        "ReleaseShards",
        "ShardsReleased",
        "DecidePrepare",
        "DecidePromise",
        "DecideAccept",
        "DecideAccepted",
        "Decided",
    )
)
"""Messages of the registers, records and decisions.  All others are always lost: life signs and
digests fill views, forwards save the caller a question that it may ask itself."""

Event = tuple[Any, ...]
"""("message", number) | ("timer", name) | ("look",) | ("start",) | ("durable",) | ("ask", number)
| ("drain",) | ("run",) | ("tick",)"""


class Zero(Random):
    """Draws zero, always: jitter is the explorer's choice."""

    def getrandbits(self, k: int, /) -> int:
        del k
        return 0

    def random(self) -> float:
        return 0.0


class Root(msgspec.Struct, frozen=True):
    """A process start: whose, on which disk, when on its machine's clock."""

    name: str
    session: int
    incarnation: int
    disk: tuple[bytes, ...]
    at_ns: int


class Told(msgspec.Struct, frozen=True, order=True):
    """An answer that a subscriber may install."""

    subscriber: str
    resource: str
    left: int
    """Quanta until it ends; -1: it does not."""
    valid: int
    """Quanta for which it may still be installed."""


class Local(msgspec.Struct):
    """One state of one node."""

    number: int
    root: Root
    parent: int
    """State before, -1 at a process start."""
    event: Event
    at_ns: int
    """The node's clock at its last event, in the life that found this state first."""
    disk: tuple[bytes, ...]
    waiting: tuple[bytes, ...]
    """Entries that are on their way to the disk."""
    timers: tuple[str, ...]
    due: bool
    """There is something to expire or to free now."""
    holds: int
    """Epoch of the shard if the node would act on it now, else 0."""
    serves: bool
    """It would answer a subscriber if it held the shard."""
    classes: tuple[int, ...]
    """Numbers of its state under each renaming: equal numbers, equal states."""
    disk_classes: tuple[int, ...]
    problem: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """What came of an event."""

    after: int
    sent: int
    """Bit i: message i was sent."""
    told: tuple[Told, ...]


class Locals:
    """All states met; `step` is the only way to new ones."""

    def __init__(self, small: Small, renamings: tuple[Mapping[str, str], ...]) -> None:
        self.small = small
        self.renamings = renamings
        self.states: list[Local] = []
        self.messages: list[tuple[str, str, Message]] = []
        """(sender, target, message)"""
        self.message_classes: list[tuple[int, ...]] = []
        self.inbound: dict[str, int] = dict.fromkeys(small.voters, 0)
        """Bits of the messages to each member."""
        self.executed = 0
        self._by_class: dict[int, int] = {}
        self._classes: dict[bytes, int] = {}
        self._message_numbers: dict[int, int] = {}
        self._outcomes: dict[tuple[int, Event], Outcome] = {}
        self._live: OrderedDict[int, NexusNode] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state["_live"] = OrderedDict()
        return state

    # --- classes -----------------------------------------------------------------------------

    def class_of(self, value: Any) -> int:
        """The number of a plain value; equal values, equal numbers."""
        digest = hashlib.blake2b(marshal.dumps(value, PLAIN_FORMAT), digest_size=16).digest()
        return self._classes.setdefault(digest, len(self._classes))

    def message(self, sender: str, target: str, message: Message) -> int:
        """The number of a message."""
        classes = tuple(
            self.class_of(
                [
                    names.get(sender, sender),
                    names.get(target, target),
                    message_value(message, names),
                ]
            )
            for names in self.renamings
        )
        number = self._message_numbers.get(classes[0])
        if number is None:
            number = self._message_numbers[classes[0]] = len(self.messages)
            self.messages.append((sender, target, message))
            self.inbound[target] |= 1 << number
            self.message_classes.append(classes)
        return number

    # --- process starts ----------------------------------------------------------------------

    def founded(self, name: str) -> tuple[bytes, ...]:
        """The disk that every member begins with: the catalogue with the pool in it."""
        members = tuple(
            Member(each.id, each.role, each.weight, 1, 1)
            for each in self.small.config(name, 1).members
        ) or (Member(name, "core", 1.0, 1, 1),)
        lives = tuple((voter, 1) for voter in self.small.voters)
        voters = stable(1, self.small.voters)
        return (
            codec.encode_entry(CatalogWritten(1, (self.small.record(),), members, ())),
            codec.encode_entry(ConfigWritten(voters, ZERO, ZERO, None, complete=True, lives=lives)),
        )

    def empty(self, name: str) -> tuple[bytes, ...]:
        """The disk after a loss: the pool is known again, what this voter said is not (R21 d)."""
        return self.founded(name)[:1]

    def start(
        self, name: str, session: int, incarnation: int, disk: tuple[bytes, ...], at: int
    ) -> int:
        """A process begins; what it restored and its first event."""
        root = Root(name, session, incarnation, disk, at)
        return self._keep(self._born(root), root, -1, ("born",), at, disk, ())

    def _born(self, root: Root) -> NexusNode:
        config = self.small.config(root.name, root.session, root.incarnation)
        entries = [codec.decode_entry(data) for data in root.disk]
        now = reading(root.at_ns)
        node = NexusNode(config, rng=Zero(), now=now, restored=entries)
        for name in self.small.voters:
            if name != root.name:
                # So nobody passes a question on: it may be asked anywhere in any case.
                node.handle(MemberJudged(name, "offline"), now)
        return node

    # --- steps -------------------------------------------------------------------------------

    def step(self, before: int, event: Event) -> Outcome:
        """What the node does about an event."""
        key = (before, event)
        known = self._outcomes.get(key)
        if known is None:
            known = self._outcomes[key] = self._execute(before, event)
        return known

    def _execute(self, before: int, event: Event) -> Outcome:
        self.executed += 1
        state = self.states[before]
        node = self._alive(before)
        at_ns = state.at_ns + QUANTUM_NS * (event == ("tick",))
        written: list[bytes] = []
        sent = 0
        told: list[Told] = []
        problem = ""
        try:
            effects = list(self._happen(node, event, at_ns))
            while effects:
                effect = effects.pop(0)
                if isinstance(effect, Persist):
                    written.extend(codec.encode_entry(entry) for entry in effect.entries)
                    if not self.small.slow_disk:
                        effects.extend(node.handle(Persisted(effect.token), reading(at_ns)))
                elif isinstance(effect, Send):
                    sent |= self._sent(state.root.name, effect.to, effect.message)
                elif isinstance(effect, Broadcast):
                    for name in self.small.voters:
                        if name != state.root.name:
                            sent |= self._sent(state.root.name, name, effect.message)
                elif isinstance(effect, Reply) and isinstance(effect.result, AllocationView):
                    told.append(_told(effect.result, at_ns))
            node.check_invariants()
        except InvariantError as broken:
            problem = str(broken)
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        disk, waiting = state.disk, state.waiting
        if not self.small.slow_disk:
            disk = disk + tuple(written) if written else disk
        elif event == ("durable",):
            disk, waiting = disk + waiting, tuple(written)
        else:
            waiting += tuple(written)
        wrote = disk is not state.disk
        after = self._keep(node, state.root, before, event, at_ns, disk, waiting, wrote, problem)
        return Outcome(after, sent, tuple(told))

    def _sent(self, sender: str, target: str, message: Message) -> int:
        if type(message).__name__ not in CARRIED:
            return 0
        return 1 << self.message(sender, target, message)

    def _happen(self, node: NexusNode, event: Event, at_ns: int) -> tuple[Any, ...]:
        """Let the real core handle it."""
        now = reading(at_ns)
        kind = event[0]
        if kind == "tick":
            node.ctx.clocks.advance(now)
            return ()
        if kind == "message":
            sender, _, message = self.messages[event[1]]
            return node.handle(MessageReceived(sender, message), now)
        if kind == "ask":
            ask = self.small.asks[event[1]] if event[1] >= 0 else self.small.given[~event[1]]
            request = ApiRequested(event[1] + 100, request_of(ask), f"ask-{event[1]}")
            return node.handle(request, now)
        if kind == "durable":
            return node.handle(Persisted(node.ctx.token), now)
        if kind == "start":
            return node.handle(Started(), now)
        shard = node.book.by_no[POOL_NO].shards[0]
        if kind == "drain":
            node.owning.releasing.drain(shard)
        elif kind == "run":
            node.campaigns.backoff.clear()
            if shard.owner is None and not node.owning.renewing.superseded:
                node.campaigns.start([shard.key])
        # Which timers ring is the explorer's choice: all others are put off.
        timers = node.ctx.timers
        for name in list(timers._due):
            timers.set(name, NEVER - 1)
        if kind == "timer":
            timers.set(event[1], at_ns)
        return node.handle(DeadlineReached(), now)

    def _alive(self, number: int) -> NexusNode:
        """A node in this state, for one step."""
        node = self._live.pop(number, None)
        if node is not None:
            return node
        life: list[Local] = []
        state = self.states[number]
        while state.parent >= 0:
            life.append(state)
            state = self.states[state.parent]
        node = self._born(state.root)
        for each in reversed(life):
            self._relive(node, each.event, each.at_ns)
        return node

    def _relive(self, node: NexusNode, event: Event, at_ns: int) -> None:
        effects = list(self._happen(node, event, at_ns))
        while effects:
            effect = effects.pop(0)
            if isinstance(effect, Persist) and not self.small.slow_disk:
                effects.extend(node.handle(Persisted(effect.token), reading(at_ns)))

    # --- keeping -----------------------------------------------------------------------------

    def _keep(
        self,
        node: NexusNode,
        root: Root,
        parent: int,
        event: Event,
        at_ns: int,
        disk: tuple[bytes, ...],
        waiting: tuple[bytes, ...],
        written: bool = True,
        problem: str = "",
    ) -> int:
        if parent >= 0 and not written and at_ns == self.states[parent].at_ns:
            disk_classes = self.states[parent].disk_classes
        else:
            disk_classes = self.disk_classes(root, disk, at_ns)
        waiting_class = self.class_of(waiting) if waiting and self.may_die(root.name) else 0
        classes = tuple(
            self.class_of([self._value(node, names), on_disk, waiting_class, problem])
            for names, on_disk in zip(self.renamings, disk_classes, strict=True)
        )
        number = self._by_class.get(classes[0])
        if number is None:
            number = self._by_class[classes[0]] = len(self.states)
            timers, due, holds, serves = _outside(node)
            self.states.append(
                Local(
                    number=number,
                    root=root,
                    parent=parent,
                    event=event,
                    at_ns=at_ns,
                    disk=disk,
                    waiting=waiting,
                    timers=timers,
                    due=due,
                    holds=holds,
                    serves=serves,
                    classes=classes,
                    disk_classes=disk_classes,
                    problem=problem,
                )
            )
        # One that came to the same state at another time goes by another clock.
        if not problem and at_ns == self.states[number].at_ns:
            self._live[number] = node
            self._live.move_to_end(number)
            if len(self._live) > LIVE_MAX:
                self._live.popitem(last=False)
        return number

    def may_die(self, name: str) -> bool:
        """What is on its disk matters."""
        small = self.small
        return small.crashes > 0 and (not small.crashable or name in small.crashable)

    def disk_classes(self, root: Root, disk: tuple[bytes, ...], at_ns: int) -> tuple[int, ...]:
        """What a process started on this disk would know: the disk's meaning, not its bytes."""
        if not self.may_die(root.name) or root.session > self.small.crashes:
            return (0,) * len(self.renamings)
        reborn = self._born(Root(root.name, root.session + 1, root.incarnation, disk, at_ns))
        return tuple(self.class_of(self._value(reborn, names)) for names in self.renamings)

    def _value(self, node: NexusNode, names: Mapping[str, str]) -> Any:
        return node_value(node, names, self.small.fires)


def _outside(node: NexusNode) -> tuple[tuple[str, ...], bool, int, bool]:
    """(timers, due, holds, serves) of a node."""
    shard = node.book.by_no[POOL_NO].shards[0]
    owner = shard.owner
    holds = 0
    acts = owner is not None and owner.state in (SERVING, DRAINING)
    if owner is not None and acts and owner.hold_until > node.ctx.clocks.fast:
        holds = owner.grant.epoch.counter
    due = due_in(node) <= 0
    return tuple(sorted(node.ctx.timers._due)), due, holds, acts


def _quanta(ns: int) -> int:
    return max(0, -(-ns // QUANTUM_NS))


def reading(at_ns: int) -> Instant:
    """All clocks of a machine of a small world agree."""
    return Instant(at_ns, at_ns, WALL_NS + at_ns)


def _told(view: AllocationView, at_ns: int) -> Told:
    wall_us = (WALL_NS + at_ns) // NS_PER_US
    left = -1 if view.ends_us is None else _quanta((view.ends_us - wall_us) * NS_PER_US)
    valid = 1 << 20
    if view.not_after_us is not None:
        valid = _quanta((view.not_after_us - wall_us) * NS_PER_US)
    return Told(view.subscriber_id, view.resource, left, valid)


def request_of(ask: Ask) -> Any:
    """The operation that a subscriber's ask is."""
    if ask.verb == "allocate":
        return Allocate(
            POOL_ID,
            ask.subscriber,
            ttl_s=ask.ttl or None,
            alloc_type=None if ask.ttl else "permanent",
            provisional=ask.provisional,
        )
    if ask.verb == "renew":
        return Renew(ask.subscriber, POOL_ID)
    if ask.verb == "get":
        return GetAllocation(ask.subscriber, POOL_ID)
    return Release(ask.subscriber, POOL_ID)
