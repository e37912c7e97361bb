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


class _Span:
    __slots__ = ("cause_id", "epoch", "from_us", "reason", "subscriber", "to_us")

    def __init__(
        self, subscriber: str, from_us: int, epoch: int, reason: str, cause_id: str
    ) -> None:
        self.subscriber = subscriber
        self.from_us = from_us
        self.to_us: int | None = None
        self.epoch = epoch
        self.reason = reason
        self.cause_id = cause_id


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
        spans = self._spans.get(key)
        if spans is None:
            spans = self._spans[key] = []
            if len(self._spans) > RESOURCES_MAX:
                self._spans.popitem(last=False)
        else:
            self._spans.move_to_end(key)
            if len(spans) >= SPANS_MAX:
                del spans[0]
        spans.append(_Span(subscriber, at_us, epoch, "allocated", cause_id))

    def closed(
        self, pool_no: int, index: int, subscriber: str, at_us: int, reason: str, cause_id: str
    ) -> None:
        """The latest span of this subscriber ends."""
        spans = self._spans.get((pool_no, index))
        if not spans or spans[-1].subscriber != subscriber or spans[-1].to_us is not None:
            return
        spans[-1].to_us = at_us
        spans[-1].reason = reason
        spans[-1].cause_id = cause_id

    def of(self, pool_no: int, index: int) -> tuple[HistoryEntry, ...]:
        """Spans of a resource, newest first."""
        return tuple(
            HistoryEntry(
                span.subscriber, span.from_us, span.to_us, span.epoch, span.reason, span.cause_id
            )
            for span in reversed(self._spans.get((pool_no, index), ()))
        )
