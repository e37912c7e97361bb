"""The journal of a run: every message and every decision in order, and a digest over all of it.

Two runs of one seed must have one digest; whoever looks for the first difference keeps the
messages too (``keep_messages``) and compares.  Decisions are always kept: reports are made of them.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

LINES_MAX = 4_096
"""Lines kept until they are hashed; whoever appends past `message` and `note` flushes in time."""


class Decision(msgspec.Struct, frozen=True, array_like=True):
    """Something that matters to people happened at a true instant."""

    at_ns: int
    kind: str
    """audit, watch, fault, process, hold, lease, answer, phase, violation."""
    subject: str
    detail: dict[str, Any]


MessageLine = tuple[int, str, str, str, str]
"""(true ns, sent | got | lost | cut, from, to, message type)."""


class Journal:
    """Append-only; owned by one world."""

    def __init__(self, *, keep_messages: bool = False) -> None:
        self.decisions: list[Decision] = []
        self.messages: list[MessageLine] = []
        self.keep_messages = keep_messages
        self._hash = hashlib.blake2b(digest_size=16)
        self._encode = msgspec.msgpack.Encoder().encode
        self.lines: list[Any] = []
        """Not hashed yet."""

    def message(self, at_ns: int, what: str, source: str, target: str, name: str) -> None:
        """One step of one message."""
        line = (at_ns, what, source, target, name)
        self.lines.append(line)
        if self.keep_messages:
            self.messages.append(line)
        if len(self.lines) >= LINES_MAX:
            self.flush()

    def letter(self, at_ns: int, source: str, target: str, name: str, arrives_ns: int) -> None:
        """Keep both ends of a message that nothing can happen to on its way.

        Their line, one for all whom it goes to, its sender appends to `lines` itself: it is the
        commonest of all.
        """
        self.messages.append((at_ns, "sent", source, target, name))
        self.messages.append((arrives_ns, "got", source, target, name))

    def note(self, at_ns: int, kind: str, subject: str, **detail: Any) -> None:
        """One decision."""
        self.decisions.append(Decision(at_ns, kind, subject, detail))
        self.lines.append((at_ns, kind, subject, detail))

    def content(self, data: bytes) -> None:
        """Bytes that belong to the run but are not kept."""
        self.lines.append(data)

    def flush(self) -> None:
        """Take the lines so far into the digest."""
        try:
            data = self._encode(self.lines)
        except OverflowError:  # a number of more than 64 bits in some detail
            data = repr(self.lines).encode()
        self._hash.update(data)
        self.lines.clear()

    def digest(self) -> str:
        """Hex digest over everything so far."""
        self.flush()
        return self._hash.hexdigest()


def plain(detail: dict[str, Any]) -> dict[str, Any]:
    """What of a detail a journal can tell as it is."""
    return {key: value for key, value in detail.items() if isinstance(value, str | int | float)}
