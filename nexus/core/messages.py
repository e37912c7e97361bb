"""Messages between nodes: one frozen value each, one union.

Every message of the ownership protocol names the voter configuration that its sender is in (R21);
`nexus.core.envelope` adds sender, cluster id and session on the wire.  Shards are named by
(pool_no, index): a pool number is the slot of the decision that made the pool and is never used
twice.  Only durations travel, never instants (R11).
"""

from __future__ import annotations

from typing import Any

import msgspec

from nexus.core.decided import Value
from nexus.core.members import Member
from nexus.core.pool_record import PoolRecord
from nexus.devices.records import DeviceRecord
from nexus.ownership.configuration import Configuration
from nexus.ownership.records import WireRow
from nexus.ownership.values import Ballot, Grant, Seal, Session

ShardKey = tuple[int, int]


class _Message(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Base of all messages: tagged by class name on the wire."""


# --- grants (R1-R6, R22) --------------------------------------------------------------------


class PrepareShards(_Message):
    """A candidate asks for promises of one ballot for several shards."""

    config_no: int
    ballot: Ballot
    registration: int
    shards: tuple[ShardKey, ...]


class Promise(_Message):
    """A voter's answer for one shard; ``refused`` is empty where it promised."""

    shard: ShardKey
    refused: str
    promised: Ballot
    grant: Grant | None
    duty: bool
    """The next grant starts in quarantine (R15 iv)."""


class ShardsPromised(_Message):
    """Answer to `PrepareShards`."""

    config_no: int
    ballot: Ballot
    promises: tuple[Promise, ...]


class AcceptShards(_Message):
    """A candidate with promises of a majority proposes its own grants."""

    config_no: int
    ballot: Ballot
    grants: tuple[tuple[ShardKey, Grant], ...]


class ShardsAccepted(_Message):
    """Answer to `AcceptShards`: (shard, reason or "", promised ballot)."""

    config_no: int
    ballot: Ballot
    results: tuple[tuple[ShardKey, str, Ballot], ...]


class ReadShards(_Message):
    """A successor reads records (R8 c): (shard, epoch counter, floor, its own fingerprint)."""

    config_no: int
    ballot: Ballot
    shards: tuple[tuple[ShardKey, int, int], ...]
    """(shard, floor, fingerprint) as the reader has them."""


class ShardRead(_Message):
    """What one voter holds of one shard; ``same`` spares rows that the reader has already."""

    shard: ShardKey
    refused: str
    floor: int
    last_commit: tuple[int, int]
    seal: Seal | None
    same: bool
    rows: tuple[WireRow, ...]


class ShardsRead(_Message):
    """Answer to `ReadShards`."""

    config_no: int
    ballot: Ballot
    reads: tuple[ShardRead, ...]


class RenewGrants(_Message):
    """One renewal for all shards of an owner (R5)."""

    config_no: int
    round_no: int
    session: Session
    grants: tuple[tuple[ShardKey, Ballot], ...]


class GrantsRenewed(_Message):
    """Answer: everything asked is renewed but (shard, reason, higher ballot)."""

    config_no: int
    round_no: int
    refused: tuple[tuple[ShardKey, str, Ballot], ...]


# --- records (R7, R8) -----------------------------------------------------------------------


class Push(_Message):
    """Records (after_seq, last_seq] of one shard; none where the round only confirms."""

    shard: ShardKey
    epoch: Ballot
    after_seq: int
    last_seq: int
    commit_seq: int
    base_end: int
    rows: tuple[WireRow, ...]


class PushRecords(_Message):
    """One record round to one voter."""

    config_no: int
    round_no: int
    pushes: tuple[Push, ...]


class RecordsHeld(_Message):
    """Answer: (shard, seq held in that epoch, or -1 where the epoch is not the accepted one)."""

    config_no: int
    round_no: int
    held: tuple[tuple[ShardKey, Ballot, int], ...]


class ReleaseShards(_Message):
    """R12: sealed shards go back."""

    config_no: int
    seals: tuple[tuple[ShardKey, Seal], ...]


class ShardsReleased(_Message):
    """Answer: shards whose release this voter holds on disk."""

    config_no: int
    shards: tuple[tuple[ShardKey, Ballot], ...]


# --- spread of facts (R16-R19) --------------------------------------------------------------


class RowsSpread(_Message):
    """Elements of one shard: (after_seq, last_seq] of an epoch, or one part of a full answer."""

    shard: ShardKey
    owner: str
    epoch: int
    floor: int
    after_seq: int
    last_seq: int
    rows: tuple[WireRow, ...]


class DigestSpread(_Message):
    """R19: (shard, owner, epoch, seq, floor, fingerprint) of shards, and the decided slot."""

    slot: int
    digests: tuple[tuple[ShardKey, str, int, int, int, int], ...]
    answer: bool


class RowsWanted(_Message):
    """Ask for all elements of shards whose digests differ."""

    shards: tuple[ShardKey, ...]


# --- decisions (pools, devices, members) ----------------------------------------------------


class DecidePrepare(_Message):
    """A proposer asks for promises for the slots from ``slot`` on."""

    config_no: int
    slot: int
    ballot: Ballot


class DecidePromise(_Message):
    """Answer; ``accepted`` is what this voter accepted in the slot, if anything."""

    config_no: int
    slot: int
    ballot: Ballot
    ok: bool
    promised: Ballot
    accepted_ballot: Ballot
    accepted: Value | None
    decided_upto: int


class DecideAccept(_Message):
    """Propose a value for a slot."""

    config_no: int
    slot: int
    ballot: Ballot
    value: Value


class DecideAccepted(_Message):
    """Answer."""

    config_no: int
    slot: int
    ballot: Ballot
    ok: bool
    promised: Ballot


class Decided(_Message):
    """Slots that are decided, in order from ``first_slot``."""

    first_slot: int
    values: tuple[Value, ...]


class DecisionsWanted(_Message):
    """Ask for decided slots from ``first_slot`` on."""

    first_slot: int


class CatalogTold(_Message):
    """Everything decided up to ``slot``, for a member too far behind for single slots."""

    slot: int
    pools: tuple[PoolRecord, ...]
    members: tuple[Member, ...]
    devices: tuple[DeviceRecord, ...]


# --- voters (R21, R22) ----------------------------------------------------------------------


class ConfigTold(_Message):
    """The configuration that the sender is in; sent to whoever names an older one."""

    configuration: Configuration


class ConfigPrepare(_Message):
    """R21 a: ask the voters of configuration n for promises about n + 1."""

    config_no: int
    ballot: Ballot


class ConfigPromise(_Message):
    """Answer; an accepted value that is seen is proposed again."""

    config_no: int
    ballot: Ballot
    ok: bool
    promised: Ballot
    accepted_ballot: Ballot
    accepted: Configuration | None
    complete: bool


class ConfigAccept(_Message):
    """Propose configuration n + 1."""

    config_no: int
    ballot: Ballot
    value: Configuration


class ConfigAccepted(_Message):
    """Answer."""

    config_no: int
    ballot: Ballot
    ok: bool
    promised: Ballot


class StateWanted(_Message):
    """R21 c: a voter that is not complete asks for the states of the others."""

    config_no: int


class StateGiven(_Message):
    """One part of a voter's registers, records and marks, given inside this configuration."""

    config_no: int
    complete: bool
    part: int
    parts: int
    slot: int
    """Decided slots the giver has executed; the receiver must have them too."""
    votes: tuple[tuple[int, Ballot, Ballot, Value | None], ...]
    """Open decision slots: (slot, promised, accepted ballot, accepted)."""
    voters: tuple[
        tuple[
            ShardKey,
            Ballot,
            Grant | None,
            str | None,
            Seal | None,
            Session,
            bool,
            int,
            int,
            tuple[int, int],
            int,
        ],
        ...,
    ]
    """(shard, promised, grant, mark, seal, session, quarantine, acked seq, commit seq,
    last commit, floor)."""
    rows: tuple[tuple[ShardKey, tuple[WireRow, ...]], ...]


# --- requests on their way to an owner (R20), and life signs (R13) --------------------------


class Forward(_Message):
    """A caller's request, sent to the member that should answer it."""

    forward_no: int
    request: Any
    cause_id: str
    actor: str
    hops: int


class Forwarded(_Message):
    """The answer: a view, or (code, message, definite, detail) of a refusal."""

    forward_no: int
    view: Any
    error: tuple[str, str, bool, dict[str, Any]] | None


class LifeSign(_Message):
    """I am here: role, session, and the decided slot and configuration I know."""

    config_no: int
    session: Session
    slot: int


Message = (
    PrepareShards
    | ShardsPromised
    | AcceptShards
    | ShardsAccepted
    | ReadShards
    | ShardsRead
    | RenewGrants
    | GrantsRenewed
    | PushRecords
    | RecordsHeld
    | ReleaseShards
    | ShardsReleased
    | RowsSpread
    | DigestSpread
    | RowsWanted
    | DecidePrepare
    | DecidePromise
    | DecideAccept
    | DecideAccepted
    | Decided
    | DecisionsWanted
    | CatalogTold
    | ConfigTold
    | ConfigPrepare
    | ConfigPromise
    | ConfigAccept
    | ConfigAccepted
    | StateWanted
    | StateGiven
    | Forward
    | Forwarded
    | LifeSign
)
