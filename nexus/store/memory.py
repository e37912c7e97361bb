"""The store of the simulator and of ``--ephemeral``: the same promises, no disk, no thread.

A `MemoryDisk` outlives the `MemoryStore` on it, as a disk outlives a process: `MemoryDisk.crash`
takes away what was not yet committed, or leaves parts of it, as a power cut may.  When commits
happen is up to ``post``: a loop's next turn, or a simulated disk's latency.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import msgspec

from nexus.driver.ports import Progress, Restored, StoreDamagedError, StoreLockedError
from nexus.store.records import KIND_ENTRIES, checksum, pack, unpack

Post = Callable[[Callable[[], None]], object]


class Row(msgspec.Struct, frozen=True, gc=False):
    """One commit as it lies on the disk."""

    seq: int
    payload: bytes
    crc: int


class MemoryDisk:
    """What survives; one store at a time uses it.

    Parameters
    ----------
    retain : False forgets everything at once, for a daemon that nobody will restore.
    """

    def __init__(self, *, retain: bool = True) -> None:
        self.retain = retain
        self.rows: list[Row] = []
        self.chunks: tuple[bytes, ...] = ()
        self.base_seq = 0
        self.acknowledged_seq = 0
        self.fault: str | None = None
        """Set to a reason to make the next commit, and every later one, fail."""
        self.user: MemoryStore | None = None

    def crash(self, *, survive: int = 0, torn: bool = False) -> None:
        """Stop the process that uses the disk.

        Parameters
        ----------
        survive : how many of the appended, uncommitted groups reach the disk all the same; they
            were never acknowledged, and a restart may find them.
        torn : the next group after those is there in part.
        """
        store, self.user = self.user, None
        if store is None:
            return
        groups = store.abandon()
        for _, entries in groups[:survive]:
            self.write(entries)
        if torn and len(groups) > survive:
            self.write(groups[survive][1])
            self.rows[-1] = msgspec.structs.replace(
                self.rows[-1], payload=self.rows[-1].payload[:-1]
            )

    def rot(self, seq: int) -> None:
        """Change a byte of a row that is there."""
        at = next(number for number, row in enumerate(self.rows) if row.seq == seq)
        row = self.rows[at]
        changed = row.payload[:-1] + bytes([row.payload[-1] ^ 1])
        self.rows[at] = msgspec.structs.replace(row, payload=changed)

    def write(self, entries: Sequence[bytes]) -> int:
        """Add one row; gives its payload's size."""
        seq = (self.rows[-1].seq if self.rows else self.base_seq) + 1
        payload = pack(entries)
        self.rows.append(Row(seq, payload, checksum(seq, KIND_ENTRIES, payload)))
        return len(payload)


