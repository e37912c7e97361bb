"""Messages between nodes."""

from __future__ import annotations

import msgspec


class Message(msgspec.Struct, frozen=True):
    """Placeholder base."""
