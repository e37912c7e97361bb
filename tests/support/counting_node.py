"""A node small enough to be obviously right: counts additions, remembers them by key.

It keeps the core's contract (persist, then answer when the token is durable), so driver, store and
runtime can be tested without the ownership protocol, and a wrong result is theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from nexus.config.schema import ServeConfig
from nexus.core.effects import Audit, Effect, Persist, Reply, Watch
from nexus.core.events import (
    ApiGathered,
    ApiRequested,
    DeadlineReached,
    Event,
    Persisted,
    Started,
    StorageFailed,
)
from nexus.core.operations.nodes import GetReadiness
from nexus.core.operations.read_pools import ListPools
from nexus.core.operations.release import Release
from nexus.driver.ports import Restored
from nexus.errors import NexusError
from nexus.model.time import NS_PER_S, Instant
from nexus.model.views import Done, Page, ReadyView
from nexus.runtime.identity import Identity
from nexus.runtime.wiring import Made

CHUNK_KEYS = 1000
BREAKING_KEY = "break-the-node"


class CountingNode:
    """`Release(key)` adds a key, `ListPools` tells how many there are."""

    def __init__(self, identity: Identity, chunks: Iterable[bytes], entries: Iterable[bytes]):
        self.identity = identity
        self.keys: dict[str, int] = {}
        self.token = 0
        self.waiting: list[tuple[int, int, str]] = []
        self.rings = 0
        self.failed: str | None = None
        for chunk in chunks:
            self.keys.update(msgspec.msgpack.decode(chunk, type=dict[str, int]))
        for entry in entries:
            self.keys[entry.decode()] = len(self.keys)

    def handle(self, event: Event, now: Instant) -> tuple[Effect, ...]:
        match event:
            case ApiGathered(requests):
                return tuple(
                    effect for one in requests for effect in self._asked(one.reply_to, one.request)
                )
            case ApiRequested(reply_to, request):
                return self._asked(reply_to, request)
            case Persisted(token):
                done = [each for each in self.waiting if each[0] <= token]
                self.waiting = self.waiting[len(done) :]
                return tuple(
                    effect
                    for _, reply_to, key in done
                    for effect in (
                        Audit(now.wall_us, "ADDED", "test", "cause", key, {}),
                        Watch("put", "pools", key, now.wall_us),
                        Reply(reply_to, Done()),
                    )
                )
            case StorageFailed(reason):
                self.failed = reason
                given_up, self.waiting = self.waiting, []
                error = NexusError("storage_failed", reason, definite=False)
                return tuple(Reply(reply_to, error) for _, reply_to, _ in given_up)
            case Started() | DeadlineReached():
                self.rings += 1
                return ()
            case _:
                raise NotImplementedError(event)

    def _asked(self, reply_to: int, request: Any) -> tuple[Effect, ...]:
        match request:
            case ListPools():
                return (Reply(reply_to, Page(items=(), total=len(self.keys))),)
            case GetReadiness():
                return (Reply(reply_to, ReadyView(self.failed is None)),)
            case Release(key) if key == BREAKING_KEY:
                raise AssertionError("invariant I0 is broken")
            case Release() if self.failed is not None:
                return (Reply(reply_to, NexusError("storage_failed", self.failed)),)
            case Release(key):
                self.keys[key] = len(self.keys)
                self.token += 1
                self.waiting.append((self.token, reply_to, key))
                return (Persist(self.token, (key,)),)
            case _:
                raise NotImplementedError(request)

    def next_deadline_ns(self) -> int | None:
        return 10 * NS_PER_S if not self.rings else None

    def chunks(self) -> Iterator[bytes]:
        keys = list(self.keys)
        for at in range(0, len(keys), CHUNK_KEYS):
            part = {key: self.keys[key] for key in keys[at : at + CHUNK_KEYS]}
            yield msgspec.msgpack.encode(part)


def make_counting_node(config: ServeConfig, identity: Identity, restored: Restored) -> Made:
    """A `nexus.runtime.wiring.MakeNode`."""
    node = CountingNode(identity, restored.snapshot, restored.entries)
    return Made(node=node, encode=str.encode, chunks=node.chunks, source=None)
