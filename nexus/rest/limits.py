"""What clients of the port may hold, and for how long."""

from __future__ import annotations

import resource

import msgspec

from nexus.errors import NexusError

FILES_RESERVED = 128
"""Descriptors kept for the log, the store, other ports and the interpreter."""


class Limits(msgspec.Struct, frozen=True):
    """What clients may hold, and for how long.

    The idle limit is above the 90 s after which Go clients drop an idle connection themselves, so
    that they rarely write into one that we are closing.
    """

    body_bytes_max: int = 1_048_576
    connections_max: int = 4_096
    head_line_bytes_max: int = 8_190
    head_fields_max: int = 64
    head_timeout_s: float = 10.0
    body_timeout_s: float = 20.0
    write_stall_s: float = 20.0
    idle_timeout_s: float = 120.0
    linger_s: float = 2.0


def connections_allowed(connections_max: int) -> int:
    """The bound on connections, lowered to what RLIMIT_NOFILE allows."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return connections_max
    return max(1, min(connections_max, soft - FILES_RESERVED))


def too_large(limit_bytes: int) -> NexusError:
    """The refusal of a body above the limit."""
    return NexusError("body_too_large", f"request body too large: at most {limit_bytes} bytes")
