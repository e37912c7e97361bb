"""One node's whole state as plain values: two states with equal values behave alike from now on.

Walks the node's own objects, so a field that somebody adds is part of it without anybody's doing.
What is left out is named below, each with the reason.  Instants become what is left of them on the
node's own clock, and what is over is just over: that is how states of different times fold into
one.  Member names pass through a renaming, so a state can be looked at as its mirror image.
"""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import msgspec

from nexus.core.context import Context
from nexus.core.history import History
from nexus.core.owning import Owning
from nexus.core.placement import Placement
from nexus.core.renewing import Renewing
from nexus.core.timers import NEVER, Timers
from nexus.devices.registry import DeviceRegistry
from nexus.model.pool import PoolSpec
from nexus.model.time import NS_PER_S
from nexus.ownership import holding
from nexus.ownership.clocks import NodeClocks
from nexus.ownership.configuration import Configuration
from nexus.ownership.shard import BASING, SERVING, OwnerShard, Shard
from nexus.ownership.values import Ballot
from nexus.resources.base import Geometry
from nexus.space.expiry import ExpiryQueue
from nexus.space.free_map import FreeMap

QUANTUM_NS = NS_PER_S
"""The only unit of time that an explored world knows."""
PAST_QUANTA = 4
"""Further back than this nothing in a small world tells instants apart."""
FAR_NS = 1 << 55

UNTIL = frozenset(("hold_until", "timer_until", "quarantine_until", "ends", "blocked", "due_ns"))
"""Deadlines: what is left counts, and once over only that they are over.  0 means never set."""
SINCE = frozenset(("sent", "refused_at"))
"""Instants of something that happened: their age counts."""
LEFT_OUT = frozenset(
    (
        "created_us",  # shown to people
        "renewed_us",  # same
        "hybrid",  # the clock that they are read from
        "clock_us",  # same, in messages
        "hybrid",  # the clock that they are read from
        "clock_us",  # same, in messages
        "clock_ns",  # for owners without a running clock, which a small world has not
        "heard",  # shown to people
        "digest",  # follows from the rows
        "digests",  # follow from the shards
        "touched",  # what of them has to be looked at
        "backoff",  # a candidate's next try is a choice of the explorer
        "renewed_ns",  # same, of a renewal
        "sync_rounds",  # a statistic
        "merged_rows",  # same
        "next_due_ns",  # an alarm; what it is for is told first
        "config",  # who it is is told first; the rest never changes
        "rng",  # always draws zero
        "_clock_entry_at",  # when the log gets another reading; readings are exact here
        "_unsaved",  # tokens; with what waits for the disk it is in _parked
        "durable",  # the number of the latest commit: `token` tells how far behind it is
        "_told_ahead",  # no machine of a small world sleeps
    )
)
_LEFT_OUT_TYPES = (History, Placement, DeviceRegistry, PoolSpec, Geometry)
"""Told to people only; derived from members; not part of small worlds; never change."""
_PLAIN = frozenset((int, str, bool, float, bytes, type(None)))


