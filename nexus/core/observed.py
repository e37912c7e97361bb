"""What a scrape or an audit asks a node: reads without an event, changing nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from nexus.core.operations.nodes import member_view, owned_counts
from nexus.core.shaping import usage_view
from nexus.model.time import US_PER_S
from nexus.model.views import NodeView, UsageView

if TYPE_CHECKING:
    from nexus.core.node import NexusNode


class Observed:
    """Read-only questions to one node, asked on its own thread."""

    def __init__(self, node: NexusNode) -> None:
        self._node = node

    def pool_usages(self) -> Iterable[tuple[str, UsageView]]:
        """Resource type and units of every pool."""
        node = self._node
        for pool in node.book.by_id.values():
            yield pool.spec.type, usage_view(node.ctx, pool)

    def nodes(self) -> Iterable[NodeView]:
        """All members."""
        counts = owned_counts(self._node)
        for member in self._node.members.all():
            yield member_view(self._node, member, counts.get(member.id, 0))

    def last_heartbeats(self) -> Iterable[tuple[str, float]]:
        """Member id and Unix time in seconds of its last life sign."""
        node = self._node
        for member in node.members.all():
            heard = node.members.heard.get(member.id)
            if member.id == node.ctx.me:
                heard = node.ctx.now.wall_us
            if heard is not None:
                yield member.id, heard / US_PER_S

    def clset_counts(self) -> tuple[int, int, int]:
        """Elements merged, digest rounds, and peers heard of."""
        node = self._node
        peers = sum(1 for member in node.members.ids() if member != node.ctx.me)
        return node.spread.merged_rows, node.spread.sync_rounds, peers
