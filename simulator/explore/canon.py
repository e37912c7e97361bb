"""One node's whole state as plain values: two states with equal values behave alike from now on.

Walks the node's own objects, so a field that somebody adds is part of it without anybody's doing.
What is left out is named below, each with the reason.  Instants become what is left of them on the
node's own clock, and what is over is just over: that is how states of different times fold into
one.  Member names pass through a renaming, so a state can be looked at as its mirror image.
"""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Mapping
from typing import Any

import msgspec

from nexus.core.history import History
from nexus.core.owning import Owning
from nexus.core.placement import Placement
from nexus.core.timers import NEVER, Timers
from nexus.devices.registry import DeviceRegistry
from nexus.model.pool import PoolSpec
from nexus.model.time import NS_PER_S
from nexus.ownership.clocks import NodeClocks
from nexus.ownership.configuration import Configuration
from nexus.resources.base import Geometry
from nexus.space.expiry import ExpiryQueue
from nexus.space.free_map import FreeMap

QUANTUM_NS = NS_PER_S
"""The only unit of time that an explored world knows."""
PAST_QUANTA = 4
"""Further back than this nothing in a small world tells instants apart."""
FAR_NS = 1 << 55

UNTIL = frozenset(
    ("hold_until", "timer_until", "quarantine_until", "ends", "blocked", "due_ns", "next_due_ns")
)
"""Deadlines: what is left counts, and once over only that they are over.  0 means never set."""
SINCE = frozenset(("sent", "refused_at"))
"""Instants of something that happened: their age counts."""
LEFT_OUT = frozenset(
    (
        "created_us",  # shown to people
        "renewed_us",  # same
        "hybrid",  # the clock that they are read from
        "clock_us",  # same, in messages
        "clock_ns",  # for owners without a running clock, which a small world has not
        "heard",  # shown to people
        "digest",  # follows from the rows
        "backoff",  # a candidate's next try is a choice of the explorer
        "renewed_ns",  # same, of a renewal
        "sync_rounds",  # a statistic
        "merged_rows",  # same
        "config",  # who it is is told first; the rest never changes
        "rng",  # always draws zero
        "node",  # the way back up
        "_clock_entry_at",  # when the log gets another reading; readings are exact here
        "_unsaved",  # tokens; with what waits for the disk it is in _parked
        "_told_ahead",  # no machine of a small world sleeps
    )
)
_LEFT_OUT_TYPES = (History, Placement, DeviceRegistry, PoolSpec, Geometry)
"""Told to people only; derived from members; not part of small worlds; never change."""
_PLAIN = (int, str, bool, float, bytes, type(None))


class Walker:
    """Walks one value at one instant under one renaming."""

    __slots__ = ("_names", "_now", "_seen")

    def __init__(self, now_ns: int, names: Mapping[str, str]) -> None:
        self._now = now_ns
        self._names = names
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
            pairs = [[self.walk(key), self.walk(each)] for key, each in value.items()]
            return sorted(pairs, key=_order)
        if kind is set or kind is frozenset:
            return sorted((self.walk(each) for each in value), key=repr)
        return self._object(kind, value)

    def _object(self, kind: type, value: Any) -> Any:
        if kind is types.MethodType:
            return [type(value.__self__).__name__, value.__name__]
        if kind in (types.FunctionType, types.BuiltinMethodType, types.BuiltinFunctionType):
            return value.__qualname__
        if isinstance(value, _LEFT_OUT_TYPES):
            return None
        frozen = isinstance(value, msgspec.Struct) and value.__struct_config__.frozen
        if not frozen:
            # A thing that several parts hold is told where it is met first.
            number = self._seen.get(id(value))
            if number is not None:
                return ["=", number]
            self._seen[id(value)] = len(self._seen)
        special = _SPECIAL.get(kind)
        if special is not None:
            return special(self, value)
        return [kind.__name__, *(self._field(name, value) for name in fields_of(kind, value))]

    def _field(self, name: str, owner: Any) -> Any:
        value = getattr(owner, name, None)
        if name in UNTIL and type(value) is int:
            return self.until(value)
        if name in SINCE and type(value) is int:
            return self.since(value)
        if name == "rounds" and type(owner) is Owning:
            return [[number, self.since(at), self.walk(of)] for number, (at, of) in value.items()]
        return self.walk(value)

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


def _order(pair: list[Any]) -> str:
    return repr(pair[0])


def fields_of(kind: type, value: Any) -> tuple[str, ...]:
    """Names of the fields of an object that count."""
    known = _FIELDS.get(kind)
    if known is None:
        if issubclass(kind, msgspec.Struct):
            names = list(kind.__struct_fields__)
        else:
            names = [name for each in kind.__mro__ for name in getattr(each, "__slots__", ())]
            names += list(getattr(value, "__dict__", ()))
        known = tuple(name for name in sorted(dict.fromkeys(names)) if name not in LEFT_OUT)
        _FIELDS[kind] = known
    return known


_FIELDS: dict[type, tuple[str, ...]] = {}


def _clocks(_: Walker, __: NodeClocks) -> Any:
    return None  # all instants are told relative to them


def _timers(_: Walker, value: Timers) -> Any:
    return sorted(value._due)  # set or not; when one rings is the explorer's choice


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
    Timers: _timers,
    ExpiryQueue: _queue,
    FreeMap: _free_map,
    Configuration: _configuration,
}


def node_value(node: Any, names: Mapping[str, str]) -> Any:
    """The node's state as plain values."""
    walker = Walker(node.ctx.clocks.slow, names)
    config = node.config
    identity = [names.get(config.node_id, config.node_id), config.incarnation]
    due = node.leasing.next_due_ns
    return [
        identity,
        walker.walk(config.session),
        "never" if due >= NEVER else max(0, due - node.ctx.now.mono_ns),
        *(
            walker.walk(part)
            for name, part in node.__dict__.items()
            if name not in ELSEWHERE and name not in LEFT_OUT
        ),
    ]


ELSEWHERE = frozenset(("config", "catalog", "placement", "history", "inbound"))
"""Parts of a node that are told first, that follow from others or never change, or for people."""


def message_value(message: Any, names: Mapping[str, str]) -> Any:
    """A message as plain values; only durations travel, so no instant is in it."""
    return Walker(0, names).walk(message)