class Walker:
    """Walks one value at one instant under one renaming."""

    __slots__ = ("_names", "_now", "_seen", "begun", "parts", "timers")

    def __init__(
        self, now_ns: int, names: Mapping[str, str], timers: Container[str] = frozenset()
    ) -> None:
        self._now = now_ns
        self._names = names
        self.timers = timers
        self.parts: Container[int] = frozenset()
        """Ids of objects that are told on their own."""
        self.begun: Sequence[int] = ()
        """Numbers of the rounds that open questions wait for."""
        self._seen: dict[int, int] = {}

    def walk(self, value: Any) -> Any:
        """The plain value of anything."""
        kind = type(value)
        if kind is str:
            return self._names.get(value, value)
        if kind in _PLAIN:
            return value
        if kind is tuple or kind is list or kind is deque:
            return [self.walk(each) for each in value]
        if kind is dict:
            if not value:
                return None
            pairs = [[self.walk(key), self.walk(each)] for key, each in value.items()]
            return sorted(pairs, key=_order) if len(pairs) > 1 else pairs
        if kind is set or kind is frozenset:
            return sorted((self.walk(each) for each in value), key=repr)
        return self._object(kind, value)

    def _object(self, kind: type, value: Any) -> Any:
        plan = _PLANS.get(kind) or _plan_of(kind, value)
        if plan.how is not None:
            return plan.how(value)
        if plan.shared:
            # A thing that several parts hold is told where it is met first.
            number = self._seen.get(id(value))
            if number is not None:
                return ["=", number]
            self._seen[id(value)] = len(self._seen)
        if plan.special is not None:
            return plan.special(self, value)
        told: list[Any] = [plan.name]
        for name, how in plan.fields:
            field = getattr(value, name, None)
            kind = type(field)
            if how is not None and kind is int:
                told.append(how(self, field))
            elif kind in _PLAIN and kind is not str:
                told.append(field)
            elif id(field) in self.parts:
                continue  # how the node's parts know each other never changes
            elif name in _BY_OWNER:
                told.append(self._by_owner(name, value, field))
            else:
                told.append(self.walk(field))
        return told

    def _by_owner(self, name: str, owner: Any, value: Any) -> Any:
        """Fields whose meaning hangs on what they are a part of."""
        if type(owner) is Owning:
            return self._record_rounds(owner)
        if type(owner) is Renewing:
            return self._renewals(owner)
        if type(owner) is OwnerShard:
            # Rounds are begun after the questions that they are for: of all that were answered
            # only those count that some open question waits for (R8 d).
            return [
                [begun, sorted(map(self.walk, holding.r8d_confirmed(begun, value)))]
                for begun in self.begun
            ]
        return self.walk(value)

    def _record_rounds(self, owning: Owning) -> Any:
        """Rounds whose answers may still count (R8 b); of a round that is too old none does."""
        fast, limit_ns = owning.ctx.clocks.fast, owning.ctx.config.ack_limit_ns
        told = []
        for number, (sent, epochs) in owning.rounds.items():
            counting = holding.r8b_counts(sent, fast, limit_ns, holding.FOREVER)
            open_for = []
            for key, epoch in epochs.items():
                owner = _owner_of(owning.owned, key, epoch)
                if owner is not None and (counting or owner.state == BASING):
                    open_for.append(key)
            if open_for:
                told.append([number, self.since(sent), open_for])
        return told

    def _renewals(self, renewing: Renewing) -> Any:
        """Renewals that may still do something; who answered one that lengthens nothing is one."""
        fast = renewing.ctx.clocks.fast
        told = []
        for number, sent in renewing.sent.items():
            open_for: list[Any] = []
            for key, epoch in sent.grants.items():
                owner = _owner_of(renewing.owned, key, epoch)
                if owner is None:
                    continue
                until = holding.r5_hold_until(sent.sent, fast, owner.grant.horizon_ns)
                if owner.state == SERVING and until <= owner.hold_until:
                    open_for.append(key)
                else:
                    open_for.append(
                        [key, self.since(sent.sent), sorted(map(self.walk, sent.renewed_by(key)))]
                    )
            if open_for:
                told.append([number, open_for])
        return told

    def until(self, at_ns: int) -> Any:
        """A deadline: what is left of it."""
        if at_ns == 0:
            return "none"
        if at_ns >= FAR_NS:
            return "far"
        return max(0, at_ns - self._now)

    def since(self, at_ns: int) -> int:
        """How long ago something was."""
        return max(at_ns - self._now, -PAST_QUANTA * QUANTUM_NS)


def _owner_of(owned: Mapping[Any, Shard], key: Any, epoch: Ballot) -> OwnerShard | None:
    """The owner's part of a grant, if it is still the one of that epoch."""
    shard = owned.get(key)
    owner = shard.owner if shard is not None else None
    return owner if owner is not None and owner.grant.epoch == epoch else None


def _order(pair: list[Any]) -> str:
    return repr(pair[0])


class _Plan:
    """How things of one type are told."""

    __slots__ = ("fields", "how", "name", "shared", "special")

    def __init__(self, kind: type, value: Any) -> None:
        self.name = kind.__name__
        self.how: Callable[[Any], Any] | None = None
        self.special: Any = _SPECIAL.get(kind)
        frozen = isinstance(value, msgspec.Struct) and value.__struct_config__.frozen
        self.shared = not frozen
        self.fields: tuple[tuple[str, Any], ...] = ()
        if kind is types.MethodType:
            self.how = _method
        elif kind in (types.FunctionType, types.BuiltinMethodType, types.BuiltinFunctionType):
            self.how = _function
        elif isinstance(value, _LEFT_OUT_TYPES):
            self.how = _nothing
        elif self.special is None:
            ways = dict.fromkeys(UNTIL, Walker.until) | dict.fromkeys(SINCE, Walker.since)
            self.fields = tuple((name, ways.get(name)) for name in _fields_of(kind, value))


