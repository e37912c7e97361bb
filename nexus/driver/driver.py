"""The driver: the only interpreter of effects, shared by the daemon and the simulator.

It reads the clocks, hands events to the node, carries out the effects one after the other, and
keeps one alarm at the node's next deadline.  Synchronous and without a loop: whoever has an event
(a loop, a simulated world, a test) calls `deliver`.  Events that arise while effects are carried
out wait until the present ones are done, so a node never sees an event inside another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, assert_never

from nexus.core.effects import Audit, Broadcast, Effect, Persist, Reply, Send, Watch
from nexus.core.events import DeadlineReached, Event, Persisted, Started, StorageFailed
from nexus.driver.ports import Alarm, Clock, Log, Node, Outbox, Transport

WAITING_EVENTS_MAX = 1_000_000
"""More events than this waiting inside one another means a loop between node and world."""


class DriverStoppedError(Exception):
    """The node broke down earlier; it must not see another event."""


class Driver:
    """Joins one node to one world.

    Parameters
    ----------
    encode : makes the bytes of one log entry (`nexus.codec.encode_entry`).
    on_crash : told once about the exception that broke the node (an `InvariantError` carries its
        story).  The exception is raised to the caller of `deliver` as well, but callers may be
        callbacks whose errors nobody reads.

    After an exception out of the node or of an effect the driver is stopped: effects that were not
    carried out are dropped with whatever depended on them, which is what a crash does, too.
    """

    def __init__(
        self,
        node: Node,
        *,
        clock: Clock,
        alarm: Alarm,
        transport: Transport,
        store: Log,
        outbox: Outbox,
        encode: Callable[[Any], bytes],
        on_crash: Callable[[BaseException], None] | None = None,
    ) -> None:
        self.node = node
        self.stopped = False
        self._clock = clock
        self._alarm = alarm
        self._transport = transport
        self._store = store
        self._outbox = outbox
        self._encode = encode
        self._on_crash = on_crash
        self._waiting: deque[Event] = deque()
        self._busy = False
        self._armed_ns: int | None = None
        alarm.bind(self._ring)
        store.bind(self._durable, self._failed)

    def deliver(self, event: Event) -> None:
        """Let the node handle an event now, or right after the one it is handling."""
        if self.stopped:
            raise DriverStoppedError
        if self._busy:
            if len(self._waiting) >= WAITING_EVENTS_MAX:
                raise RuntimeError(f"more than {WAITING_EVENTS_MAX} events wait inside one another")
            self._waiting.append(event)
            return
        self._busy = True
        try:
            self._handle(event)
            while self._waiting:
                self._handle(self._waiting.popleft())
            deadline_ns = self.node.next_deadline_ns()
            if deadline_ns != self._armed_ns:
                self._armed_ns = deadline_ns
                self._alarm.set(deadline_ns)
        except BaseException as error:
            self._crash(error)
            raise
        finally:
            self._busy = False

    def start(self) -> None:
        """Begin the node's session, and set the first alarm."""
        self.deliver(Started())

    def stop(self) -> None:
        """No event reaches the node any more; callbacks that are still under way are ignored."""
        self.stopped = True
        self._waiting.clear()
        self._alarm.set(None)

    def _handle(self, event: Event) -> None:
        outbox = self._outbox
        for effect in self.node.handle(event, self._clock.read()):
            # The frequent ones by their type: a chain of patterns takes longer than they do.
            if type(effect) is Send:
                self._transport.send(effect.to, effect.message)
            elif type(effect) is Reply:
                outbox.reply(effect.reply_to, effect.result)
            elif type(effect) is Watch:
                outbox.watch(effect)
            elif type(effect) is Audit:
                outbox.audit(effect)
            else:
                self._carry_out(effect)

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Persist(token, entries):
                self._store.append(token, [self._encode(entry) for entry in entries])
            case Reply(reply_to, result):
                self._outbox.reply(reply_to, result)
            case Watch():
                self._outbox.watch(effect)
            case Audit():
                self._outbox.audit(effect)
            case Send(to, message):
                self._transport.send(to, message)
            case Broadcast(message):
                self._transport.broadcast(message)
            case _:
                assert_never(effect)

    def _crash(self, error: BaseException) -> None:
        self.stop()
        if self._on_crash is not None:
            self._on_crash(error)

    # Callbacks of ports may come after a stop (a commit that was under way); a stopped node is
    # past caring.
    def _ring(self) -> None:
        self._armed_ns = None
        if not self.stopped:
            self.deliver(DeadlineReached())

    def _durable(self, token: int) -> None:
        if not self.stopped:
            self.deliver(Persisted(token))

    def _failed(self, reason: str) -> None:
        if not self.stopped:
            self.deliver(StorageFailed(reason))
