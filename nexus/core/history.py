"""What happened to resources lately, for `explain`: bounded, in memory, newest first.

The audit log is the full record; this answers the operator's question at once.  Which node
remembers a span is a matter of luck after a restart: what still stands is told from its row.
"""

from __future__ import annotations

from collections import OrderedDict

from nexus.model.views import HistoryEntry

RESOURCES_MAX = 16_384
"""Resources remembered; the one that changed least recently goes first."""
SPANS_MAX = 8
"""Spans remembered per resource."""


_Span = tuple[str, int, int | None, int, str, str]
"""(subscriber, from_us, to_us, epoch, reason, cause_id)"""


class History:
    """(pool_no, unit index) -> spans, oldest first inside."""

    __slots__ = ("_spans",)

    def __init__(self) -> None:
        self._spans: OrderedDict[tuple[int, int], list[_Span]] = OrderedDict()

    def opened(
        self, pool_no: int, index: int, subscriber: str, at_us: int, epoch: int, cause_id: str
    ) -> None:
        """A span begins."""
        key = (pool_no, index)
        span = (subscriber, at_us, None, epoch, "allocated", cause_id)
        spans = self._spans.get(key)
        if spans is None:
            self._spans[key] = [span]
            if len(self._spans) > RESOURCES_MAX:
                self._spans.popitem(last=False)
            return
        self._spans.move_to_end(key)
        if len(spans) >= SPANS_MAX:
            del spans[0]
        spans.append(span)

    def closed(
        self, pool_no: int, index: int, subscriber: str, at_us: int, reason: str, cause_id: str
    ) -> None:
        """The latest span of this subscriber ends."""
        spans = self._spans.get((pool_no, index))
        if not spans or spans[-1][0] != subscriber or spans[-1][2] is not None:
            return
        _, from_us, _, epoch, _, _ = spans[-1]
        spans[-1] = (subscriber, from_us, at_us, epoch, reason, cause_id)

    def of(self, pool_no: int, index: int) -> tuple[HistoryEntry, ...]:
        """Spans of a resource, newest first."""
        return tuple(
            HistoryEntry(*span) for span in reversed(self._spans.get((pool_no, index), ()))
        )