class MemoryStore:
    """Store on a `MemoryDisk`; see `nexus.driver.ports.Store` for what the methods promise."""

    def __init__(self, disk: MemoryDisk, post: Post) -> None:
        if disk.user is not None:
            raise StoreLockedError("the disk is in use by another store")
        disk.user = self
        self._disk = disk
        self._post = post
        self._on_durable: Callable[[int], None] = _unbound
        self._on_failed: Callable[[str], None] = _unbound
        self._waiting: list[tuple[int, Sequence[bytes]]] = []
        self._scheduled = False
        self._closed = False
        self._failed: str | None = None
        self._snapshot: MemorySnapshot | None = None
        self._log_bytes = 0

    @property
    def log_bytes(self) -> int:
        return self._log_bytes

    @property
    def failed(self) -> str | None:
        return self._failed

    def bind(self, on_durable: Callable[[int], None], on_failed: Callable[[str], None]) -> None:
        self._on_durable = on_durable
        self._on_failed = on_failed

    def load(self, progress: Progress | None = None) -> Restored:
        """Read the disk; raises `StoreDamagedError` as the durable store does."""
        disk = self._disk
        self._cut_torn_tail()
        last_seq = disk.rows[-1].seq if disk.rows else disk.base_seq
        if last_seq < disk.acknowledged_seq:
            raise StoreDamagedError(
                f"it ends at row {last_seq}, but row {disk.acknowledged_seq} was acknowledged"
            )
        rows = [row for row in disk.rows if row.seq > disk.base_seq]
        self._log_bytes = sum(len(row.payload) for row in rows)
        if progress is not None:
            progress(self._log_bytes, self._log_bytes)
        return Restored(
            snapshot=iter(disk.chunks),
            entries=chain.from_iterable(self._read(rows)),
            empty=last_seq == 0,
        )

    def _cut_torn_tail(self) -> None:
        rows = self._disk.rows
        if rows and rows[-1].seq > self._disk.acknowledged_seq and not _whole(rows[-1]):
            rows.pop()

    def _read(self, rows: Sequence[Row]) -> Iterator[Sequence[bytes]]:
        for expected, row in enumerate(rows, self._disk.base_seq + 1):
            if row.seq != expected:
                raise StoreDamagedError(f"row {expected} is missing")
            if not _whole(row):
                raise StoreDamagedError(f"row {row.seq} has a wrong checksum")
            yield unpack(row.payload)

    def append(self, token: int, entries: Sequence[bytes]) -> None:
        if self._failed is not None or self._closed:
            return
        self._waiting.append((token, entries))
        if not self._scheduled:
            self._scheduled = True
            self._post(self._commit)

    def _commit(self) -> None:
        self._scheduled = False
        if self._closed or not self._waiting:
            return
        groups, self._waiting = self._waiting, []
        disk = self._disk
        if disk.fault is not None:
            self._failed = disk.fault
            self._on_failed(disk.fault)
            return
        if disk.retain:
            self._log_bytes += disk.write([entry for _, entries in groups for entry in entries])
            disk.acknowledged_seq = disk.rows[-1].seq
        self._on_durable(groups[-1][0])

    def begin_snapshot(self) -> MemorySnapshot:
        if self._snapshot is not None and not self._snapshot.ended:
            raise RuntimeError("a snapshot is being written already")
        rows = self._disk.rows
        base_seq = rows[-1].seq if rows else self._disk.base_seq
        self._snapshot = MemorySnapshot(self._post, self._publish, base_seq, self._log_bytes)
        return self._snapshot

    def _publish(self, snapshot: MemorySnapshot) -> str | None:
        self._commit()
        disk = self._disk
        if self._closed or self._failed is not None:
            return self._failed or "the store was closed"
        if disk.fault is not None:
            return disk.fault
        disk.chunks = tuple(snapshot.chunks)
        disk.base_seq = snapshot.base_seq
        disk.rows = [row for row in disk.rows if row.seq > disk.base_seq]
        self._log_bytes -= snapshot.log_bytes
        return None

    def close(self) -> None:
        if self._closed:
            return
        self._commit()
        self._closed = True
        if self._disk.user is self:
            self._disk.user = None

    def abandon(self) -> list[tuple[int, Sequence[bytes]]]:
        """What a crash finds uncommitted; no callback comes any more."""
        self._closed = True
        groups, self._waiting = self._waiting, []
        return groups


class MemorySnapshot:
    """A `nexus.driver.ports.SnapshotWriter` in memory."""

    def __init__(
        self,
        post: Post,
        publish: Callable[[MemorySnapshot], str | None],
        base_seq: int,
        log_bytes: int,
    ) -> None:
        self.base_seq = base_seq
        self.log_bytes = log_bytes
        self.chunks: list[bytes] = []
        self.ended = False
        self.backlog_bytes = 0
        self._post = post
        self._publish = publish

    def write(self, chunk: bytes) -> None:
        self.chunks.append(chunk)

    def commit(self, on_done: Callable[[str | None], None]) -> None:
        def publish() -> None:
            if not self.ended:
                self.ended = True
                on_done(self._publish(self))

        self._post(publish)

    def abort(self) -> None:
        self.ended = True


def _whole(row: Row) -> bool:
    return checksum(row.seq, KIND_ENTRIES, row.payload) == row.crc


def _unbound(_: object) -> None:
    raise RuntimeError("bind the store before appending to it")
