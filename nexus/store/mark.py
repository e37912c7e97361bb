"""The mark: the highest row that was ever acknowledged, kept outside of the log.

SQLite ends its write-ahead log at the first frame that is not right, because after a power cut
that is where the torn tail begins.  A frame that went bad later, or a lost file, looks the same
and would silently take acknowledged rows with it.  The mark is the second witness: it is never
ahead of what was durable when it was written, so a log that ends below it has lost something.

It is a page of shared memory, written without a system call after each commit.  After a crash of
the process it is exact; after a power cut it may be some seconds old, which makes the check weaker
but never wrong.  Two slots in turn, each with a checksum: one torn by a power cut leaves
the other.
"""

from __future__ import annotations

import errno
import mmap
import os
import struct
import zlib
from pathlib import Path

MARK_NAME = "log.mark"
_SLOT = struct.Struct("<QI")
_SLOT_BYTES = 64
_FILE_BYTES = 4096


def _slot(seq: int) -> bytes:
    return _SLOT.pack(seq, zlib.crc32(seq.to_bytes(8, "little")))


class Mark:
    """The mark of one data path; ``seq`` is what it said when it was opened, 0 if it is new."""

    def __init__(self, data_path: Path) -> None:
        descriptor = os.open(data_path / MARK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            # Real bytes, not a hole: writing into a mapped hole on a full disk kills us.
            new = os.fstat(descriptor).st_size < _FILE_BYTES
            if new and os.pwrite(descriptor, bytes(_FILE_BYTES), 0) < _FILE_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._map = mmap.mmap(descriptor, _FILE_BYTES)
        finally:
            os.close(descriptor)
        self.seq = max(self._read(0), self._read(1))
        self._turn = 0 if self._read(0) < self._read(1) else 1

    def _read(self, turn: int) -> int:
        seq, check = _SLOT.unpack_from(self._map, turn * _SLOT_BYTES)
        return int(seq) if check == zlib.crc32(seq.to_bytes(8, "little")) else 0

    def set(self, seq: int) -> None:
        """Note that this row and all before it are durable and may be acknowledged."""
        at = self._turn * _SLOT_BYTES
        self._map[at : at + _SLOT.size] = _slot(seq)
        self._turn ^= 1
        self.seq = seq

    def flush(self) -> None:
        """Bring it to the disk now."""
        self._map.flush()

    def close(self) -> None:
        self._map.close()
