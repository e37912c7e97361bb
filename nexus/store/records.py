"""One row of the log: what a commit made durable, and the checksum that says it is unharmed.

A payload holds all entries of one commit as a msgpack array of binaries, so that a group of a
thousand entries is one row to write and one call to take apart.  The checksum starts from the
row's sequence number and kind: a row in the wrong place is as damaged as a changed one.
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import msgspec

KIND_ENTRIES = 1
"""The only kind so far; a kind that this version does not know is refused, never skipped."""

_decode = msgspec.msgpack.Decoder(list[bytes]).decode
pack = msgspec.msgpack.Encoder().encode
"""``pack(entries: list[bytes]) -> bytes``."""


def checksum(seq: int, kind: int, payload: bytes) -> int:
    """CRC-32 of a row.  One call, since a restart makes it for every row."""
    return crc32(payload, (seq ^ kind << 24) & 0xFFFFFFFF)


def unpack(payload: bytes) -> Sequence[bytes]:
    """The entries of a payload; raises `msgspec.DecodeError` if it is none."""
    return _decode(payload)
