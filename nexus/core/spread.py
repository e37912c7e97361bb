"""Spread of shared facts: elements of shards, decided slots, life signs (R16-R19).

Nothing here is needed for safety: it fills the views from which lists, usage and routing are
told, and it brings late members up to date.  A digest round compares the roots of two digest trees
(`digests.py`), goes down where they differ, then compares (epoch, seq, fingerprint) of the shards
there, and only what differs is sent.
"""

from __future__ import annotations

from typing import Any

from nexus.core.book import PoolBook
from nexus.core.catalog import Catalog
from nexus.core.context import Context
from nexus.core.decisions import Decisions
from nexus.core.digests import Line, ShardDigests
from nexus.core.entries import CatalogWritten
from nexus.core.facts import Facts
from nexus.core.members import Member, Members
from nexus.core.messages import (
    CatalogTold,
    ConfigTold,
    DecisionsWanted,
    DigestProbed,
    DigestSpread,
    LifeSign,
    RowsSpread,
    RowsWanted,
)
from nexus.core.owning import fresh_rows
from nexus.core.pool_record import PoolRecord
from nexus.core.voting import merge_rows, prune_rows, raise_floor, replica_entry, wire_rows
from nexus.crdt.digest import Differing
from nexus.ownership.pool_state import PoolState
from nexus.ownership.shard import DRAINING, READING, SERVING, Shard

Key = tuple[int, int]

DIGESTS_MAX = 4_096
"""Shards in one digest message."""
ROWS_WANTED_MAX = 256
"""Shards asked for at once; the rest waits for the next round."""


