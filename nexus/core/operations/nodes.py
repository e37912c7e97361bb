"""Members: list, show, heartbeat, drain, fence; the hash ring; readiness."""

from __future__ import annotations

import msgspec


class ListNodes(msgspec.Struct, frozen=True):
    """Answer: `Page[NodeView]` by id."""

    limit: int = 1000
    cursor: str | None = None


class GetNode(msgspec.Struct, frozen=True):
    """Answer: `NodeView`; node_not_found."""

    node_id: str


class Heartbeat(msgspec.Struct, frozen=True):
    """Answer: `NodeView`; node_not_found."""

    node_id: str


class DrainNode(msgspec.Struct, frozen=True):
    """Answer: `NodeView`; node_not_found, last_owner."""

    node_id: str


class FenceNode(msgspec.Struct, frozen=True):
    """Answer: `NodeView`; node_not_found, last_owner.  ``statement`` is the operator's evidence."""

    node_id: str
    statement: str = ""


class GetHashring(msgspec.Struct, frozen=True):
    """Answer: `HashringView`."""


class GetReadiness(msgspec.Struct, frozen=True):
    """Answer: `ReadyView`."""
