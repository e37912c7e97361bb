"""Which part a message is for, and what each named timer does: two tables, one line each.

A node makes them once; a message then costs one look-up, whatever its kind.  Methods are bound
when the node is made, so a rule replaced before that (a mutant) is the one that is called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, get_args

from nexus.core import messages as m
from nexus.core.parts import Assembly
from nexus.model.time import NS_PER_S

if TYPE_CHECKING:
    from nexus.core.node import NexusNode

Receive = Callable[[str, Any], None]
"""(sender, message)"""


class Inbound:
    """What comes in from other members and from this node's timers, and where it goes."""

    def __init__(self, node: NexusNode) -> None:
        self.node = node
        self.receivers = self._receivers()
        self.timers = self._timers()
        self.assembly = Assembly()

    def receive(self, sender: str, message: m.Message) -> None:
        """Give a message to the part it is for."""
        lost_peers = self.node.lost_peers
        if lost_peers:
            lost_peers.pop(sender, None)
        self.receivers[type(message)](sender, message)

    def deadline(self) -> None:
        """Ring the timers that are due."""
        timers = self.timers
        ctx = self.node.ctx
        for name in ctx.timers.pop_due(ctx.clocks.now.mono_ns):
            timers[name]()

    def rows_came(self) -> None:
        """Rows of others, of any pool, end and cool here as well; looked at within a second."""
        node = self.node
        soon = node.ctx.now.mono_ns + NS_PER_S
        node.leasing.next_due_ns = min(node.leasing.next_due_ns, soon)
        node.retiring.look()

    def _rows_of(self, pool_no: int) -> None:
        """The same of one pool, and when the first of them ends is known."""
        node = self.node
        pool = node.book.by_no.get(pool_no)
        if pool is not None:
            node.leasing.filed(pool)
            node.retiring.look()

    # --- the tables --------------------------------------------------------------------------

    def _timers(self) -> dict[str, Callable[[], None]]:
        node = self.node
        return {
            "renew": node.owning.renewing.renew,
            "round": node.owning.round,
            "questions": node.telling.expire_questions,
            "campaigns": node.campaigns.tick,
            "placement": node.placement.look,
            "release": node.owning.releasing.tick,
            "decisions": node.decisions.tick,
            "waiting": node.passing.expire_waiting,
            "forwards": node.passing.expire_forwards,
            "join": node.joining.look,
            "slices": node.slices.tick,
            "quarantine": node.owning.quarantine_over,
            "life": node.spread.life,
            "digest": self._digest,
            "voters": node.voters.tick,
        }

    def _receivers(self) -> dict[type, Receive]:
        node = self.node
        voting, owning, campaigns = node.voting, node.owning, node.campaigns
        decisions, renewing, spread = node.decisions, owning.renewing, node.spread
        # Everything about configurations goes to the voters' part, the rest has a line of its own.
        table: dict[type, Receive] = dict.fromkeys(get_args(m.Message), node.voters.receive)
        table |= {
            # Grants and records
            m.RenewGrants: voting.on_renew,
            m.GrantsRenewed: renewing.on_renewed,
            m.PushRecords: self._pushed,
            m.RecordsHeld: owning.on_held,
            m.PrepareShards: voting.on_prepare,
            m.ShardsPromised: campaigns.on_promised,
            m.AcceptShards: voting.on_accept,
            m.ShardsAccepted: self._accepted,
            m.ReadShards: voting.on_read,
            m.ShardsRead: campaigns.on_read,
            m.ReleaseShards: voting.on_release,
            m.ShardsReleased: owning.releasing.on_released,
            m.SessionChallenged: renewing.on_challenged,
            m.ChallengeAnswered: voting.on_challenge_answered,
            # Callers' requests on their way
            m.Forward: node.passing.on_forward,
            m.Forwarded: self._forwarded,
            # Decisions
            m.DecidePrepare: self._decide_prepare,
            m.DecidePromise: decisions.on_promise,
            m.DecideAccept: self._decide_accept,
            m.DecideAccepted: decisions.on_accepted,
            m.Decided: self._decided,
            # Facts
            m.RowsSpread: self._rows,
            m.DigestProbed: spread.on_probe,
            m.DigestSpread: spread.on_digest,
            m.RowsWanted: spread.on_wanted,
            m.LifeSign: spread.on_life,
            m.DecisionsWanted: spread.on_decisions_wanted,
            m.CatalogTold: self._catalog,
            m.StateGiven: self._state,
            m.MessagePart: self._part,
            m.HeadsTold: node.facts.on_heads,
            m.FactsTold: self._facts,
        }
        return table

    # --- messages for two parts, or with a condition -----------------------------------------

    def _facts(self, sender: str, message: m.FactsTold) -> None:
        del sender  # whoever tells it: the newest counts
        self.node.facts.on_told(message)

    def _part(self, sender: str, part: m.MessagePart) -> None:
        message = self.assembly.take(sender, part)
        if message is not None:
            self.receivers[type(message)](sender, message)

    def _pushed(self, sender: str, message: m.PushRecords) -> None:
        self.node.voting.on_push(sender, message)
        for pool_no in {push.shard[0]: None for push in message.pushes}:
            self._rows_of(pool_no)

    def _accepted(self, sender: str, message: m.ShardsAccepted) -> None:
        node = self.node
        node.owning.renewing.adopt(node.campaigns.on_accepted(sender, message))

    def _forwarded(self, sender: str, message: m.Forwarded) -> None:
        del sender  # whoever answers: the question's number says whose it was
        self.node.passing.on_forwarded(message)

    def _decide_prepare(self, sender: str, message: m.DecidePrepare) -> None:
        if self.node.voting.in_configuration(sender, message.config_no):
            self.node.decisions.on_prepare(sender, message)

    def _decide_accept(self, sender: str, message: m.DecideAccept) -> None:
        if self.node.voting.in_configuration(sender, message.config_no):
            self.node.decisions.on_accept(sender, message)

    def _decided(self, sender: str, message: m.Decided) -> None:
        del sender  # anybody may tell what was decided
        self.node.decisions.on_decided(message)

    def _rows(self, sender: str, message: m.RowsSpread) -> None:
        del sender  # rows say themselves whose they are
        self.node.spread.on_rows(message)
        self._rows_of(message.shard[0])

    def _catalog(self, sender: str, message: m.CatalogTold) -> None:
        del sender  # a catalogue is as new as its slot
        self.node.spread.on_catalog(message)
        self.rows_came()

    def _state(self, sender: str, message: m.StateGiven) -> None:
        self.node.voters.receive(sender, message)
        self.rows_came()

    def _digest(self) -> None:
        """A round of anti-entropy; and nothing that ends is overlooked for longer than that."""
        self.node.spread.digest()
        self.node.leasing.look()