class Spread:
    """This node's part of the spread."""

    def __init__(
        self,
        ctx: Context,
        book: PoolBook,
        members: Members,
        catalog: Catalog,
        decisions: Decisions,
        facts: Facts,
    ) -> None:
        self.ctx = ctx
        self.book = book
        self.members = members
        self.catalog = catalog
        self.decisions = decisions
        self.facts = facts
        self.digests = ShardDigests(ctx, book, self.line_of)
        self.sync_rounds = 0
        self.merged_rows = 0

    # --- periodic ----------------------------------------------------------------------------

    def life(self) -> None:
        """Say that we live, and what we know to be decided."""
        ctx = self.ctx
        number, session = ctx.configuration.number, ctx.config.session
        stamp = ctx.hybrid.tick(ctx.now.wall_us)
        ctx.effects_now(LifeSign(number, session, self.decisions.slot, stamp))
        ctx.timers.set("life", ctx.now.mono_ns + ctx.config.life_sign_interval_ns)

    def digest(self) -> None:
        """Compare with one peer; over time with all."""
        ctx = self.ctx
        peers = [member for member in self.members.ids() if member != ctx.me]
        if peers:
            peer = peers[ctx.rng.randrange(len(peers))]
            ctx.send(peer, DigestProbed(self.decisions.slot, self.digests.opening()))
            self.facts.compare(peer)
            self.sync_rounds += 1
        ctx.flush_later()
        interval = ctx.config.digest_interval_ns
        ctx.timers.set("digest", ctx.now.mono_ns + interval // 2 + ctx.rng.randrange(interval))

    def _tell_lines(self, to: str, leaves: tuple[int, ...], *, answer: bool) -> None:
        """Lines of all shards in these leaves; one answer is enough for several messages."""
        slot = self.decisions.slot
        found = self.digests.lines(leaves)
        for first in range(0, max(1, len(found)), DIGESTS_MAX):
            part = tuple(found[first : first + DIGESTS_MAX])
            self.ctx.send(to, DigestSpread(slot, leaves, part, answer and not first))

    def line_of(self, shard: Shard) -> Line:
        """What is compared of a shard."""
        epoch, seq = self.position(shard)
        owner = self.ctx.me if shard.owner is not None else shard.known_owner or ""
        return (shard.key, owner, epoch, seq, shard.floor, shard.fingerprint)

    def position(self, shard: Shard) -> tuple[int, int]:
        """(epoch, seq) up to which this node has all elements of a shard."""
        owner = shard.owner
        if owner is not None and owner.state != READING:
            return owner.grant.epoch.counter, owner.durable_seq
        return shard.have_epoch, shard.have_seq

    # --- messages ----------------------------------------------------------------------------

    def on_decisions_wanted(self, sender: str, message: DecisionsWanted) -> None:
        """Single slots if they are still at hand, else the whole catalogue."""
        if not self.decisions.on_wanted(sender, message):
            told = self._catalog()
            self.ctx.send_long(
                sender, told, len(told.pools) + len(told.members) + len(told.devices)
            )

    def on_life(self, sender: str, message: LifeSign) -> None:
        """A member lives; is one of us behind?"""
        ctx = self.ctx
        now_us = ctx.clocks.now.wall_us
        self.members.heard[sender] = now_us
        ctx.hybrid.observe(message.clock_us, now_us)
        if message.slot > self.decisions.slot:
            ctx.send(sender, DecisionsWanted(self.decisions.slot + 1))
        if message.config_no < ctx.configuration.number:
            ctx.send(sender, ConfigTold(ctx.configuration))

    def on_probe(self, sender: str, message: DigestProbed) -> None:
        """A step of a comparison: take the next one, until the leaves that differ are known."""
        if message.slot > self.decisions.slot:
            self.ctx.send(sender, DecisionsWanted(self.decisions.slot + 1))
        try:
            step = self.digests.answer(message.probe)
        except ValueError:
            return  # a tree of another shape: another version's, which compares anew as well
        if isinstance(step, Differing):
            if step.leaves:
                self._tell_lines(sender, step.leaves, answer=True)
        else:
            self.ctx.send(sender, DigestProbed(self.decisions.slot, step))

    def on_digest(self, sender: str, message: DigestSpread) -> None:
        """Ask for shards that the sender has newer, tell ours where we have newer ones."""
        if message.slot > self.decisions.slot:
            self.ctx.send(sender, DecisionsWanted(self.decisions.slot + 1))
        wanted: list[Key] = []
        for key, owner, epoch, seq, floor, fingerprint in message.digests:
            shard = self.book.shard(key)
            if shard is None:
                continue
            mine = self.position(shard)
            if epoch > mine[0] or (epoch == mine[0] and owner and shard.owner is None):
                shard.known_owner = owner or shard.known_owner
                self.ctx.touch(shard)
            behind = (epoch, seq) > mine or floor > shard.floor
            differs = (epoch, seq) == mine and fingerprint != shard.fingerprint
            if shard.owner is None and (behind or differs):
                wanted.append(key)
        if wanted:
            self.ctx.send(sender, RowsWanted(tuple(wanted[:ROWS_WANTED_MAX])))
        if message.answer:
            self._tell_lines(sender, message.leaves, answer=False)

    def on_wanted(self, sender: str, message: RowsWanted) -> None:
        """Whole shards, to a peer that is behind with them."""
        for key in message.shards[:ROWS_WANTED_MAX]:
            shard = self.book.shard(key)
            if shard is None:
                continue
            epoch, seq = self.position(shard)
            owner = self.ctx.me if shard.owner is not None else shard.known_owner or ""
            rows = tuple(wire_rows(self.ctx, list(shard.rows)))
            told = RowsSpread(key, owner, epoch, shard.floor, 0, seq, rows)
            self.ctx.send_long(sender, told, len(rows))

    def push(self, shard: Shard) -> None:
        """R7: an owner's fresh elements to members that do not vote (voters have them pushed).

        Called once per record round, after the replies; it leaves when it is on disk.
        """
        owner = shard.owner
        if owner is None or owner.state not in (SERVING, DRAINING):
            return
        if owner.spread_seq >= owner.seq:
            return
        ctx = self.ctx
        voters = ctx.configuration.voters
        others = [name for name in self.members.ids() if name not in voters and name != ctx.me]
        if others:
            after, rows, gone = fresh_rows(shard, owner, owner.spread_seq)
            message = RowsSpread(
                shard.key,
                ctx.me,
                owner.grant.epoch.counter,
                shard.floor,
                after,
                owner.seq,
                tuple(wire_rows(ctx, rows)),
                gone,
            )
            for name in others:
                ctx.send_long(name, message, len(rows) + len(gone))
        owner.spread_seq = owner.seq

    def on_rows(self, message: RowsSpread) -> None:
        """Merge elements; the position moves only over complete stretches."""
        pool = self.book.by_no.get(message.shard[0])
        shard = self.book.shard(message.shard)
        if pool is None or shard is None or shard.owner is not None:
            return
        rows = merge_rows(self.ctx, pool, shard, message.rows)
        upto = (message.epoch, message.last_seq)
        if message.after_seq == 0 or message.epoch == shard.have_epoch:
            prune_rows(self.ctx, pool, shard, message.rows, message.gone, message.after_seq, upto)
        self.merged_rows += len(rows)
        moved = self._advance(pool, shard, message)
        if rows or moved:
            # A copy of what its owner has on disk: no commit of its own for every record of others.
            self.ctx.touch(shard)
            entry = replica_entry(shard) if moved else None
            self.ctx.persist_later(pool.pool_no, rows, ("replica", *shard.key), entry)

    def _advance(self, pool: PoolState, shard: Shard, message: RowsSpread) -> bool:
        """Whether the position, or who is known to own it, has moved."""
        before = (shard.have_epoch, shard.have_seq, shard.known_owner)
        if message.epoch > shard.have_epoch and message.after_seq == 0:
            shard.have_epoch, shard.have_seq = message.epoch, message.last_seq
        elif message.epoch == shard.have_epoch and message.after_seq <= shard.have_seq:
            shard.have_seq = max(shard.have_seq, message.last_seq)
        if message.epoch >= shard.have_epoch and message.owner:
            shard.known_owner = message.owner
        if message.floor > shard.floor and message.epoch >= message.floor:
            raise_floor(self.ctx, pool, shard, message.floor)
        return (shard.have_epoch, shard.have_seq, shard.known_owner) != before

    # --- the catalogue -----------------------------------------------------------------------

    def _catalog(self) -> CatalogTold:
        pools = tuple(
            PoolRecord(pool.pool_no, pool.generation, pool.spec, pool.created_us, pool.retired_us)
            for pool in sorted(self.book.by_no.values(), key=lambda pool: pool.pool_no)
        )
        return CatalogTold(
            self.decisions.slot,
            pools,
            tuple(self.members.all()),
            tuple(self.catalog.devices.export()),
        )

    def on_catalog(self, message: CatalogTold) -> None:
        """Too far behind for single slots: take the whole catalogue."""
        if message.slot <= self.decisions.slot:
            return
        for record in message.pools:
            self.catalog.learn_pool(record)
        for member in message.members:
            old = self.members.get(member.id)
            self.members.add(Member(*_fields(member)))
            if old is None or member.fenced_upto > old.fenced_upto:
                self.catalog.on_fenced(member.id, member.fenced_upto)
        self.catalog.devices.restore(message.devices)
        self.decisions.slot = message.slot
        self.decisions.reset()
        self.ctx.persist(
            CatalogWritten(message.slot, message.pools, message.members, message.devices)
        )
        self.catalog.on_placement()


def _fields(member: Member) -> tuple[Any, ...]:
    return (
        member.id,
        member.role,
        member.weight,
        member.registration,
        member.incarnation,
        member.fenced_upto,
        member.draining,
    )
