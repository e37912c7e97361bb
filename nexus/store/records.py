"""One row of the log: what a commit made durable, and the checksum that says it is unharmed.

A payload holds all entries of one commit as a msgpack array of binaries, so that a group of a
thousand entries is one row to write and one call to take apart.  The checksum covers the row's
sequence number and kind as well: a row in the wrong place is as damaged as a changed one.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import msgspec

KIND_ENTRIES = 1
"""The only kind so far; a kind that this version does not know is refused, never skipped."""

_HEAD = struct.Struct("<QI")
_decode = msgspec.msgpack.Decoder(list[bytes]).decode
pack = msgspec.msgpack.Encoder().encode
"""``pack(entries: list[bytes]) -> bytes``."""


def checksum(seq: int, kind: int, payload: bytes) -> int:
    """CRC-32 of a row."""
    return zlib.crc32(payload, zlib.crc32(_HEAD.pack(seq, kind)))


def unpack(payload: bytes) -> Sequence[bytes]:
    """The entries of a payload; raises `msgspec.DecodeError` if it is none."""
    return _decode(payload)
