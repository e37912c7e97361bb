"""Snapshot files: a header with the log position, checksummed chunks, and a footer.

A file counts only with its final name, which it gets after it was synced whole; a crash on the way
leaves a temporary file that the next start removes.  So a snapshot that is damaged was damaged
later, and that is an error, not a reason to take an older one.

    header   8 B magic, u32 version, u64 base seq, u32 crc of these
    chunk    u32 length, u32 crc over (number of the chunk, bytes), bytes
    footer   u32 0xFFFFFFFF, u32 crc of the rest, u64 number of chunks, u64 bytes of all chunks
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path

from nexus.driver.ports import StoreDamagedError

MAGIC = b"NEXUSSNP"
VERSION = 1
CHUNK_BYTES_MAX = 1 << 30
SYNC_EVERY_BYTES = 4 << 20
"""Sync in steps: one large sync at the end would hold up the log's own, which share the journal."""

_HEADER = struct.Struct("<8sIQ")
_CRC = struct.Struct("<I")
_CHUNK = struct.Struct("<II")
_FOOTER = struct.Struct("<QQ")
_END = 0xFFFFFFFF
_PREFIX = "snapshot-"
_SUFFIX = ".nxs"
_TEMPORARY = ".partial"


def snapshot_name(base_seq: int) -> str:
    """File name of the snapshot that has everything up to this row of the log."""
    return f"{_PREFIX}{base_seq:020d}{_SUFFIX}"


def newest_snapshot(data_path: Path) -> Path | None:
    """The snapshot to restore from."""
    return max(data_path.glob(f"{_PREFIX}*{_SUFFIX}"), default=None)


def remove_partial(data_path: Path) -> None:
    """Remove what a crash left of snapshots that were being written."""
    for path in data_path.glob(f"{_PREFIX}*{_TEMPORARY}"):
        path.unlink()


def remove_older(data_path: Path, keep: Path) -> None:
    """Remove all snapshots but one."""
    for path in data_path.glob(f"{_PREFIX}*{_SUFFIX}"):
        if path != keep:
            path.unlink()


def sync_folder(data_path: Path) -> None:
    """Make names in a folder durable."""
    descriptor = os.open(data_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class SnapshotFile:
    """A snapshot being written; methods wait for the disk."""

    def __init__(self, data_path: Path, base_seq: int) -> None:
        self.base_seq = base_seq
        self.total_bytes = 0
        self._data_path = data_path
        self._final = data_path / snapshot_name(base_seq)
        self._partial = self._final.with_suffix(_TEMPORARY)
        self._count = 0
        self._unsynced = 0
        self._file = self._partial.open("wb")
        header = _HEADER.pack(MAGIC, VERSION, base_seq)
        self._file.write(header + _CRC.pack(zlib.crc32(header)))

    def write(self, chunk: bytes) -> None:
        if len(chunk) > CHUNK_BYTES_MAX:
            raise ValueError(f"a snapshot chunk is at most {CHUNK_BYTES_MAX} bytes")
        self._file.write(_CHUNK.pack(len(chunk), _chunk_crc(self._count, chunk)))
        self._file.write(chunk)
        self._count += 1
        self.total_bytes += len(chunk)
        self._unsynced += len(chunk)
        if self._unsynced >= SYNC_EVERY_BYTES:
            self._sync()

    def finish(self) -> None:
        """Write the footer and sync; the file does not count before `publish`."""
        footer = _FOOTER.pack(self._count, self.total_bytes)
        self._file.write(_CHUNK.pack(_END, zlib.crc32(footer)) + footer)
        self._sync()
        self._file.close()

    def publish(self) -> None:
        """Give it the name under which it counts; older ones go."""
        self._partial.rename(self._final)
        sync_folder(self._data_path)
        remove_older(self._data_path, self._final)

    def discard(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._partial.unlink(missing_ok=True)

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._unsynced = 0


def _chunk_crc(number: int, chunk: bytes) -> int:
    return zlib.crc32(chunk, number & 0xFFFFFFFF)


def read_base_seq(path: Path) -> int:
    """The log position of a snapshot."""
    with path.open("rb") as file:
        return _read_header(path, file)


def read_chunks(path: Path, progress: Callable[[int], None]) -> Iterator[bytes]:
    """The chunks of a snapshot, each checked; ``progress`` gets the bytes of each.

    Raises
    ------
    StoreDamagedError : anything is not as it was written, the end included.
    """
    with path.open("rb") as file:
        _read_header(path, file)
        count = 0
        while True:
            length, crc = _CHUNK.unpack(_exactly(path, file, _CHUNK.size))
            if length == _END:
                break
            if length > CHUNK_BYTES_MAX:
                raise _damaged(path, f"chunk {count} has an impossible length")
            chunk = _exactly(path, file, length)
            if _chunk_crc(count, chunk) != crc:
                raise _damaged(path, f"chunk {count} has a wrong checksum")
            count += 1
            progress(length)
            yield chunk
        footer = _exactly(path, file, _FOOTER.size)
        if zlib.crc32(footer) != crc or _FOOTER.unpack(footer)[0] != count or file.read(1):
            raise _damaged(path, "its footer does not fit")


def _read_header(path: Path, file: BufferedReader) -> int:
    header = _exactly(path, file, _HEADER.size)
    crc = _CRC.unpack(_exactly(path, file, _CRC.size))[0]
    magic, version, base_seq = _HEADER.unpack(header)
    if zlib.crc32(header) != crc or magic != MAGIC:
        raise _damaged(path, "its header does not fit")
    if version != VERSION:
        raise StoreDamagedError(f"{path} has format {version}, this version reads {VERSION}")
    if path.name != snapshot_name(base_seq):
        raise _damaged(path, "its name does not fit its header")
    return int(base_seq)


def _exactly(path: Path, file: BufferedReader, length: int) -> bytes:
    data = file.read(length)
    if len(data) != length:
        raise _damaged(path, "it ends too early")
    return data


def _damaged(path: Path, what: str) -> StoreDamagedError:
    return StoreDamagedError(
        f"snapshot {path} is damaged: {what}; restore the data path from a copy, or start this "
        "member anew on an empty one"
    )
