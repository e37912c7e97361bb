"""Writes a snapshot file beside the node: chunks are handed over, a thread waits for the disk."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue

from nexus.store.snapshot_file import SnapshotFile

Done = Callable[[str | None], None]

_ABORT = b""
"""Chunks are never empty, so the empty one can say that no more come."""


class SnapshotThread:
    """A `nexus.driver.ports.SnapshotWriter` over one `SnapshotFile`.

    Parameters
    ----------
    make : creates the file; runs on the thread.
    publish : takes over a finished file; calls back with None or why it failed.
    post : runs a callback on the node's thread.
    """

    def __init__(
        self,
        make: Callable[[], SnapshotFile],
        publish: Callable[[SnapshotFile, Done], None],
        post: Callable[[Callable[[], None]], object],
    ) -> None:
        self.ended = False
        self._make = make
        self._publish = publish
        self._post = post
        self._chunks: SimpleQueue[bytes | Done] = SimpleQueue()
        self._given_bytes = 0
        self._written_bytes = 0
        self._thread = threading.Thread(target=self._work, name="nexus-snapshot", daemon=True)
        self._thread.start()

    @property
    def backlog_bytes(self) -> int:
        return self._given_bytes - self._written_bytes

    def write(self, chunk: bytes) -> None:
        if chunk:
            self._given_bytes += len(chunk)
            self._chunks.put(chunk)

    def commit(self, on_done: Done) -> None:
        self._chunks.put(on_done)

    def abort(self) -> None:
        """Throw it away and wait for the thread; no effect once it is finished."""
        if not self.ended:
            self._chunks.put(_ABORT)
            self._thread.join()

    def _work(self) -> None:
        file: SnapshotFile | None = None
        problem: str | None = None
        while True:
            item = self._chunks.get()
            if isinstance(item, bytes) and not item:
                break
            try:
                if problem is None:
                    file = file or self._make()
                    if callable(item):
                        file.finish()
                    else:
                        file.write(item)
            except Exception as error:  # a full disk, most likely; reported at the end
                problem = f"{type(error).__name__}: {error}"
            if callable(item):
                self._finish(file, problem, item)
                return
            self._written_bytes += len(item)
        if file is not None:
            file.discard()
        self.ended = True

    def _finish(self, file: SnapshotFile | None, problem: str | None, on_done: Done) -> None:
        def done(result: str | None) -> None:
            self.ended = True
            self._post(partial(on_done, result))

        if file is not None and problem is None:
            self._publish(file, done)
            return
        if file is not None:
            file.discard()
        done(problem)
