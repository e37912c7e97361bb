"""Facts that nobody decides, spread by a causal-length set (R17): heartbeats that members post.

Everything about ownership is decided or written by an owner, and has an order of its own.  What is
left is what some member has *seen*: that a node called it.  It is worth telling the others, so that
a node which calls one core is alive for all, and it is worth nothing more: it moves placement and
what is shown (R13).

A heartbeat makes the node's key present, a later one is a later stamp of the hybrid clock, and a
fence makes it absent: the longer causal length then wins over every heartbeat from before it,
however late it comes, and one after registering again is longer still.

Not on disk: what is seen is seen again, and the others bring it back.
"""

from __future__ import annotations

from nexus.core.context import Context
from nexus.core.members import Members
from nexus.core.messages import FactsTold, HeadsTold
from nexus.crdt.clset import CLSet, Entry
from nexus.model.time import NS_PER_US

PREFIX = "nodes/"
DEPTH = 0
"""One leaf: a set of members is small, all of its heads fit into one message."""
FACTS_MAX = 4_096
"""Facts in one message; the rest waits for the next comparison."""


class Facts:
    """This node's replica of what members have seen."""

    def __init__(self, ctx: Context, members: Members) -> None:
        self.ctx = ctx
        self.members = members
        self.heard: CLSet[int] = CLSet(DEPTH)
        """nodes/<id> -> wall-clock microseconds of the last heartbeat posted anywhere."""

    def beat(self, member_id: str) -> None:
        """A member has called here."""
        wall_us = self.ctx.now.wall_us
        key = PREFIX + member_id
        entry = self.heard.put(key, wall_us, self.ctx.hybrid.tick(wall_us))
        if entry is not None:
            self._take({key: entry})
            if not self.ctx.alone:
                self.ctx.effects_now(FactsTold({key: entry}))

    def fenced(self, member_id: str, stamp: int) -> None:
        """It is off (R15 ii); the same everywhere, so ``stamp`` is what was decided."""
        self.heard.remove(PREFIX + member_id, stamp)

    # --- anti-entropy (R19) ------------------------------------------------------------------

    def compare(self, peer: str) -> None:
        """Tell a peer the heads of all that is known here; it answers with what differs."""
        heads = self.heard.heads((0,))
        if heads:
            self.ctx.send(peer, HeadsTold(self.heard.fingerprint, heads))

    def on_heads(self, sender: str, message: HeadsTold) -> None:
        """Send what the peer lacks, and our heads where it has something newer."""
        if message.fingerprint == self.heard.fingerprint:
            return
        found = self.heard.compare((0,), message.heads)
        if found.delta:
            self.ctx.send(sender, FactsTold(dict(list(found.delta.items())[:FACTS_MAX])))
        if found.wanted and not found.delta:
            self.ctx.send(sender, HeadsTold(self.heard.fingerprint, self.heard.heads((0,))))

    def on_told(self, message: FactsTold) -> None:
        """Join what a peer has seen."""
        self._take(self.heard.merge(message.facts))

    def _take(self, changed: dict[str, Entry[int]]) -> None:
        """What follows for this node's view of its members."""
        now_us = self.ctx.now.wall_us
        window_us = self.ctx.config.offline_after_ns // NS_PER_US
        for key, entry in changed.items():
            self.ctx.hybrid.observe(entry.stamp, now_us)
            member = key.removeprefix(PREFIX)
            if entry.value is None:
                continue
            self.members.heard[member] = max(self.members.heard.get(member, 0), entry.value)
            if now_us - entry.value < window_us:
                self.members.judge(member, "online")
