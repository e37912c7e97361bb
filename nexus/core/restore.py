"""Rebuild a node's state from what its store has, in bulk (R6, R11).

Rows go straight into their tables; nothing is replayed event by event.  Entries are joins, so a
snapshot that was written piece by piece plus the log since its beginning comes to the state that
the log describes, whatever they repeat.
"""

from __future__ import annotations

from typing import Any

from nexus.core.catalog import Catalog
from nexus.core.entries import (
    ABANDONED,
    CatalogWritten,
    ClockRead,
    ConfigWritten,
    GrantsProposed,
    HoldsWritten,
    OpenRowsKept,
    OwnerWritten,
    ReplicaWritten,
    RowsWritten,
    SessionStarted,
    SlotWritten,
    VoterWritten,
)
from nexus.core.members import Member
from nexus.core.row_load import load_kept, load_rows
from nexus.ownership import holding, records, register
from nexus.ownership.clocks import ClockMark
from nexus.ownership.configuration import Configuration
from nexus.ownership.pool_state import PoolState
from nexus.ownership.shard import (
    BASING,
    DRAINING,
    READING,
    RENEWING,
    SEALED,
    OwnerShard,
    Shard,
)
from nexus.ownership.values import ZERO, Ballot, Session


class Remembered:
    """What a log says of its node's identity and clocks, before there is a node."""

    def __init__(self) -> None:
        self.cluster_id = ""
        self.member = ""
        self.incarnation = 0
        self.session = Session(0, 0)
        self.mark: ClockMark | None = None
        self.boot_changed = False

    def take(self, entry: Any) -> bool:
        """Note the newest identity and clock reading; True if the clock moved on."""
        if isinstance(entry, SessionStarted):
            self.cluster_id = entry.cluster_id
            self.member = entry.member
            self.incarnation = entry.incarnation
            self.session = max(self.session, entry.session)
            return self._clock(entry.mark)
        return isinstance(entry, ClockRead) and self._clock(entry.mark)

    def _clock(self, mark: ClockMark) -> bool:
        if self.mark is not None and mark.slow < self.mark.slow:
            return False
        self.mark = mark
        return True


