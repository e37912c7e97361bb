"""Ports: what a node needs from the world, as protocols.

The daemon and the simulator fill them.  Nothing here waits and nothing here knows a loop: every
call returns at once, and what the world has to say later arrives as an event (`Driver.deliver`) or
through a callback that was bound at the start.  All callbacks run on the one thread that runs the
node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import msgspec

from nexus.core.effects import Audit, Effect, Watch
from nexus.core.events import Event
from nexus.core.messages import Message
from nexus.model.time import Instant


class Node(Protocol):
    """The part of `nexus.core.node.NexusNode` that a driver uses."""

    def handle(self, event: Event, now: Instant) -> tuple[Effect, ...]: ...

    def next_deadline_ns(self) -> int | None:
        """When the node wants `DeadlineReached`, on the monotonic clock."""
        ...


class Clock(Protocol):
    """All clocks of the machine in one reading."""

    def read(self) -> Instant: ...


class Alarm(Protocol):
    """One alarm: setting it again replaces what was set, None switches it off."""

    def bind(self, on_ring: Callable[[], None]) -> None: ...

    def set(self, mono_ns: int | None) -> None:
        """Ring at this instant of the monotonic clock; at once (not inside this call) if past."""
        ...


class Transport(Protocol):
    """Messages to other members: may lose, double, delay and reorder them."""

    def send(self, to: str, message: Message) -> None: ...

    def broadcast(self, message: Message) -> None: ...


class Outbox(Protocol):
    """Where answers, audit lines and watch events go."""

    def reply(self, reply_to: int, result: Any, /) -> object: ...

    def audit(self, line: Audit, /) -> object: ...

    def watch(self, change: Watch, /) -> object: ...


class Log(Protocol):
    """The part of a store that the driver uses.

    ``append`` never waits.  Everything that waits goes into one durable commit, after which
    ``on_durable`` is called once with the highest token in it.  After the first failed commit
    ``on_failed`` is called once, and nothing becomes durable any more.
    """

    def bind(self, on_durable: Callable[[int], None], on_failed: Callable[[str], None]) -> None: ...

    def append(self, token: int, entries: Sequence[bytes]) -> None: ...


class SnapshotWriter(Protocol):
    """A snapshot in the making: chunks come while the node serves.  End it exactly once."""

    @property
    def backlog_bytes(self) -> int:
        """Given to ``write`` and not yet in the file: the producer should wait when it is large."""
        ...

    def write(self, chunk: bytes) -> None: ...

    def commit(self, on_done: Callable[[str | None], None]) -> None:
        """Make it the snapshot to restore from; ``on_done`` gets None, or why it failed.

        Everything appended before this call is durable before the snapshot counts, so a snapshot
        never knows more than the log does.  A failed snapshot loses nothing: the previous one and
        the log stay.
        """
        ...

    def abort(self) -> None: ...


class Restored(msgspec.Struct, frozen=True):
    """What a store holds: chunks of the snapshot, then entries appended since it was begun.

    Iterate ``snapshot`` to its end first, then ``entries``; both read as they go.  Entries may
    repeat what the snapshot already has.  Damage found on the way raises `StoreDamagedError`.
    """

    snapshot: Iterator[bytes]
    entries: Iterator[bytes]
    empty: bool
    """Nothing was ever committed here, or all of it is lost."""


Progress = Callable[[int, int], None]
"""Called now and then while loading, with the bytes read and the bytes there are."""


class Store(Log, Protocol):
    """The whole of a store, as `nexus.runtime` and the simulator see it.

    Load once, before the first append.  ``log_bytes`` is what would be replayed on top of the
    snapshot now; it tells when the next snapshot is due.
    """

    @property
    def log_bytes(self) -> int: ...

    @property
    def failed(self) -> str | None:
        """Why nothing becomes durable any more; None while all is well."""
        ...

    def load(self, progress: Progress | None = None) -> Restored: ...

    def begin_snapshot(self) -> SnapshotWriter: ...

    def close(self) -> None:
        """Commit what waits, then let go of the data path."""
        ...


class StoreError(Exception):
    """The data path cannot be used; the text says which file, and what an operator can do."""


class StoreLockedError(StoreError):
    """Another process uses the data path."""


class StoreDamagedError(StoreError):
    """What was acknowledged is not there any more, or not as it was written.

    Never repaired by leaving something out: an acknowledged record that is missing could let an
    address be given twice.
    """
