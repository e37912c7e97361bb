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
from heapq import heappop, heappush
from random import Random
from typing import Any

import simpy
from simpy.events import NORMAL

Callback = Callable[[Any], object]
TIE_BITS = 62
"""Width of the drawn order of entries at one instant: two equal draws do not happen."""


class FastEnvironment(simpy.Environment):
    """Simulated true time, in nanoseconds."""

    def __init__(self, ties: Random) -> None:
        super().__init__(initial_time=0)
        self._heap: list[Any] = self._queue
        # An endless iterator without a Python frame: this is drawn for every entry.
        self._ids: Any = iter(partial(ties.getrandbits, TIE_BITS), -1)
        shared: Any = self._ids
        self._eid = shared  # SimPy's own events draw from it too
        self.steps = 0
        self.now_ns = 0
        """True time: SimPy's own `_now`, without the cost of a property."""

    def call_later(self, delay_ns: int, fn: Callback, arg: Any = None) -> None:
        """Call ``fn(arg)`` after a delay."""
        heappush(self._heap, (self.now_ns + delay_ns, NORMAL, next(self._ids), (fn, arg)))

    def call_at(self, at_ns: int, fn: Callback, arg: Any = None) -> None:
        """Call ``fn(arg)`` at an instant, now if that is past."""
        at = at_ns if at_ns > self.now_ns else self.now_ns
        heappush(self._heap, (at, NORMAL, next(self._ids), (fn, arg)))

    def run_until(self, until_ns: int, stop: Callable[[], bool]) -> None:
        """Carry out everything up to an instant; ``stop`` is asked after each entry."""
        heap = self._heap
        steps = 0
        while heap and heap[0][0] <= until_ns:
            now, _, _, entry = heappop(heap)
            self._now = self.now_ns = now
            steps += 1
            if type(entry) is tuple:
                entry[0](entry[1])
            else:
                _carry_out(entry)
            if stop():
                break
        else:
            self._now = self.now_ns = until_ns
        self.steps += steps


def _carry_out(event: Any) -> None:
    """One event of SimPy's own (a process, a timeout), as `Environment.step` does it."""
    callbacks, event.callbacks = event.callbacks, None
    for callback in callbacks:
        callback(event)
    if not event._ok and not hasattr(event, "_defused"):
        raise event._value
