"""How a member comes in (again): a new one, one that was fenced, one that lost its disk.

A member proposes its own admission to the voters that it knows; the transport has checked who it
is.  What is decided about it, it learns like everybody else, and then takes part.
"""

from __future__ import annotations

from typing import Any

from nexus.core.campaigns import Campaigns
from nexus.core.context import Context
from nexus.core.decided import DiskLost, MemberAdmitted
from nexus.core.decisions import Decisions
from nexus.core.members import Member, Members
from nexus.errors import NexusError
from nexus.ownership import register

JOIN_CAUSE = "join"


class Joining:
    """This node's own membership."""

    def __init__(
        self, ctx: Context, members: Members, campaigns: Campaigns, decisions: Decisions
    ) -> None:
        self.ctx = ctx
        self.members = members
        self.campaigns = campaigns
        self.decisions = decisions
        self.asking = False

    def start(self) -> None:
        """Look soon whether this node has to be admitted."""
        if not self.ctx.replaying and self._wanted() is not None:
            self.ctx.timers.set_earlier("join", self.ctx.now.mono_ns)

    def look(self) -> None:
        """Propose what this node needs, and look again until it is decided."""
        op = self._wanted()
        if op is None or self.ctx.storage_failed is not None:
            return
        self.ctx.timers.set_earlier("join", self.ctx.now.mono_ns + self.ctx.config.retry_ns * 4)
        if not self.asking:
            self.asking = True
            self.decisions.propose(op, JOIN_CAUSE, self.ctx.me, self._answered)

    def _answered(self, outcome: Any) -> None:
        self.asking = False
        if not isinstance(outcome, NexusError):
            self.campaigns.lost_disk = False
        me = self.members.get(self.ctx.me)
        if me is not None:
            self.campaigns.registration = me.registration
        self.start()

    def _wanted(self) -> MemberAdmitted | DiskLost | None:
        config = self.ctx.config
        me = self.members.get(self.ctx.me)
        if me is None or self._must_register(me):
            return MemberAdmitted(config.node_id, config.role, config.weight, config.incarnation)
        lost = self.campaigns.lost_disk or register.r15_disk_lost(
            me.incarnation, config.incarnation
        )
        if lost and config.disk_proof:
            return DiskLost(config.node_id, config.incarnation)
        return None

    def _must_register(self, me: Member) -> bool:
        """Fenced: this process has dropped everything, so it may register again (R15 ii)."""
        return not register.r15_may_be_granted(me.fenced_upto, me.registration)
