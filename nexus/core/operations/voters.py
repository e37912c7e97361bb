"""Who votes, and changing it (R21)."""

from __future__ import annotations

import msgspec

from nexus.core.calls import Call, Services
from nexus.core.finding import refuse_writes
from nexus.errors import NexusError, validation
from nexus.model.views import VotersView

VOTER_ROLE = "core"


class GetVoters(msgspec.Struct, frozen=True):
    """Answer: `VotersView`, as this node knows it."""


class ChangeVoters(msgspec.Struct, frozen=True, gc=False):
    """Answer: `VotersView`; ``begun`` unless these vote already.  node_not_found.

    The answer comes when the change is proposed; it goes on by itself, to its end or back.
    """

    voters: tuple[str, ...]


def get_voters(node: Services, request: GetVoters, call: Call) -> None:
    """The configuration that this node is in."""
    del request
    node.answer(call, _view(node))


def change(node: Services, request: ChangeVoters, call: Call) -> None:
    """Propose the next configuration here if this node votes, else at a voter."""
    refuse_writes(node)
    for name in request.voters:
        member = node.members.get(name)
        if member is None:
            raise NexusError("node_not_found", f"node not found: {name}")
        if member.role != VOTER_ROLE:
            raise validation("voters", f"{name} is a {member.role} node; only core nodes vote")
    config = node.ctx.configuration
    if not config.joint and tuple(sorted(set(request.voters))) == config.old:
        node.answer(call, _view(node))
        return
    if not node.ctx.votes:
        _pass_on(node, call)
        return
    for name in request.voters:
        if name not in config.voters:
            _require_its_first_disk(node, name)
    node.voters.change(request.voters, call.cause_id, call.actor)
    node.answer(call, msgspec.structs.replace(_view(node), begun=True))


def _pass_on(node: Services, call: Call) -> None:
    for voter in node.ctx.configuration.voters:
        if voter != node.ctx.me and voter not in call.visited and node.reachable(voter):
            node.forward(voter, call)
            return
    raise NexusError("quorum_unavailable", "no voter can be reached", retry_after_s=2)


def _require_its_first_disk(node: Services, name: str) -> None:
    """Refuse a vote that would be lost: the id voted with a disk that is gone (R21 d)."""
    if name in node.voters.lives.refused:
        raise validation(
            "voters", f"{name} voted with a disk that is lost; let it join under a new id"
        )


def _view(node: Services) -> VotersView:
    config = node.ctx.configuration
    wanted = node.voters.wanted
    following = config.new if config.joint else wanted.new if wanted is not None else ()
    silent = node.ctx.me in config.voters and not node.ctx.complete
    return VotersView(config.number, config.old, following, silent)
