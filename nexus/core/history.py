"""What happened to resources lately, for `explain`: bounded, in memory, newest first.

The audit log is the full record; this answers the operator's question at once.  Which node
remembers a span is a matter of luck after a restart: what still stands is told from its row.

Every lease writes here and hardly anybody reads, so a write is an append, and a read looks
through everything kept.
"""

from __future__ import annotations

from collections import deque

from nexus.model.views import HistoryEntry

CHANGES_MAX = 32_768
"""Changes remembered, of all resources together; reading through them takes a few ms."""
SPANS_MAX = 8
"""Spans told per resource."""
_OPENED = "allocated"

_Change = tuple[int, int, str, int, int, str, str]
"""(unit index, pool_no, subscriber, at_us, epoch, reason, cause_id)"""


class History:
    """The latest beginnings and ends of leases."""

    __slots__ = ("_changes",)

    def __init__(self) -> None:
        self._changes: deque[_Change] = deque(maxlen=CHANGES_MAX)

    def opened(
        self, pool_no: int, index: int, subscriber: str, at_us: int, epoch: int, cause_id: str
    ) -> None:
        """A span begins."""
        self._changes.append((index, pool_no, subscriber, at_us, epoch, _OPENED, cause_id))

    def closed(
        self, pool_no: int, index: int, subscriber: str, at_us: int, reason: str, cause_id: str
    ) -> None:
        """The latest span of this subscriber ends."""
        self._changes.append((index, pool_no, subscriber, at_us, 0, reason, cause_id))

    def of(self, pool_no: int, index: int) -> tuple[HistoryEntry, ...]:
        """Spans of a resource, newest first; ends whose beginning is forgotten are left out."""
        spans: list[HistoryEntry] = []
        for change in self._changes:
            if change[0] != index or change[1] != pool_no:
                continue
            _, _, subscriber, at_us, epoch, reason, cause_id = change
            if reason == _OPENED:
                spans.append(HistoryEntry(subscriber, at_us, None, epoch, reason, cause_id))
            elif spans and spans[-1].to_us is None and spans[-1].subscriber_id == subscriber:
                begun = spans[-1]
                spans[-1] = HistoryEntry(
                    subscriber, begun.from_us, at_us, begun.epoch, reason, cause_id
                )
        return tuple(spans[: -SPANS_MAX - 1 : -1])
