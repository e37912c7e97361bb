"""The alarm of the real world: one timer of the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from nexus.model.time import NS_PER_MS

MS_PER_S = 1000


class LoopAlarm:
    """A `nexus.driver.ports.Alarm`; rings up to a millisecond late, since loops count in those.

    Rounded up, because an alarm that rings early is set again at once and again, until it is due.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handle: asyncio.Handle | None = None
        self._on_ring: Callable[[], None] | None = None

    def bind(self, on_ring: Callable[[], None]) -> None:
        self._on_ring = on_ring

    def set(self, mono_ns: int | None) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if mono_ns is None:
            return
        wait_ns = mono_ns - time.monotonic_ns()
        if wait_ns <= 0:
            self._handle = self._loop.call_soon(self._ring)
        else:
            wait_ms = -(-wait_ns // NS_PER_MS)
            self._handle = self._loop.call_later(wait_ms / MS_PER_S, self._ring)

    def _ring(self) -> None:
        self._handle = None
        if self._on_ring is not None:
            self._on_ring()