def _plan_of(kind: type, value: Any) -> _Plan:
    plan = _PLANS[kind] = _Plan(kind, value)
    return plan


def _method(value: Any) -> Any:
    return [type(value.__self__).__name__, value.__name__]


def _function(value: Any) -> Any:
    return value.__qualname__


def _nothing(_: Any) -> Any:
    return None


def _fields_of(kind: type, value: Any) -> tuple[str, ...]:
    """Names of the fields of an object that count."""
    if issubclass(kind, msgspec.Struct):
        names = list(kind.__struct_fields__)
    else:
        names = [name for each in kind.__mro__ for name in getattr(each, "__slots__", ())]
        names += list(getattr(value, "__dict__", ()))
    return tuple(name for name in sorted(dict.fromkeys(names)) if name not in LEFT_OUT)


_PLANS: dict[type, _Plan] = {}
_BY_OWNER = frozenset(("rounds", "sent", "confirmed"))


def _context(walker: Walker, value: Context) -> Any:
    """The numbers of commits are nobody's business, how many are under way is."""
    told: list[Any] = [value.token - value.durable]
    told += [walker.walk(field) for name, field in value.__dict__.items() if name not in _COMMITS]
    return told


_COMMITS = LEFT_OUT | {"token"}


def _clocks(_: Walker, __: NodeClocks) -> Any:
    return None  # all instants are told relative to them


def _timers(walker: Walker, value: Timers) -> Any:
    # Set or not: when one rings is the explorer's choice.  Most never do in a small world.
    return sorted(name for name in value._due if name in walker.timers)


def _queue(_: Walker, value: ExpiryQueue[Any]) -> Any:
    queued = {
        (item.index, item.seq, item.epoch)
        for key, items in value._buckets.items()
        for item in items[value._heads.get(key, 0) :]
        if value._due_of(item) is not None
    }
    return sorted(queued)


def _free_map(_: Walker, value: FreeMap) -> Any:
    return [
        index for index in range(value._start, value._start + value._size) if value.is_free(index)
    ]


def _configuration(walker: Walker, value: Configuration) -> Any:
    return [value.number, sorted(walker.walk(value.old)), sorted(walker.walk(value.new))]


_SPECIAL: dict[type, Any] = {
    NodeClocks: _clocks,
    Context: _context,
    Timers: _timers,
    ExpiryQueue: _queue,
    FreeMap: _free_map,
    Configuration: _configuration,
}


def node_value(node: Any, names: Mapping[str, str], timers: Container[str]) -> Any:
    """The node's state as plain values.

    Parameters
    ----------
    names : what members are called instead.
    timers : those that ring in this world.
    """
    walker = Walker(node.ctx.clocks.slow, names, timers)
    walker.parts = {id(node), *map(id, node.__dict__.values())}
    questions = node.telling.questions.values()
    walker.begun = sorted({each.begun_round for waiting in questions for each in waiting})
    config = node.config
    identity = [names.get(config.node_id, config.node_id), config.incarnation]
    return [
        identity,
        walker.walk(config.session),
        due_in(node),
        *(
            walker.walk(part)
            for name, part in node.__dict__.items()
            if name not in ELSEWHERE and name not in LEFT_OUT
        ),
    ]


ELSEWHERE = frozenset(("config", "catalog", "placement", "history", "inbound"))
"""Parts of a node that are told first, that follow from others or never change, or for people."""


def due_in(node: Any) -> int:
    """How long until something ends or has cooled; the alarm may ring early and find nothing."""
    clocks = node.ctx.clocks
    real = NEVER
    for pool in node.book.by_no.values():
        ends, cooled = pool.held_queue.next_due_ns(), pool.cooling_queue.next_due_ns()
        if ends is not None:
            real = min(real, max(0, ends - clocks.told))
        if cooled is not None:
            real = min(real, max(0, cooled - clocks.slow))
    alarm = node.leasing.next_due_ns
    if alarm >= NEVER:
        return NEVER
    return int(max(real, alarm - clocks.now.mono_ns))


def message_value(message: Any, names: Mapping[str, str]) -> Any:
    """A message as plain values; only durations travel, so no instant is in it."""
    return Walker(0, names).walk(message)
