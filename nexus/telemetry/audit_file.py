"""The audit log: JSON lines, numbered, in files of bounded size.

Lines get their number where they arise, on the node's thread, so that their order is the order of
what happened; a thread of its own turns them into text and writes them in batches.  A line is
handed to the operating system within `GATHER_S`, synced once a second and at the end.  When more
than `WAITING_LINES_MAX` lines wait, the caller waits with them: losing an audit line is worse than
a pause.  Only a disk that refuses writes makes lines go, and then a line of action AUDIT_GAP with
their count follows as soon as it takes writes again.

How lines are sealed (a chain of hashes, say) is a `Sealer`; the plain one adds nothing.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec

from nexus.core.effects import Audit
from nexus.model.time import US_PER_S

FILE_NAME = "audit.jsonl"
FILE_BYTES_MAX = 64 << 20
FILES_KEPT = 16
WAITING_LINES_MAX = 100_000
BATCH_LINES_MAX = 5_000
GATHER_S = 0.02
SYNC_INTERVAL_S = 1.0
RETRY_S = 1.0
TAIL_BYTES = 1 << 20
"""A line is never longer, so the last one can be found from the end of a file."""

_log = logging.getLogger(__name__)
_encoder = msgspec.json.Encoder(enc_hook=str)


class AuditLine(msgspec.Struct, frozen=True, gc=False):
    """One line, its fields in this order; ``seq`` rises by one over restarts and files."""

    seq: int
    time: str
    node: str
    action: str
    actor: str
    cause_id: str
    target: str
    detail: dict[str, Any]


class Sealer(Protocol):
    """Turns encoded lines into what is written, and takes up where a file ended."""

    def resume(self, last_line: bytes | None) -> None:
        """The last whole line there is, without its newline; None at the very beginning."""
        ...

    def seal(self, line: bytes) -> bytes:
        """A line as it is written, still one JSON object."""
        ...


class PlainSealer:
    """Lines as they are."""

    def resume(self, last_line: bytes | None) -> None:
        """Plain lines do not depend on one another."""

    def seal(self, line: bytes) -> bytes:
        return line


class AuditFile:
    """Writes the audit log of one node into a folder.

    Parameters
    ----------
    folder : made if need be; ``audit.jsonl`` is the newest file; an older one is named by the
        number that follows its last line.
    node_id : told in each line.
    file_bytes_max, files_kept : bound on one file, and on how many older ones stay.

    Raises
    ------
    OSError : the folder cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        node_id: str,
        *,
        sealer: Sealer | None = None,
        file_bytes_max: int = FILE_BYTES_MAX,
        files_kept: int = FILES_KEPT,
    ) -> None:
        self.lost_count = 0
        self.failure: str | None = None
        """Why the last write failed; None while writing works."""
        self._folder = folder
        self._node_id = node_id
        self._sealer: Sealer = PlainSealer() if sealer is None else sealer
        self._file_bytes_max = file_bytes_max
        self._files_kept = files_kept
        self._waiting: deque[tuple[int, Audit]] = deque()
        self._room = threading.Condition()
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._times = Stamps()
        self._gap_count = 0
        self._synced_at = time.monotonic()
        self._dirty = False
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / FILE_NAME
        self._first_seq = 0
        self._open()
        last = _last_line(self._path) or _last_line(self._newest_older())
        self._sealer.resume(last)
        self._seq = 0 if last is None else _seq_of(last)
        self._thread = threading.Thread(target=self._work, name="nexus-audit", daemon=True)
        self._thread.start()

    def write(self, line: Audit) -> None:
        """Queue one line; waits only while `WAITING_LINES_MAX` lines are queued already."""
        if len(self._waiting) >= WAITING_LINES_MAX:
            with self._room:
                self._room.wait_for(lambda: len(self._waiting) < WAITING_LINES_MAX)
        self._seq += 1
        self._waiting.append((self._seq, line))
        if not self._wake.is_set():
            self._wake.set()

    def close(self) -> None:
        """Write and sync what waits."""
        self._closed.set()
        self._wake.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            os.close(self._descriptor)

    # ---- the thread

    def _work(self) -> None:
        while not self._closed.is_set():
            # Woken by the first line; the others of its moment come along.
            self._wake.wait(SYNC_INTERVAL_S if self._dirty else None)
            if self._wake.is_set():
                self._closed.wait(GATHER_S)
            self._wake.clear()
            self._drain()
            self._sync_if_due()
        self._drain()
        self._sync()

    def _drain(self) -> None:
        while self._waiting:
            batch = [
                self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_LINES_MAX))
            ]
            with self._room:
                self._room.notify_all()
            self._write_batch(batch)

    def _write_batch(self, batch: Sequence[tuple[int, Audit]]) -> None:
        try:
            if self._size >= self._file_bytes_max:
                self._rotate(batch[0][0])
            text = self._encode(batch)
            self._write_all(text)
        except Exception as problem:
            self._failed(problem, len(batch))
            if len(self._waiting) < WAITING_LINES_MAX // 2:
                self._closed.wait(RETRY_S)
            return
        self.failure = None
        self._gap_count = 0

    def _encode(self, batch: Sequence[tuple[int, Audit]]) -> bytes:
        text_of = self._times.text
        node_id = self._node_id
        lines = [
            AuditLine(
                seq,
                text_of(audit.wall_us),
                node_id,
                audit.action,
                audit.actor,
                audit.cause_id,
                audit.target,
                audit.detail,
            )
            for seq, audit in batch
        ]
        if self._gap_count:
            first, audit = batch[0]
            gap = {"lost": self._gap_count}
            at = text_of(audit.wall_us)
            lines.insert(0, AuditLine(first - 1, at, node_id, "AUDIT_GAP", "system", "", "", gap))
        if type(self._sealer) is PlainSealer:
            return _encoder.encode_lines(lines)
        seal, encode = self._sealer.seal, _encoder.encode
        return b"".join(seal(encode(line)) + b"\n" for line in lines)

    def _write_all(self, text: bytes) -> None:
        view = memoryview(text)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self._size += len(text)
        self._dirty = True

    def _failed(self, problem: Exception, lost: int) -> None:
        if self.failure is None:
            _log.error("audit log %s cannot be written: %s", self._path, problem)
        self.failure = f"{type(problem).__name__}: {problem}"
        self.lost_count += lost
        self._gap_count += lost
        with contextlib.suppress(OSError):
            # The part of a batch that a full disk took goes, so that each line stays whole.
            os.ftruncate(self._descriptor, self._size)
            self._sealer.resume(_last_line(self._path) or _last_line(self._newest_older()))

    def _sync_if_due(self) -> None:
        if self._dirty and time.monotonic() - self._synced_at >= SYNC_INTERVAL_S:
            self._sync()

    def _sync(self) -> None:
        try:
            os.fsync(self._descriptor)
        except OSError as problem:
            self._failed(problem, 0)
        self._dirty = False
        self._synced_at = time.monotonic()

    # ---- files

    def _open(self) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        tail_at = max(0, self._size - TAIL_BYTES)
        tail = os.pread(descriptor, self._size - tail_at, tail_at)
        whole = tail_at + tail.rfind(b"\n") + 1
        if whole < self._size:
            # A crash in the middle of a write; a part of a line is no record of anything.
            _log.warning("audit log %s ended in the middle of a line; cut there", self._path)
            os.ftruncate(descriptor, whole)
            self._size = whole

    def _rotate(self, next_seq: int) -> None:
        self._sync()
        full = self._descriptor
        older = self._folder / f"audit-{next_seq:015d}.jsonl"
        self._path.rename(older)
        try:
            self._open()
        except OSError:
            older.rename(self._path)
            raise
        os.close(full)
        for path in self._older()[: -self._files_kept or None]:
            path.unlink()

    def _older(self) -> list[Path]:
        return sorted(self._folder.glob("audit-*.jsonl"))

    def _newest_older(self) -> Path:
        return max(self._older(), default=self._path)


class Stamps:
    """RFC 3339 text of microseconds; the date is made once a second."""

    def __init__(self) -> None:
        self._second = -1
        self._prefix = ""

    def text(self, wall_us: int) -> str:
        second, micros = divmod(wall_us, US_PER_S)
        if second != self._second:
            self._second = second
            self._prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._prefix}.{micros:06d}Z"


def _last_line(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES))
            lines = file.read().splitlines()
    except FileNotFoundError:
        return None
    return lines[-1] if lines else None


def _seq_of(line: bytes) -> int:
    try:
        return int(msgspec.json.decode(line)["seq"])
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        _log.warning("the audit log's last line is not ours; numbering starts anew")
        return 0
