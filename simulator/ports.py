"""The driver's five ports over a simulated machine, with a gate between process and world.

The gate is how a process is stopped *between any two steps*: when it closes, the effects of the
step under way that have not left yet wait, and so does every event that comes; when it opens they
go on in order.  The disk is outside the gate: what was handed to it becomes durable meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from nexus.core.effects import Audit, Watch
from nexus.core.messages import Message
from nexus.model.time import Instant
from nexus.store.memory import MemoryStore
from simulator.clocks import MachineClock
from simulator.env import FastEnvironment
from simulator.network import Network

Step = Callable[[], object]


class Gate:
    """Between one process and its world; closed while the process does not run."""

    __slots__ = ("_on_error", "_waiting_in", "_waiting_out", "countdown", "open")

    def __init__(self, on_error: Callable[[Exception], None]) -> None:
        self.open = True
        self._on_error = on_error
        self.countdown = -1
        """Effects after which it closes; negative: no close is announced."""
        self._waiting_in: deque[Step] = deque()
        self._waiting_out: deque[Step] = deque()

    def close(self) -> None:
        """Stop the process here."""
        self.open = False
        self.countdown = -1

    def close_after(self, effects: int) -> None:
        """Stop it after so many more effects, in the middle of whatever step they are of."""
        self.countdown = effects

    def enter(self, step: Step) -> None:
        """An event for the process: now, or when it runs again.  Its errors are its end."""
        if not self.open:
            self._waiting_in.append(step)
            return
        try:
            step()
        except Exception as error:
            self._on_error(error)

    def leave(self, step: Step) -> None:
        """An effect of the process: now, or when it runs again."""
        if self.countdown >= 0 and self.open:
            if self.countdown == 0:
                self.close()
            else:
                self.countdown -= 1
        if self.open:
            step()
        else:
            self._waiting_out.append(step)

    def reopen(self) -> None:
        """The process runs on: first what it was about to do, then what came meanwhile."""
        self.open = True
        self.countdown = -1
        while self.open and self._waiting_out:
            self._waiting_out.popleft()()
        while self.open and self._waiting_in:
            self.enter(self._waiting_in.popleft())

    def drop(self) -> None:
        """The process is gone, and everything that was on its way in or out of it."""
        self.open = False
        self.countdown = -1
        self._waiting_in.clear()
        self._waiting_out.clear()


class SimAlarm:
    """One alarm on the machine's monotonic clock, over one heap entry where possible."""

    def __init__(self, env: FastEnvironment, clock: MachineClock, gate: Gate) -> None:
        self._env = env
        self._clock = clock
        self._gate = gate
        self._mono_ns: int | None = None
        self._due_ns = 0
        self._due_mono_ns = 0
        """What the machine's clock shows at `_due_ns`, or earlier."""
        self._generation = 0
        self._scheduled = False
        self._on_ring: Step = lambda: None

    def bind(self, on_ring: Callable[[], None]) -> None:
        self._on_ring = on_ring

    def set(self, mono_ns: int | None) -> None:
        self._mono_ns = mono_ns
        if mono_ns is None or (self._scheduled and mono_ns >= self._due_mono_ns):
            # An entry that comes earlier looks again when it comes: most deadlines move later.
            return
        if not self._clock.suspended:
            due = self._clock.true_at_mono(mono_ns)
            if not self._scheduled or due < self._due_ns:
                self._schedule(due, mono_ns)

    def rearm(self) -> None:
        """The clock changed its pace: forget what was computed with the old one."""
        self._scheduled = False
        self._generation += 1
        self.set(self._mono_ns)

    def _schedule(self, due_ns: int, mono_ns: int) -> None:
        self._generation += 1
        self._due_ns = due_ns
        self._due_mono_ns = mono_ns
        self._scheduled = True
        self._env.call_at(due_ns, self._look, self._generation)

    def _look(self, generation: int) -> None:
        if generation != self._generation:
            return
        self._scheduled = False
        mono_ns = self._mono_ns
        if mono_ns is None or self._clock.suspended:
            return
        due = self._clock.true_at_mono(mono_ns)
        if due > self._env.now_ns:
            self._schedule(due, mono_ns)
            return
        self._mono_ns = None
        self._gate.enter(self._on_ring)


class SimTransport:
    """The driver's transport over the simulated network."""

    def __init__(self, name: str, network: Network, gate: Gate) -> None:
        self._name = name
        self._network = network
        self._others = [each for each in network.names if each != name]
        self._gate = gate

    def send(self, to: str, message: Message) -> None:
        gate = self._gate
        if gate.open and gate.countdown < 0:
            self._network.send(self._name, to, message)
        else:
            gate.leave(lambda: self._network.send(self._name, to, message))

    def broadcast(self, message: Message) -> None:
        gate = self._gate
        if gate.open and gate.countdown < 0:
            self._network.send_all(self._name, self._others, message)
        else:
            for name in self._others:
                self.send(name, message)


class DiskPace:
    """How long commits take on one machine's disk, and whether it hangs."""

    def __init__(self, env: FastEnvironment, rng: Random, commit_us: tuple[int, int]) -> None:
        self._env = env
        self._rng = rng
        self._low = commit_us[0] * 1_000
        self._spread = max(1, (commit_us[1] - commit_us[0]) * 1_000)
        self.slower_ns = 0
        """Added to every commit by a fault."""

    def post(self, step: Callable[[], None]) -> None:
        """Carry out a disk's step when the disk gets to it."""
        delay = self._low + int(self._rng.random() * self._spread) + self.slower_ns
        self._env.call_later(delay, _call, step)


def _call(step: Step) -> None:
    step()


class SimStore:
    """A `MemoryStore` whose word of a commit has to pass the gate."""

    def __init__(self, store: MemoryStore, gate: Gate) -> None:
        self.store = store
        self._gate = gate

    def bind(self, on_durable: Callable[[int], None], on_failed: Callable[[str], None]) -> None:
        gate = self._gate

        def durable(token: int) -> None:
            gate.enter(lambda: on_durable(token))

        def failed(reason: str) -> None:
            gate.enter(lambda: on_failed(reason))

        self.store.bind(durable, failed)

    def append(self, token: int, entries: Sequence[bytes]) -> None:
        gate = self._gate
        if gate.open and gate.countdown < 0:
            self.store.append(token, entries)
        else:
            gate.leave(lambda: self.store.append(token, entries))


OnReply = Callable[[int, Any, Instant], None]
OnAudit = Callable[[Audit], None]
OnWatch = Callable[[Watch], None]


class SimOutbox:
    """Answers, audit lines and watch events on their way to the world."""

    def __init__(
        self,
        gate: Gate,
        clock: MachineClock,
        on_reply: OnReply,
        on_audit: OnAudit,
        on_watch: OnWatch,
    ) -> None:
        self._gate = gate
        self._clock = clock
        self._on_reply = on_reply
        self._on_audit = on_audit
        self._on_watch = on_watch

    def reply(self, reply_to: int, result: Any, /) -> None:
        # The reading that the answer was made with belongs to it, however late it leaves.
        reading = self._clock.last
        self._gate.leave(lambda: self._on_reply(reply_to, result, reading))

    def audit(self, line: Audit, /) -> None:
        self._gate.leave(lambda: self._on_audit(line))

    def watch(self, change: Watch, /) -> None:
        self._gate.leave(lambda: self._on_watch(change))