class Restorer:
    """Takes decoded entries in order (snapshot first) and fills a node's parts."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.book = catalog.book
        self.slot = 0
        self.votes: dict[int, tuple[Ballot, Ballot, Any]] = {}
        self.values: dict[int, Any] = {}
        self.configuration: ConfigWritten | None = None
        self.owners: dict[tuple[int, int], OwnerWritten] = {}
        self.holds: HoldsWritten | None = None
        self._proposed: dict[tuple[int, int], Ballot] = {}

    def abandoned(self) -> dict[tuple[int, int], Ballot]:
        """Grants that were proposed and not won: nothing was ever told under them (R12)."""
        return {
            key: epoch
            for key, epoch in self._proposed.items()
            if holding.r12_never_won(epoch, *self._last_grant(key))
        }

    def _last_grant(self, key: tuple[int, int]) -> tuple[Ballot, bool]:
        """Epoch of the latest grant that the log knows of, and whether it was won."""
        known = self.owners.get(key)
        return (ZERO, False) if known is None else (known.epoch, known.state != ABANDONED)

    def take(self, entry: Any) -> None:
        """Apply one entry."""
        if isinstance(entry, RowsWritten):
            pool = self.book.by_no.get(entry.pool_no)
            if pool is not None:
                pool.begin(self.catalog.ctx.clocks)
                load_rows(pool, entry.rows)
        elif isinstance(entry, OpenRowsKept):
            pool = self.book.by_no.get(entry.pool_no)
            if pool is not None:
                pool.begin(self.catalog.ctx.clocks)
                load_kept(pool, entry)
        elif isinstance(entry, VoterWritten):
            self._voter(entry)
        elif isinstance(entry, OwnerWritten):
            self._owner(entry)
        elif isinstance(entry, ReplicaWritten):
            self._replica(entry)
        elif isinstance(entry, SlotWritten):
            self._slot(entry)
        elif isinstance(entry, CatalogWritten):
            self._catalog(entry)
        elif isinstance(entry, ConfigWritten):
            self._config(entry)
        elif isinstance(entry, GrantsProposed):
            for key in entry.shards:
                self._proposed[key] = max(entry.epoch, self._proposed.get(key, ZERO))
        elif isinstance(entry, HoldsWritten) and (
            self.holds is None or entry.mark.slow >= self.holds.mark.slow
        ):
            self.holds = entry

    def _voter(self, entry: VoterWritten) -> None:
        shard = self.book.shard((entry.pool_no, entry.shard))
        if shard is None:
            return
        voter = shard.voter
        voter.promised = max(voter.promised, entry.promised)
        if entry.grant is None or entry.grant.epoch < voter.epoch:
            return
        newer = entry.grant.epoch > voter.epoch
        voter.grant = entry.grant
        voter.mark = entry.mark if newer else entry.mark or voter.mark
        voter.seal = entry.seal or voter.seal
        voter.session = entry.session if newer else max(voter.session, entry.session)
        voter.quarantine = entry.quarantine
        voter.acked_seq = entry.acked_seq if newer else max(voter.acked_seq, entry.acked_seq)
        voter.commit_seq = entry.commit_seq if newer else max(voter.commit_seq, entry.commit_seq)
        voter.last_commit = max(voter.last_commit, entry.last_commit)
        voter.last_held = max(voter.last_held, entry.last_held)
        shard.known_owner = entry.grant.owner

    def _owner(self, entry: OwnerWritten) -> None:
        key = (entry.pool_no, entry.shard)
        known = self.owners.get(key)
        if known is None or entry.epoch >= known.epoch:
            self.owners[key] = entry

    def _replica(self, entry: ReplicaWritten) -> None:
        shard = self.book.shard((entry.pool_no, entry.shard))
        if shard is not None:
            shard.floor = max(shard.floor, entry.floor)
            if (entry.epoch, entry.seq) > (shard.have_epoch, shard.have_seq):
                shard.have_epoch, shard.have_seq = entry.epoch, entry.seq
            shard.known_owner = shard.known_owner or entry.owner

    def _slot(self, entry: SlotWritten) -> None:
        if not entry.decided:
            known = self.votes.get(entry.slot)
            if known is None or (entry.promised, entry.accepted_ballot) >= known[:2]:
                self.votes[entry.slot] = (entry.promised, entry.accepted_ballot, entry.accepted)
            return
        if entry.slot != self.slot + 1:
            return
        self.slot = entry.slot
        self.votes.pop(entry.slot, None)
        decided = tuple(entry.accepted or ())
        self.values[entry.slot] = decided
        from nexus.core.decisions import BATCH_MAX

        for place, proposal in enumerate(decided):
            self.catalog.execute(entry.slot * BATCH_MAX + place, proposal)

    def _catalog(self, entry: CatalogWritten) -> None:
        """A snapshot's catalogue replaces nothing newer."""
        if entry.slot < self.slot:
            return
        self.slot = entry.slot
        for record in entry.pools:
            self.catalog.learn_pool(record)
            known = self.book.by_no.get(record.pool_no)
            if known is not None and record.pool_no in entry.gone:
                known.retired_slow = entry.gone[record.pool_no]
        for pool_id, generation in entry.generations.items():
            self.book.note_generation(pool_id, generation)
        for member in entry.members:
            self.catalog.members.add(member)
        self.catalog.devices.restore(entry.devices)

    def _config(self, entry: ConfigWritten) -> None:
        known = self.configuration
        if known is None or entry.configuration.number >= known.configuration.number:
            self.configuration = entry

    # --- the end -----------------------------------------------------------------------------

    def finish(self, slow: int, told: int, drift_ppm: int, me: str) -> list[OwnerShard]:
        """R6 for every voter, this node's grants back, marks and cooling brought up to date."""
        for pool in self.book.by_no.values():
            for shard in pool.shards:
                register.r6_restart(shard.voter, slow, drift_ppm)
                drop_below(pool, shard, shard.floor)
        owners: list[OwnerShard] = []
        for key, entry in sorted(self.owners.items()):
            owned = self.book.shard(key)
            if owned is None or entry.grant is None:
                continue
            if self.book.by_no[key[0]].retired_us is not None and entry.seal is None:
                continue  # a deleted pool is not served any more, only given back (R12)
            shard = owned
            owner = OwnerShard(entry.grant)
            owner.base_end = entry.base_end
            owner.confirm = entry.confirm
            owner.seal = entry.seal
            owner.state = RESUMED.get(entry.state, entry.state)
            counter = entry.grant.epoch.counter
            drop_below(self.book.by_no[key[0]], shard, 0 if entry.state == READING else counter)
            if owner.state != READING:  # a reader has written nothing under its epoch yet
                resume_seqs(shard, owner, me)
            shard.owner = owner
            shard.known_owner = me
            owners.append(owner)
        del told
        return owners


RESUMED = {"serving": RENEWING, "draining": RENEWING, BASING: BASING, READING: READING}
"""A state on disk -> the state after a restart; nothing is served before a fresh renewal."""
RESUMED[DRAINING] = RENEWING
RESUMED[SEALED] = SEALED


def resume_seqs(shard: Shard, owner: OwnerShard, me: str) -> None:
    """Where an owner's records go on after a restart; everything read from the log is durable."""
    counter = owner.grant.epoch.counter
    # The highest seq of any epoch: a seq that is skipped costs nothing.
    owner.seq = owner.durable_seq = owner.sent_floor = max(
        owner.base_end,
        shard.have_seq if shard.have_epoch == counter else 0,
        shard.top_seq,
    )
    if shard.voter.epoch == owner.grant.epoch:
        owner.acked[me] = shard.voter.acked_seq = max(shard.voter.acked_seq, owner.seq)
        owner.commit_seq = shard.voter.commit_seq


def drop_below(pool: PoolState, shard: Shard, floor: int) -> None:
    """R18: the log still has elements that were dropped below an epoch floor."""
    if floor > 1:
        for row in [row for row in shard.rows if records.r18_below_floor(row.epoch, floor)]:
            pool.forget(shard, row)


__all__ = ["ZERO", "Configuration", "Member", "Remembered", "Restorer"]
