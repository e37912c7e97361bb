"""What a caller gets back from a node."""

from __future__ import annotations

from typing import Any

import msgspec

from nexus.model.time import Instant

LOST = "lost"
"""No answer came: nobody listened, the process died, or the caller gave up waiting."""


class Answer(msgspec.Struct, frozen=True):
    """The end of one call: a view, a `NexusError`, or `LOST`."""

    machine: str
    request: Any
    result: Any
    reading: Instant
    """The node's clocks when it made the answer."""
    boots: int
    """Boots of that machine then: over a reboot its clocks mean something else."""
