"""Messages that may be long go in parts, each well below what a frame may have.

What carries whole shards or a whole catalogue (a successor's read, a base, a voter's state, rows
for a replica that is behind) has no bound of its own.  Short of `ROWS_SMALL` it is sent as it is;
above that it is encoded, cut, and handled by the receiver when all parts are there, as if it had
come in one.  A part that is lost loses the message: whoever needs it asks again, as for any other.

What waits for its rest is bounded: one message a sender, the newest, and `WAITING_BYTES_MAX` of
all senders together, above which the oldest is dropped.
"""

from __future__ import annotations

from typing import Any

import msgspec

from nexus.core.messages import Message, MessagePart
from nexus.ownership.values import Session

PART_BYTES_MAX = 4 << 20
"""A quarter of the largest frame (`nexus.codec.MESSAGE_BYTES_MAX`)."""
PARTS_MAX = 128
"""Parts of one message: with 4 MiB each, about four million rows."""
ROWS_SMALL = 8_192
"""So many rows (or operations, or records) are below a frame even with the longest ids."""
WAITING_BYTES_MAX = PARTS_MAX * PART_BYTES_MAX

_encode = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(Message)


def split(message: Message, session: Session, number: int) -> tuple[Message, ...]:
    """The message in parts, or as it is if it fits into one; nothing if it is beyond all bounds."""
    payload = _encode(message)
    if len(payload) <= PART_BYTES_MAX:
        return (message,)
    cuts = range(0, len(payload), PART_BYTES_MAX)
    if len(cuts) > PARTS_MAX:
        return ()
    return tuple(
        MessagePart(session, number, place, len(cuts), payload[first : first + PART_BYTES_MAX])
        for place, first in enumerate(cuts)
    )


class _Waiting:
    """One message that is not complete yet."""

    __slots__ = ("bytes", "name", "parts")

    def __init__(self, name: tuple[Session, int, int]) -> None:
        self.name = name
        self.parts: dict[int, bytes] = {}
        self.bytes = 0


class Assembly:
    """Puts parts together, by sender."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Waiting] = {}

    @property
    def waiting_bytes(self) -> int:
        """Bytes of all messages that are not complete."""
        return sum(one.bytes for one in self._waiting.values())

    def take(self, sender: str, part: MessagePart) -> Message | None:
        """The message, once its last part is here; None before, and for what is no message."""
        name = (part.session, part.number, part.parts)
        if not 0 <= part.part < part.parts <= PARTS_MAX or len(part.payload) > PART_BYTES_MAX:
            return None
        one = self._waiting.get(sender)
        if one is None or one.name < name:
            one = _Waiting(name)
        elif one.name > name:
            return None  # a late part of an earlier one
        self._waiting.pop(sender, None)
        self._waiting[sender] = one
        if part.part not in one.parts:
            one.parts[part.part] = part.payload
            one.bytes += len(part.payload)
        if len(one.parts) == part.parts:
            del self._waiting[sender]
            return _message(one)
        while self.waiting_bytes > WAITING_BYTES_MAX:
            del self._waiting[next(iter(self._waiting))]
        return None


def _message(one: _Waiting) -> Message | None:
    try:
        message: Message = _decoder.decode(b"".join(one.parts[at] for at in range(len(one.parts))))
    except msgspec.MsgspecError:
        return None
    return None if isinstance(message, MessagePart) else message
