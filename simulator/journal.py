"""The journal of a run: every message and every decision in order, and a digest over all of it.

Two runs of one seed must have one digest; whoever looks for the first difference keeps the
messages too (``keep_messages``) and compares.  Decisions are always kept: reports are made of them.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

FLUSH_ENTRIES = 4_096


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
        self._pending: list[Any] = []

    def message(self, at_ns: int, what: str, source: str, target: str, name: str) -> None:
        """One step of one message."""
        line = (at_ns, what, source, target, name)
        self._pending.append(line)
        if self.keep_messages:
            self.messages.append(line)
        if len(self._pending) >= FLUSH_ENTRIES:
            self._flush()

    def letter(self, at_ns: int, source: str, target: str, name: str, arrives_ns: int) -> None:
        """A message that nothing can happen to on its way: one line for both its ends."""
        self._pending.append((at_ns, source, target, name, arrives_ns))
        if self.keep_messages:
            self.messages.append((at_ns, "sent", source, target, name))
            self.messages.append((arrives_ns, "got", source, target, name))
        if len(self._pending) >= FLUSH_ENTRIES:
            self._flush()

    def note(self, at_ns: int, kind: str, subject: str, **detail: Any) -> None:
        """One decision."""
        self.decisions.append(Decision(at_ns, kind, subject, detail))
        self._pending.append((at_ns, kind, subject, detail))

    def content(self, data: bytes) -> None:
        """Bytes that belong to the run but are not kept."""
        self._pending.append(data)

    def _flush(self) -> None:
        self._hash.update(repr(self._pending).encode())
        self._pending.clear()

    def digest(self) -> str:
        """Hex digest over everything so far."""
        self._flush()
        return self._hash.hexdigest()
