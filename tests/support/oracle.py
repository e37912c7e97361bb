"""Sees what clients are told, in true time, and says when two could use one resource at once."""

from __future__ import annotations

from typing import Any

import msgspec

from nexus.core.operations.delete_pool import DeletePool
from nexus.core.operations.release import Release
from nexus.model.time import NS_PER_S
from nexus.model.views import AllocationView

FOREVER_NS = 1 << 62
DELETION_NS = 60 * NS_PER_S
"""A deletion that was asked for is decided, or is not, within this time."""


class Span(msgspec.Struct):
    """A subscriber may use a resource from one true instant to another."""

    subscriber: str
    pool_id: str
    from_ns: int
    until_ns: int


class Oracle:
    """Spans of every resource.

    A client uses a resource until the latest end it was ever told, or until it asks to release
    it; a permanent allocation also ends with the forced deletion of its pool.
    """

    def __init__(self) -> None:
        self.spans: dict[tuple[str, str], list[Span]] = {}
        self.problems: list[str] = []
        self.released: dict[str, int] = {}
        self.deleted: dict[str, int] = {}
        self.told_count = 0

    def asked(self, now_ns: int, request: Any) -> None:
        """Who releases does not use the resource any more; nor what a deleted pool gave for ever.

        Leases of a deleted pool run on to the end that they were told.
        """
        if isinstance(request, Release):
            self._end(now_ns, request.subscriber_id, request.pool_id)
            self.released[request.subscriber_id] = now_ns
        elif isinstance(request, DeletePool):
            self.deleted[request.pool_id] = now_ns
            for spans in self.spans.values():
                for span in spans:
                    if span.pool_id == request.pool_id and span.until_ns == FOREVER_NS:
                        span.until_ns = now_ns

    def told(self, now_ns: int, asked_ns: int, view: AllocationView, wall_us: int) -> None:
        """A telling answer reaches a client that asked when ``asked_ns`` was."""
        if asked_ns <= self.released.get(view.subscriber_id, -1):
            return  # who has asked for the release since then does not listen any more
        self.told_count += 1
        until_ns = FOREVER_NS
        if view.ends_us is not None:
            until_ns = now_ns + max(0, view.ends_us - wall_us) * 1000
        elif now_ns < self.deleted.get(view.pool_id, -DELETION_NS) + DELETION_NS:
            return  # the operator has asked for its end; it may be decided any moment
        resource = (view.resource_type, view.resource)
        spans = self.spans.setdefault(resource, [])
        for span in spans:
            if span.subscriber != view.subscriber_id and span.until_ns > now_ns:
                self.problems.append(
                    f"{view.resource} told to {view.subscriber_id} at {now_ns / NS_PER_S:.3f} s, "
                    f"{span.subscriber} was told until {span.until_ns / NS_PER_S:.3f} s"
                )
        last = next((span for span in spans if span.subscriber == view.subscriber_id), None)
        if last is None or last.until_ns <= now_ns:
            if last is not None:
                spans.remove(last)
            spans.append(Span(view.subscriber_id, view.pool_id, now_ns, until_ns))
        else:
            last.until_ns = max(last.until_ns, until_ns)

    def _end(self, now_ns: int, subscriber: str, pool_id: str | None) -> None:
        for spans in self.spans.values():
            for span in spans:
                if span.subscriber == subscriber and pool_id in (None, span.pool_id):
                    span.until_ns = min(span.until_ns, now_ns)

    def holders(self, now_ns: int) -> dict[tuple[str, str], str]:
        """Who may use what now."""
        return {
            resource: span.subscriber
            for resource, spans in self.spans.items()
            for span in spans
            if span.until_ns > now_ns
        }

    def check(self) -> None:
        """Raise if two subscribers could ever have used one resource at once."""
        assert not self.problems, "\n".join(self.problems)
