"""Takes a node's snapshots while it serves, a few chunks at a time, as the daemon's keeper does."""

from __future__ import annotations

from collections.abc import Iterator

from nexus.driver.ports import SnapshotWriter
from nexus.model.time import NS_PER_MS
from simulator.machine import Machine, Process

CHUNKS_PER_STEP = 4
PAUSE_NS = 4 * NS_PER_MS


class SnapshotKeeper:
    """Snapshots of one machine."""

    def __init__(self, machine: Machine, log_bytes_max: int) -> None:
        self._machine = machine
        self._log_bytes_max = log_bytes_max
        self._last_bytes = 0
        self._taking: Process | None = None
        self.taken_count = 0

    def look(self) -> None:
        """Begin one if it is due and none is under way."""
        process = self._machine.process
        if process is None or process is self._taking or not process.gate.open:
            return
        due = max(self._log_bytes_max, self._last_bytes // 2)
        if process.store.failed is None and process.store.log_bytes >= due:
            self._taking = process
            writer = process.store.begin_snapshot()
            self._machine.env.call_later(
                1, self._step, (process, writer, self._machine.chunks(), 0)
            )

    def _step(self, state: tuple[Process, SnapshotWriter, Iterator[bytes], int]) -> None:
        process, writer, chunks, size = state
        if process is not self._machine.process:
            return
        if process.gate.open:
            for _ in range(CHUNKS_PER_STEP):
                chunk = next(chunks, None)
                if chunk is None:
                    self._last_bytes = size
                    writer.commit(self._done)
                    return
                size += len(chunk)
                writer.write(chunk)
        self._machine.env.call_later(PAUSE_NS, self._step, (process, writer, chunks, size))

    def _done(self, problem: str | None) -> None:
        self._taking = None
        self.taken_count += problem is None
