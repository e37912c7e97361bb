"""The watch buffer: the last changes, with ids that rise over restarts.

Watchers hold no queue: each has a position in the one bounded buffer and reads on from there.  One
that falls behind further than the buffer reaches is told so with a gap, never silently.  A change
is turned into text when the first watcher wants it, so without watchers publishing costs a slot.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from nexus.core.effects import Watch
from nexus.rest.http import present
from nexus.rest.times import rfc3339_ms

IDS_PER_SESSION = 2**32
BUFFER_CHANGES_MAX = 8_192

_encode = msgspec.json.encode


class _Change:
    """One change and, once somebody asked, its frame."""

    __slots__ = ("_frame", "effect", "id")

    def __init__(self, number: int, effect: Watch) -> None:
        self.id = number
        self.effect = effect
        self._frame: bytes | None = None

    def frame(self) -> bytes:
        """The server-sent event of this change."""
        if self._frame is None:
            effect = self.effect
            data: dict[str, Any] = {
                "type": effect.kind,
                "key": effect.key,
                "prefix": effect.prefix,
                "timestamp": rfc3339_ms(effect.wall_us),
            }
            if effect.value is not None:
                data["value"] = present(effect.value)
            self._frame = b"id: %d\nevent: change\ndata: %b\n\n" % (self.id, _encode(data))
        return self._frame


class WatchHub:
    """Publishes watch effects to any number of readers.

    Parameters
    ----------
    session : counts the starts of this node; ids are ``session * 2**32 + n``, n from 1.
    capacity : changes kept for watchers that come back.
    """

    def __init__(self, session: int, capacity: int = BUFFER_CHANGES_MAX) -> None:
        self._base = session * IDS_PER_SESSION
        self._capacity = capacity
        self._slots: list[_Change | None] = [None] * capacity
        self._waiters: list[asyncio.Future[None]] = []
        self.last_id = self._base
        self.closed = False

    @property
    def first_id(self) -> int:
        """The oldest id that can still be had (the next one, if there is none yet)."""
        return max(self._base + 1, self.last_id - self._capacity + 1)

    def publish(self, effect: Watch) -> None:
        """Add one change and wake who waits."""
        number = self.last_id + 1
        self.last_id = number
        self._slots[number % self._capacity] = _Change(number, effect)
        if self._waiters:
            self._wake()

    def close(self) -> None:
        """End all streams."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, timeout_s: float) -> bool:
        """Until the next change or the end; False when the time is over before."""
        if self.closed:
            return True
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await asyncio.wait_for(waiter, timeout_s)
        except TimeoutError:
            return False
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
        return True

    def is_gap(self, position: int) -> bool:
        """Whether a reader that has seen ``position`` missed changes, or has it from elsewhere."""
        return not self.first_id - 1 <= position <= self.last_id

    def gap_frame(self) -> bytes:
        """What a reader with a gap is told; its id is the last one before what can be had."""
        first_id = self.first_id
        return b'id: %d\nevent: gap\ndata: {"first_id":%d}\n\n' % (first_id - 1, first_id)

    def frames(self, position: int, prefixes: frozenset[str], count_max: int) -> tuple[int, bytes]:
        """Frames after ``position`` for these prefixes (all if empty), and the new position."""
        stop = min(self.last_id, position + count_max)
        frames = []
        for number in range(position + 1, stop + 1):
            change = self._slots[number % self._capacity]
            assert change is not None
            if not prefixes or change.effect.prefix in prefixes:
                frames.append(change.frame())
        return stop, b"".join(frames)
