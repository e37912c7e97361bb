"""Events: everything that may happen to a node, one frozen value each, one union.

A node changes only in `NexusNode.handle(event, now)`.  Names are in the past tense: an event says
what the world did.  A new kind of event is a type error in `NexusNode.handle` until it is handled.
"""

from __future__ import annotations

from typing import Any

import msgspec

from nexus.core.messages import Message


class Started(msgspec.Struct, frozen=True, gc=False):
    """The process runs: the first event of every session."""


class ApiRequested(msgspec.Struct, frozen=True, gc=False):
    """A caller asked for an operation; the answer is a `Reply` with the same ``reply_to``."""

    reply_to: int
    request: Any
    """One request struct of `nexus.core.operations`."""
    cause_id: str
    actor: str = "anonymous"


class ApiGathered(msgspec.Struct, frozen=True, gc=False):
    """Requests that came together; one durable commit serves them all."""

    requests: tuple[ApiRequested, ...]


class MessageReceived(msgspec.Struct, frozen=True, gc=False):
    """A peer's message arrived, decoded and validated."""

    sender: str
    message: Message


class PeerConnected(msgspec.Struct, frozen=True, gc=False):
    """The transport reached a peer."""

    peer: str


class PeerLost(msgspec.Struct, frozen=True, gc=False):
    """The transport lost a peer; a hint, never evidence."""

    peer: str


class MemberJudged(msgspec.Struct, frozen=True, gc=False):
    """The failure detector (or an operator) says how a member is.

    Moves placement and routing only (R13); safety never rests on it.
    """

    member: str
    verdict: str
    """online, suspect or offline."""


class DeadlineReached(msgspec.Struct, frozen=True, gc=False):
    """The alarm that `next_deadline_ns` asked for rang (it may ring early or late)."""


class Persisted(msgspec.Struct, frozen=True, gc=False):
    """All entries of `Persist` effects up to and including ``token`` are on disk."""

    token: int


class StorageFailed(msgspec.Struct, frozen=True, gc=False):
    """The store cannot write any more: nothing after the last `Persisted` will become durable."""

    reason: str


Event = (
    Started
    | ApiRequested
    | ApiGathered
    | MessageReceived
    | PeerConnected
    | PeerLost
    | MemberJudged
    | DeadlineReached
    | Persisted
    | StorageFailed
)
