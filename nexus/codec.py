"""Bytes of log entries and messages: msgpack by msgspec, tagged unions, validated on the way in.

What decodes is of the right types and within the bounds stated here; anything else raises
`RemoteProtocolError` (peers) or `EntryError` (our own log).  A field may be added at the end of a
message or entry with a default; nothing is ever renumbered.
"""

from __future__ import annotations

from typing import Any

import msgspec

from nexus.core.entries import Entry
from nexus.core.messages import Message

MESSAGE_BYTES_MAX = 16 << 20
"""A longer message is refused before it is decoded."""


class EntryError(Exception):
    """A log entry whose checksum is right and whose content is not ours."""


class RemoteProtocolError(Exception):
    """A peer sent something that is no message; it is dropped, counted and audited."""


_encoder = msgspec.msgpack.Encoder()
_entries: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(Entry)
_messages: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(Message)

encode_entry = _encoder.encode
"""Bytes of one log entry."""


def decode_entry(data: bytes) -> Any:
    """One log entry; raises `EntryError`."""
    try:
        return _entries.decode(data)
    except msgspec.MsgspecError as error:
        raise EntryError(f"a log entry does not decode: {error}") from error


def encode_message(message: Message) -> bytes:
    """Bytes of one message."""
    return _encoder.encode(message)


def decode_message(data: bytes) -> Any:
    """One message, validated whole; raises `RemoteProtocolError`."""
    if len(data) > MESSAGE_BYTES_MAX:
        raise RemoteProtocolError(f"a message of {len(data)} bytes is above {MESSAGE_BYTES_MAX}")
    try:
        return _messages.decode(data)
    except msgspec.MsgspecError as error:
        raise RemoteProtocolError(f"not a message: {error}") from error
