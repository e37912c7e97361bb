"""A SimPy environment whose messages and timers are plain callbacks on SimPy's own heap.

Time is true time in whole nanoseconds.  `call_later` costs one heap entry and no `Process`;
generators (scenario scripts, clients) still work beside it.  Equal instants are carried out in an
order drawn from the seed, because first-in-first-out would hide races.

This leans on three private names of SimPy 4.1 (`_queue`, `_eid`, `_now`);
tests/simulation/test_env.py guards them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from heapq import heapify, heappop, heappush
from random import Random
from typing import Any

import simpy
from simpy.events import NORMAL

Callback = Callable[[Any], object]
TIE_BITS = 62
"""Width of the drawn order of entries at one instant: two equal draws do not happen."""
SLOT_SHIFT = 24
"""A slot is 2 ** 24 ns, about 17 ms."""
ENTRY_FIELDS = 5
"""Of an entry of ours; SimPy's have four."""


class FastEnvironment(simpy.Environment):
    """Simulated true time, in nanoseconds.

    SimPy's heap holds what is due in the present slot of time, and SimPy's own events; what is
    due later waits unsorted, slot by slot, and joins the heap when its slot comes.  The order is
    that of one large heap, which costs four times as much with a thousand nodes.
    """

    def __init__(self, ties: Random) -> None:
        super().__init__(initial_time=0)
        self.heap: list[Any] = self._queue
        """Entries (at, NORMAL, id, fn, arg), and SimPy's own (at, priority, id, event)."""
        # An endless iterator without a Python frame: this is drawn for every entry.
        self.ids: Any = iter(partial(ties.getrandbits, TIE_BITS), -1)
        """Who pushes entries past `call_at` takes their order from here."""
        shared: Any = self.ids
        self._eid = shared  # SimPy's own events draw from it too
        self.steps = 0
        self.halted = False
        """Nothing is carried out any more."""
        self.now_ns = 0
        """True time: SimPy's own `_now`, without the cost of a property."""
        self.edge_ns = 0
        """Where the present slot ends: entries before it go to the heap."""
        self.slots: dict[int, list[Any]] = {}
        """number -> entries, in no order"""
        self._order: list[int] = []
        """Heap of the numbers of `slots`."""

    def call_later(self, delay_ns: int, fn: Callback, arg: Any = None) -> None:
        """Call ``fn(arg)`` after a delay."""
        at = self.now_ns + delay_ns
        entry = (at, NORMAL, next(self.ids), fn, arg)
        if at < self.edge_ns:
            heappush(self.heap, entry)
        else:
            self.put_off(entry)

    def call_at(self, at_ns: int, fn: Callback, arg: Any = None) -> None:
        """Call ``fn(arg)`` at an instant, now if that is past."""
        at = at_ns if at_ns > self.now_ns else self.now_ns
        entry = (at, NORMAL, next(self.ids), fn, arg)
        if at < self.edge_ns:
            heappush(self.heap, entry)
        else:
            self.put_off(entry)

    def put_off(self, entry: tuple[int, int, int, Callback, Any]) -> None:
        """Keep an entry at or after `edge_ns` until its slot comes."""
        number = entry[0] >> SLOT_SHIFT
        slot = self.slots.get(number)
        if slot is None:
            self.slots[number] = [entry]
            heappush(self._order, number)
        else:
            slot.append(entry)

    def run_until(self, until_ns: int, after: Callable[[], object] | None = None) -> None:
        """Carry out everything up to an instant, or until `halted`; ``after`` after each entry."""
        heap = self.heap
        steps = 0
        while not self.halted:
            if not heap or heap[0][0] >= self.edge_ns:
                if not self._next_slot(until_ns):
                    self._now = self.now_ns = until_ns
                    break
                continue
            if heap[0][0] > until_ns:
                self._now = self.now_ns = until_ns
                break
            entry = heappop(heap)
            self._now = self.now_ns = entry[0]
            steps += 1
            if len(entry) == ENTRY_FIELDS:
                entry[3](entry[4])
            else:
                _carry_out(entry[3])
            if after is not None:
                after()
        self.steps += steps

    def _next_slot(self, until_ns: int) -> bool:
        """Go to the next slot in which something is due; False if that is after ``until_ns``."""
        heap, order = self.heap, self._order
        number = order[0] if order else None
        if heap:
            own = heap[0][0] >> SLOT_SHIFT
            number = own if number is None or own < number else number
        if number is None or number << SLOT_SHIFT > until_ns:
            return False
        self.edge_ns = (number + 1) << SLOT_SHIFT
        if order and order[0] == number:
            entries = self.slots.pop(heappop(order))
            if heap:
                for entry in entries:
                    heappush(heap, entry)
            else:
                heap.extend(entries)
                heapify(heap)
        return True


def _carry_out(event: Any) -> None:
    """One event of SimPy's own (a process, a timeout), as `Environment.step` does it."""
    callbacks, event.callbacks = event.callbacks, None
    for callback in callbacks:
        callback(event)
    if not event._ok and not hasattr(event, "_defused"):
        raise event._value
