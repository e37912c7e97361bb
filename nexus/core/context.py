"""What the parts of a node share: identity, time, randomness, and the way effects leave.

The one rule that every part obeys by using this: nothing that depends on an entry leaves before
the entry is on disk.  `persist` opens the event's one `Persist`; `when_durable` keeps a step back
until its token is reported; `send` does so for messages.  Messages to ourselves take the same
way, so a lone node runs the code of a cluster.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

from nexus.core import parts
from nexus.core.config import NodeConfig
from nexus.core.effects import Audit, Broadcast, Effect, Persist, Reply, Send, Watch
from nexus.core.entries import ClockRead, RowsWritten
from nexus.core.messages import Message
from nexus.core.timers import Timers
from nexus.crdt.hlc import HybridClock
from nexus.model.time import NS_PER_S, Instant
from nexus.ownership import configuration
from nexus.ownership.clocks import NodeClocks
from nexus.ownership.configuration import Configuration
from nexus.ownership.shard import FLAG_GONE, Row, Shard

CLOCK_ENTRY_NS = NS_PER_S
"""The log gets a `ClockRead` with the first entries after this time."""
LATER_MAX = 1_024
"""Rows and entries that wait for others to be written with; more are written at once."""
PARKED_MAX = 1 << 20
"""Steps that wait for the disk; above it the node answers nothing new: so slow a disk is dead."""

Step = Callable[[Any], None]


class Context:
    """Owned by one `NexusNode`; parts hold a reference and change it only through its methods."""

    def __init__(self, config: NodeConfig, node_clocks: NodeClocks, rng: Random) -> None:
        self.config = config
        self.me = config.node_id
        self.clocks = node_clocks
        self.rng = rng
        self.hybrid = HybridClock()
        """Dates allocations, so that all members agree which of two is younger (R20)."""
        self.timers = Timers()
        self.lone = True
        """This node is its own majority; follows from the configuration."""
        self.configuration = configuration.stable(1, (config.node_id,))
        self.alone = True
        """There is no other member: nobody to spread anything to; set by the node."""
        self.complete = True
        """This voter has copied what it must know (R21 c); an incomplete one answers nothing."""
        self.replaying = False
        """The log is being replayed: nothing is written, said or done to others."""
        self.storage_failed: str | None = None
        self.effects: list[Effect] = []
        self.inbox: deque[Message] = deque()
        self.token = 0
        self.durable = 0
        self._entries: list[Any] = []
        self._rows: dict[int, list[Row]] = {}
        self.touched: dict[tuple[int, int], Shard] = {}
        """Shards whose line in the digests may be another than when it was last looked at."""
        self._later: dict[Any, Any] = {}
        """Entries that nothing waits for, by what they are about: a newer one replaces an older."""
        self._later_rows: dict[int, dict[int, Row]] = {}
        """pool_no -> unit -> row; the same of rows."""
        self._later_count = 0
        self.parked: deque[tuple[int, Step, Any]] = deque()
        """Steps that wait for the disk: (token, step, argument)."""
        self._clock_entry_at = 0
        self._long_no = 0

    # --- time --------------------------------------------------------------------------------

    @property
    def now(self) -> Instant:
        """The reading that came with the event being handled."""
        return self.clocks.now

    # --- anti-entropy ------------------------------------------------------------------------

    def touch(self, shard: Shard) -> None:
        """Rows, position, floor or owner of a shard have changed, as far as known here (R19)."""
        self.touched[shard.key] = shard

    # --- the disk ----------------------------------------------------------------------------

    def persist(self, entry: Any) -> int:
        """Append an entry to this event's `Persist`; returns its token.

        Rows inside are encoded by the driver when the event ends, not now.
        """
        if self.replaying:
            return self.token
        if not self._entries and not self._rows:
            self._open_persist()
        self._entries.append(entry)
        return self.token

    def persist_row(self, pool_no: int, row: Row) -> None:
        """Append one row; rows of one event and pool become one entry, after all others."""
        if self.replaying:
            return
        rows = self._rows.get(pool_no)
        if rows is None:
            if not self._entries and not self._rows:
                self._open_persist()
            rows = self._rows[pool_no] = []
        rows.append(row)

    def persist_later(self, pool_no: int, rows: list[Row], about: Any, entry: Any) -> None:
        """Append rows, and an entry about something, that nothing waits for.

        They leave with, and before, the next entries that something does wait for, so whatever is
        on disk stands on all that was learned before it.  Until then a crash forgets them: only
        for what another member would tell again.  `flush_later` writes what finds no company.
        """
        if self.replaying:
            return
        if self._entries or self._rows:
            # A commit of this event may stand on these already (an epoch's floor): in it, or lost.
            if rows:
                self._entries.append(RowsWritten(pool_no, tuple(rows)))
            if entry is not None:
                self._entries.append(entry)
            return
        if rows:
            later = self._later_rows.setdefault(pool_no, {})
            for row in rows:
                later[row.index] = row
        if entry is not None:
            self._later[about] = entry
        self._later_count += len(rows) + 1
        if self._later_count > LATER_MAX:
            self.flush_later()

    def flush_later(self) -> None:
        """Write what waits for company, if anything does."""
        if self._later_count and not self._entries and not self._rows:
            self._open_persist()

    def _open_persist(self) -> None:
        self.token += 1
        if self._later_count:
            for pool_no, rows in self._later_rows.items():
                there = tuple(row for row in rows.values() if not row.flags & FLAG_GONE)
                self._entries.append(RowsWritten(pool_no, there))
            self._entries.extend(self._later.values())
            self._later_rows = {}
            self._later = {}
            self._later_count = 0
        if self.clocks.slow >= self._clock_entry_at:
            self._clock_entry_at = self.clocks.slow + CLOCK_ENTRY_NS
            self._entries.append(ClockRead(self.clocks.mark(self.config.boot_id)))

    def when_durable(self, step: Step, argument: Any) -> None:
        """Take a step once everything persisted so far is on disk."""
        if self.replaying:
            return
        token = self.token
        if token == self.durable:
            step(argument)
        else:
            self.parked.append((token, step, argument))

    def durable_upto(self, token: int) -> None:
        """The disk reports; take the steps that waited for it, in order."""
        self.durable = max(self.durable, token)
        parked = self.parked
        while parked and parked[0][0] <= self.durable:
            _, step, argument = parked.popleft()
            step(argument)

    def fail_storage(self, reason: str) -> list[Any]:
        """No entry will become durable any more; returns the arguments of steps given up."""
        self.storage_failed = reason
        given_up = [argument for _, _, argument in self.parked]
        self.parked.clear()
        return given_up

    # --- the world ---------------------------------------------------------------------------

    def send(self, to: str, message: Message) -> None:
        """Send once everything persisted so far is on disk."""
        if to == self.me:
            self.when_durable(self.inbox.append, message)
        else:
            self.when_durable(self._emit, Send(to, message))

    def send_long(self, to: str, message: Message, items: int) -> None:
        """`send` for a message with so many rows or records, in parts if it is long."""
        if to == self.me or items <= parts.ROWS_SMALL:
            self.send(to, message)
            return
        self._long_no += 1
        for part in parts.split(message, self.config.session, self._long_no):
            self.send(to, part)

    def send_now(self, to: str, message: Message) -> None:
        """Send something that depends on no entry (a renewal must not wait for a slow disk)."""
        if to == self.me:
            self.inbox.append(message)
        else:
            self.effects.append(Send(to, message))

    def broadcast(self, message: Message) -> None:
        """Send to every known member but ourselves, once everything so far is on disk."""
        self.when_durable(self._emit, Broadcast(message))

    def effects_now(self, message: Message) -> None:
        """Broadcast something that depends on no entry."""
        self.effects.append(Broadcast(message))

    def reply(self, reply_to: int, result: Any) -> None:
        """Answer a caller now; steps that need the disk are parked by their callers."""
        self.effects.append(Reply(reply_to, result))

    def audit(self, action: str, actor: str, cause_id: str, target: str, **detail: Any) -> None:
        """One audit line about something that is on disk."""
        wall_us = self.clocks.now.wall_us
        self.effects.append(Audit(wall_us, action, actor, cause_id, target, detail))

    def watch(self, kind: str, key: str, value: Any = None) -> None:
        """One change that watchers see; the key's first segment is what they filter by."""
        prefix = key.partition("/")[0]
        self.effects.append(Watch(kind, prefix, key, self.clocks.now.wall_us, value))

    def _emit(self, effect: Effect) -> None:
        self.effects.append(effect)

    def take_effects(self) -> tuple[Effect, ...]:
        """End of an event: its `Persist` first, then everything else in order."""
        effects = self.effects
        if not self._rows and not self._entries:
            if not effects:
                return ()
            self.effects = []
            return tuple(effects)
        self.effects = []
        if self._rows:
            for pool_no, rows in self._rows.items():
                self._entries.append(RowsWritten(pool_no, tuple(rows)))
            self._rows = {}
        persist = Persist(self.token, tuple(self._entries))
        self._entries = []
        return (persist, *effects)

    # --- votes -------------------------------------------------------------------------------

    @property
    def configuration(self) -> Configuration:
        """The voter configuration that this node is in (R21)."""
        return self._configuration

    @configuration.setter
    def configuration(self, new: Configuration) -> None:
        self._configuration = new
        self.lone = new.lone and new.old[0] == self.me

    @property
    def votes(self) -> bool:
        """This node is a voter of the configuration that it is in, and complete."""
        return self.complete and self.me in self.configuration.voters
