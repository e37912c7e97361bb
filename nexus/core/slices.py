"""Work that is too long for one event, done a slice at a time between others.

A job is an iterator that yields after each slice of bounded work.  The first slice runs in the
event that starts it, so what is short is done at once; the rest goes on by a timer, jobs in turn.
What a job has not done when the process ends is lost: whoever starts one must be able to start it
again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from nexus.core.context import Context
from nexus.errors import NexusError
from nexus.model.time import NS_PER_MS

if TYPE_CHECKING:
    from nexus.core.calls import Call

SLICE_ROWS = 500
"""Rows that one slice changes at most: about 5 ms."""
SLICE_READS = 2_000
"""Rows that one slice looks at, or turns into views, at most."""
PAUSE_NS = NS_PER_MS
"""Between two slices; what came meanwhile is handled first."""
CALLS_MAX = 64
"""Calls whose jobs are under way at once."""


class Job:
    """Work under way; ``call`` is who waits for it."""

    __slots__ = ("call", "steps")

    def __init__(self, steps: Iterator[None], call: Call | None) -> None:
        self.steps = steps
        self.call = call


class Slices:
    """The jobs of one node."""

    def __init__(self, ctx: Context, answer: Callable[[Call, Any], None]) -> None:
        self.ctx = ctx
        self.answer = answer
        self._jobs: deque[Job] = deque()
        self._chain: deque[Iterator[None]] = deque()
        """Jobs that run one after the other; the first of them is under way."""

    @property
    def count(self) -> int:
        """Jobs under way."""
        return len(self._jobs)

    def start(self, steps: Iterator[None], call: Call | None = None) -> None:
        """Begin a job; its end is its own affair, its failure is told to ``call``."""
        if call is not None and len(self._jobs) >= CALLS_MAX:
            raise NexusError("rate_limited", "too many long requests at once", retry_after_s=1)
        self._step(Job(steps, call))
        self._plan()

    def start_in_turn(self, steps: Iterator[None]) -> None:
        """Begin a job when those that were started this way before it have ended."""
        self._chain.append(steps)
        if len(self._chain) == 1:
            self.start(self._in_turn())

    def tick(self) -> None:
        """One slice of the job whose turn it is."""
        if self._jobs:
            self._step(self._jobs.popleft())
        self._plan()

    def fail_all(self, error: NexusError) -> None:
        """The disk failed: nothing that is under way will be finished."""
        jobs, self._jobs = self._jobs, deque()
        self._chain.clear()
        for job in jobs:
            if job.call is not None:
                self.answer(job.call, error)

    def _step(self, job: Job) -> None:
        try:
            next(job.steps)
        except StopIteration:
            return
        except NexusError as refusal:
            if job.call is None:
                raise
            self.answer(job.call, refusal)
            return
        self._jobs.append(job)

    def _in_turn(self) -> Iterator[None]:
        while self._chain:
            yield from self._chain[0]
            self._chain.popleft()

    def _plan(self) -> None:
        if self._jobs:
            self.ctx.timers.set_earlier("slices", self.ctx.now.mono_ns + PAUSE_NS)
