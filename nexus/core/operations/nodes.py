"""Members: list, show, heartbeat, drain, fence; the hash ring; readiness."""

from __future__ import annotations

import msgspec

from nexus.core.calls import Call, Services
from nexus.core.decided import MemberDraining, MemberFenced
from nexus.core.members import Member
from nexus.core.paging import check_limit
from nexus.errors import NexusError
from nexus.model.time import NS_PER_US
from nexus.model.views import HashringView, NodeView, Page, ReadyView


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


class ResumeNode(msgspec.Struct, frozen=True):
    """Answer: `NodeView`; node_not_found.  A drained member may own shards again."""

    node_id: str


class FenceNode(msgspec.Struct, frozen=True):
    """Answer: `NodeView`; node_not_found, last_owner.  ``statement`` is the operator's evidence."""

    node_id: str
    statement: str = ""


class GetHashring(msgspec.Struct, frozen=True):
    """Answer: `HashringView`."""


class GetReadiness(msgspec.Struct, frozen=True):
    """Answer: `ReadyView`."""


def _require(node: Services, node_id: str) -> Member:
    member = node.members.get(node_id)
    if member is None:
        raise NexusError("node_not_found", f"node not found: {node_id}")
    return member


def owned_counts(node: Services) -> dict[str, int]:
    """Shards by owner, as far as this node knows."""
    counts: dict[str, int] = {}
    for pool in node.book.by_id.values():
        for shard in pool.shards:
            owner = node.ctx.me if shard.owner is not None else shard.known_owner
            if owner is not None:
                counts[owner] = counts.get(owner, 0) + 1
    return counts


def member_view(node: Services, member: Member, shards: int) -> NodeView:
    now_us = node.ctx.now.wall_us
    heard_us = now_us if member.id == node.ctx.me else node.members.heard.get(member.id, 0)
    return NodeView(
        member.id,
        member.role,
        node.members.status(member.id),
        heard_us + node.ctx.config.offline_after_ns // NS_PER_US,
        {},
        member.weight,
        shards,
    )


def list_nodes(node: Services, request: ListNodes, call: Call) -> None:
    """Members by id; the cursor is the last id told."""
    limit = check_limit(request.limit)
    counts = owned_counts(node)
    members = [m for m in node.members.all() if m.id > (request.cursor or "")]
    chosen = members[:limit]
    cursor = chosen[-1].id if len(members) > limit else None
    views = tuple(member_view(node, member, counts.get(member.id, 0)) for member in chosen)
    node.answer(call, Page(views, len(node.members.all()), cursor))


def get_node(node: Services, request: GetNode, call: Call) -> None:
    """One member."""
    member = _require(node, request.node_id)
    node.answer(call, member_view(node, member, owned_counts(node).get(member.id, 0)))


def heartbeat(node: Services, request: Heartbeat, call: Call) -> None:
    """A member says that it lives."""
    member = _require(node, request.node_id)
    node.facts.beat(member.id)
    node.answer(call, member_view(node, member, owned_counts(node).get(member.id, 0)))


def drain(node: Services, request: DrainNode, call: Call) -> None:
    """Decide that a member gives its shards back (R12)."""
    _require(node, request.node_id)
    node.decide(
        MemberDraining(request.node_id, draining=True), call, _then_show(node, request, call)
    )


def resume(node: Services, request: ResumeNode, call: Call) -> None:
    """Decide that a drained member takes part again."""
    _require(node, request.node_id)
    node.decide(
        MemberDraining(request.node_id, draining=False), call, _then_show(node, request, call)
    )


def fence(node: Services, request: FenceNode, call: Call) -> None:
    """Decide that a registration counts no more, on an operator's statement (R15 ii)."""
    member = _require(node, request.node_id)
    node.decide(
        MemberFenced(request.node_id, member.registration, request.statement),
        call,
        _then_show(node, request, call),
    )


class _then_show:  # noqa: N801 - reads as a step
    """Answer with the member as it is after the decision."""

    def __init__(
        self, node: Services, request: DrainNode | ResumeNode | FenceNode, call: Call
    ) -> None:
        self.node = node
        self.node_id = request.node_id
        self.call = call

    def __call__(self, outcome: object) -> None:
        if isinstance(outcome, NexusError):
            self.node.answer(self.call, outcome)
            return
        member = _require(self.node, self.node_id)
        counts = owned_counts(self.node)
        self.node.answer(self.call, member_view(self.node, member, counts.get(member.id, 0)))


def hashring(node: Services, request: GetHashring, call: Call) -> None:
    """Placement at a glance: proposed shards of every member that may own."""
    del request
    counts: dict[str, int] = {}
    for pool in node.book.by_id.values():
        for owner in node.placement.table(pool).owners():
            if owner is not None:
                counts[owner] = counts.get(owner, 0) + 1
    views = tuple(
        member_view(node, member, counts.get(member.id, 0)) for member in node.members.owners()
    )
    node.answer(call, HashringView(views, 1.25, node.members.version))


def readiness(node: Services, request: GetReadiness, call: Call) -> None:
    """Whether this node can do its work, and why not."""
    del request
    reasons: list[str] = []
    if node.ctx.storage_failed is not None:
        reasons.append(f"storage failed: {node.ctx.storage_failed}")
    if node.owning.renewing.superseded:
        reasons.append("a newer session of this member was seen")
    reasons.extend(_voter_reasons(node))
    owners = [
        shard.owner
        for pool in node.book.by_id.values()
        for shard in pool.shards
        if shard.owner is not None
    ]
    waiting = sum(1 for owner in owners if owner.hold_until == 0)
    # A pool that was made just now waits too; one answered renewal proves the majority.
    if waiting and waiting == len(owners):
        reasons.append(f"{waiting} shards wait for a majority")
    node.answer(call, ReadyView(not reasons, tuple(reasons)))


def _voter_reasons(node: Services) -> list[str]:
    """Why this voter has no vote (R21 c, d)."""
    lives = node.voters.lives
    if node.ctx.complete or node.ctx.me not in node.ctx.configuration.voters:
        return []
    if lives.lost:
        return ["this voter's disk was lost: it votes no more, put another in its place"]
    if lives.founding:
        return [f"the cluster is not founded yet: not heard from {', '.join(lives.missing)}"]
    return ["this voter has not copied the others' state yet"]
