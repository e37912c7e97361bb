"""Effects: everything a node may ask of the world, one frozen value each, one union.

The order of a tuple of effects is the contract: the driver carries them out one after the other.
What depends on an entry being on disk (a reply, a message, an audit line, a watch event) is never
in the same tuple as its `Persist`: the core keeps it back until the event `Persisted` with that
token, checks the hold again (R9), and only then emits it.  So no driver, real or simulated, can
get the order wrong.
"""

from __future__ import annotations

from typing import Any

import msgspec

from nexus.core.messages import Message


class Persist(msgspec.Struct, frozen=True, gc=False):
    """Append these log entries durably, then say `Persisted` with this token.

    Tokens rise by one; entries are structs of `nexus.core.entries`, encoded by `nexus.codec`.
    """

    token: int
    entries: tuple[Any, ...]


class Send(msgspec.Struct, frozen=True, gc=False):
    """Send one message to one member; it may be lost, doubled, delayed or reordered."""

    to: str
    message: Message


class Broadcast(msgspec.Struct, frozen=True, gc=False):
    """Send one message to every known member but ourselves."""

    message: Message


class Reply(msgspec.Struct, frozen=True, gc=False):
    """Answer the `ApiRequested` with the same ``reply_to``: a view, or a `NexusError`."""

    reply_to: int
    result: Any


class Audit(msgspec.Struct, frozen=True, gc=False):
    """One line of the audit log."""

    wall_us: int
    action: str
    """POOL_CREATED, ALLOCATION_CREATED, ... (one registry: `nexus.core.audit_actions`)."""
    actor: str
    cause_id: str
    target: str
    """Key as in `Watch`: ``pools/<id>``, ``allocations/<pool>/<subscriber>`` ..."""
    detail: dict[str, Any]


class Watch(msgspec.Struct, frozen=True, gc=False):
    """A change that watchers see: ``kind`` put or delete, ``value`` a view (None on delete)."""

    kind: str
    prefix: str
    """pools, allocations, nodes, devices or shards."""
    key: str
    wall_us: int
    value: Any = None


Effect = Persist | Send | Broadcast | Reply | Audit | Watch
