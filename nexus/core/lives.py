"""One disk, one voter's id: a voter whose disk is lost never votes under that id again (R21 d).

A voter with an empty disk does not know what its id has promised before, and answers that are
still on their way count for it.  So every disk has a life of its own (its incarnation), and a
voter answers nothing before the other voters have written down that its id belongs to this life:
all of them when the cluster is founded, since then nothing else tells an empty disk from a lost
one; a quorum when voters change, since two quorums share a voter, and that one refuses a second
life.  What was written down goes to voters that join, with the rest of a voter's state.
"""

from __future__ import annotations

from nexus.core.context import Context
from nexus.core.messages import LifeNoted, LifeTold
from nexus.ownership import configuration as rules


class Lives:
    """This node's part: what it has written down of others, and who has written it down."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.known: dict[str, int] = {}
        """Voter -> the incarnation that its id belongs to, for ever."""
        self.refused: set[str] = set()
        """Voters that asked with another life since this process began: no change may name them."""
        self.noted: dict[str, None] = {}
        """Voters that have our life on disk, by answers in the present configuration."""
        self.admitted = True
        """This disk has been a complete voter, or never had to ask: it knows what its id said."""
        self.lost = False
        """Our id belongs to another disk: this node may own shards, but never vote."""

    @property
    def founding(self) -> bool:
        """A founding voter on an empty disk: everybody else has to know of it first."""
        config = self.ctx.configuration
        return not self.admitted and config.number == 1 and self.ctx.me in config.old

    @property
    def missing(self) -> list[str]:
        """Founding voters that have not been heard."""
        return [name for name in self.ctx.configuration.voters if name not in self.holders()]

    def holders(self) -> list[str]:
        """Voters that have our life on disk, ourselves included."""
        return [*self.noted, self.ctx.me]

    def may_vote(self) -> bool:
        """Enough voters know this life that another one of our id would be found out."""
        config = self.ctx.configuration
        if self.founding:
            return rules.r21d_founded(config, self.holders())
        return rules.r21d_known(config, self.holders())

    def tell(self) -> None:
        """Ask every voter to write down our life."""
        ctx = self.ctx
        message = LifeTold(ctx.configuration.number, ctx.config.incarnation)
        for voter in ctx.configuration.voters:
            if voter != ctx.me and voter not in self.noted:
                ctx.send(voter, message)

    def on_told(self, sender: str, message: LifeTold) -> bool:
        """Write a voter's life down if its id has none yet; True if that is new."""
        ctx = self.ctx
        if sender not in ctx.configuration.voters or not self._may_note():
            return False
        new = sender not in self.known
        if new:
            self.known[sender] = message.incarnation
        return new

    def _may_note(self) -> bool:
        """An empty disk may have known another life; while all or the old voters are asked too,
        that does no harm."""
        config = self.ctx.configuration
        return not self.lost and (self.admitted or config.joint or config.number == 1)

    def answer(self, sender: str, message: LifeTold) -> None:
        """Say which life the id belongs to, once that is on disk."""
        known = self.known.get(sender)
        if known is not None and self._may_note():
            ok = rules.r21d_same_life(known, message.incarnation)
            if not ok:
                self.refused.add(sender)
            self.ctx.send(sender, LifeNoted(message.config_no, message.incarnation, ok))

    def on_noted(self, sender: str, message: LifeNoted) -> None:
        """A voter has written us down, or knows our id by another disk."""
        ctx = self.ctx
        if message.incarnation != ctx.config.incarnation or ctx.complete:
            return
        if message.ok:
            if sender in ctx.configuration.voters:
                self.noted[sender] = None
        elif not self.lost:
            self.lost = True
            ctx.audit("VOTER_REFUSED", "nexus", "join", f"nodes/{ctx.me}", known_by=sender)

    def merge(self, lives: tuple[tuple[str, int], ...]) -> None:
        """What another voter has written down; what stands here stays."""
        for voter, incarnation in lives:
            self.known.setdefault(voter, incarnation)

    def entry(self) -> tuple[tuple[str, int], ...]:
        """As log and messages have it."""
        return tuple(sorted(self.known.items()))
