"""Takes snapshots by log size while the node serves, a little in each turn of the loop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator

from nexus.driver.ports import SnapshotWriter, Store
from nexus.model.time import NS_PER_MS

STEP_NS = 2 * NS_PER_MS
"""Work of one turn; a chunk that takes longer is the node's to make smaller."""
PAUSE_S = 0.004
"""Between two steps while serving: a snapshot takes a third of the loop's time at most."""
BACKLOG_BYTES_MAX = 16 << 20
BACKLOG_PAUSE_S = 0.01
CHECK_INTERVAL_S = 0.5
RETRY_S = 60.0
LOG_SHARE = 4
"""The log may grow to one part in so many of the last snapshot's size."""

_log = logging.getLogger(__name__)


class SnapshotKeeper:
    """Owns the snapshots of one store.

    Parameters
    ----------
    chunks : starts one pass over the node's state, as bytes; each chunk is made when asked for.
    log_bytes_max : log size at which a snapshot is due, or one part in `LOG_SHARE` of the last
        snapshot's size where that is more: a restart then reads little beyond the snapshot, and
        what is written for snapshots stays in proportion to what is written for the log.
    """

    def __init__(
        self, store: Store, chunks: Callable[[], Iterator[bytes]], log_bytes_max: int
    ) -> None:
        self.taken_count = 0
        self.failed_count = 0
        self._store = store
        self._chunks = chunks
        self._log_bytes_max = log_bytes_max
        self._last_bytes = 0

    async def run(self) -> None:
        """Until cancelled: take a snapshot whenever one is due."""
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            due_bytes = max(self._log_bytes_max, self._last_bytes // LOG_SHARE)
            if self._store.failed is None and self._store.log_bytes >= due_bytes:
                problem = await self.take()
                if problem is not None:
                    await asyncio.sleep(RETRY_S)

    async def take(self, pause_s: float = PAUSE_S) -> str | None:
        """Take one now; None, or why it failed (nothing is lost then)."""
        began = time.monotonic()
        writer = self._store.begin_snapshot()
        try:
            size = await self._write(writer, pause_s)
        except BaseException:
            writer.abort()
            raise
        done: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        writer.commit(lambda problem: None if done.done() else done.set_result(problem))
        try:
            problem = await asyncio.shield(done)
        except asyncio.CancelledError:
            # Past the point of no return; whoever cancels may want to take the next one at once.
            await done
            raise
        if problem is None:
            self.taken_count += 1
            self._last_bytes = size
            fields = {"bytes": size, "seconds": round(time.monotonic() - began, 3)}
            _log.info("snapshot taken", extra={"fields": fields})
        else:
            self.failed_count += 1
            _log.error("snapshot failed, the log stays as it is: %s", problem)
        return problem

    async def _write(self, writer: SnapshotWriter, pause_s: float) -> int:
        size = 0
        step_ends_ns = time.monotonic_ns() + STEP_NS
        for chunk in self._chunks():
            writer.write(chunk)
            size += len(chunk)
            if time.monotonic_ns() >= step_ends_ns:
                await asyncio.sleep(pause_s)
                while writer.backlog_bytes > BACKLOG_BYTES_MAX:  # noqa: ASYNC110 (a thread's)
                    await asyncio.sleep(BACKLOG_PAUSE_S)
                step_ends_ns = time.monotonic_ns() + STEP_NS
        return size
