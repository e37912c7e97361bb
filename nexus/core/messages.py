"""Messages between nodes: one frozen value each, one union.

Every message of the ownership protocol names the voter configuration that its sender is in (R21);
`nexus.core.envelope` adds sender, cluster id and session on the wire.  Shards are named by
(pool_no, index): a pool number is the slot of the decision that made the pool and is never used
twice.  Only durations travel, never instants (R11).
"""

from __future__ import annotations

import msgspec

from nexus.core.decided import Value
from nexus.core.members import Member
from nexus.core.pool_record import PoolRecord
from nexus.core.spread_messages import DigestProbed as DigestProbed
from nexus.core.spread_messages import DigestSpread as DigestSpread
from nexus.core.spread_messages import RowsSpread as RowsSpread
from nexus.core.spread_messages import RowsWanted as RowsWanted
from nexus.crdt.clset import Entry, Head
from nexus.devices.records import DeviceRecord
from nexus.ownership.configuration import Configuration
from nexus.ownership.records import WireRow
from nexus.ownership.values import Ballot, Grant, Seal, Session

ShardKey = tuple[int, int]


class _Message(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Base of all messages: tagged by class name on the wire."""


# --- grants (R1-R6, R22) --------------------------------------------------------------------


class PrepareShards(_Message, frozen=True):
    """A candidate asks for promises of one ballot for several shards."""

    config_no: int
    ballot: Ballot
    registration: int
    shards: tuple[ShardKey, ...]


class Promise(_Message, frozen=True):
    """A voter's answer for one shard; refused by a timer, ``wait_ns`` says how long it runs."""

    shard: ShardKey
    refused: str
    promised: Ballot
    grant: Grant | None
    duty: bool
    """The next grant starts in quarantine (R15 iv)."""
    wait_ns: int = 0


class ShardsPromised(_Message, frozen=True):
    """Answer to `PrepareShards`."""

    config_no: int
    ballot: Ballot
    promises: tuple[Promise, ...]


class AcceptShards(_Message, frozen=True):
    """A candidate with promises of a majority proposes its own grants."""

    config_no: int
    ballot: Ballot
    grants: tuple[tuple[ShardKey, Grant], ...]


class ShardsAccepted(_Message, frozen=True):
    """Answer to `AcceptShards`: (shard, reason or "", promised ballot)."""

    config_no: int
    ballot: Ballot
    results: tuple[tuple[ShardKey, str, Ballot], ...]


class ReadShards(_Message, frozen=True):
    """A successor reads records (R8 c): (shard, epoch counter, floor, its own fingerprint)."""

    config_no: int
    ballot: Ballot
    shards: tuple[tuple[ShardKey, int, int], ...]
    """(shard, floor, fingerprint) as the reader has them."""


class ShardRead(_Message, frozen=True):
    """What one voter holds of one shard; ``same`` spares rows that the reader has already."""

    shard: ShardKey
    refused: str
    floor: int
    last_commit: tuple[int, int]
    seal: Seal | None
    same: bool
    rows: tuple[WireRow, ...]
    have: tuple[int, int] = (0, 0)
    """(epoch counter, seq): everything of the epochs before up to here is in ``rows``, or over."""


class ShardsRead(_Message, frozen=True):
    """Answer to `ReadShards`."""

    config_no: int
    ballot: Ballot
    reads: tuple[ShardRead, ...]


class RenewGrants(_Message, frozen=True):
    """One renewal for all shards of an owner (R5)."""

    config_no: int
    round_no: int
    session: Session
    grants: tuple[tuple[ShardKey, Ballot], ...]


class GrantsRenewed(_Message, frozen=True):
    """Answer: everything asked is renewed but (shard, reason, higher ballot)."""

    config_no: int
    round_no: int
    refused: tuple[tuple[ShardKey, str, Ballot], ...]
    session: Session
    """That of the renewal: an answer to an earlier process is nobody's."""
    clock_ns: int = 0
    """The voter's slow clock, for owners without a running clock of their own (R5)."""


class SessionChallenged(_Message, frozen=True):
    """R22: a voter asks who sent a superseded renewal whether it still lives."""

    superseded: Session
    nonce: int


class ChallengeAnswered(_Message, frozen=True):
    """R22: the process of this session lives."""

    session: Session
    nonce: int


# --- records (R7, R8) -----------------------------------------------------------------------


class Push(_Message, frozen=True):
    """Records (after_seq, last_seq] of one shard; none where the round only confirms.

    With ``after_seq`` 0 the rows are the whole shard.
    """

    shard: ShardKey
    epoch: Ballot
    after_seq: int
    last_seq: int
    commit_seq: int
    base_end: int
    rows: tuple[WireRow, ...]
    gone: tuple[int, ...] = ()
    """Units whose latest record in the stretch is over: cooled, and given to nobody since."""


class PushRecords(_Message, frozen=True):
    """One record round to one voter."""

    config_no: int
    round_no: int
    pushes: tuple[Push, ...]
    session: Session


class RecordsHeld(_Message, frozen=True):
    """Answer: (shard, seq held in that epoch, or -1 where the epoch is not the accepted one)."""

    config_no: int
    round_no: int
    held: tuple[tuple[ShardKey, Ballot, int], ...]
    session: Session


class ReleaseShards(_Message, frozen=True):
    """R12: sealed shards go back."""

    config_no: int
    seals: tuple[tuple[ShardKey, Seal], ...]


class ShardsReleased(_Message, frozen=True):
    """Answer: shards whose release this voter holds on disk."""

    config_no: int
    shards: tuple[tuple[ShardKey, Ballot], ...]


# --- decisions (pools, devices, members) ----------------------------------------------------


class DecidePrepare(_Message, frozen=True):
    """A proposer asks for promises for the slots from ``slot`` on."""

    config_no: int
    slot: int
    ballot: Ballot


class DecidePromise(_Message, frozen=True):
    """Answer; ``accepted`` is what this voter accepted in the slot, if anything."""

    config_no: int
    slot: int
    ballot: Ballot
    ok: bool
    promised: Ballot
    accepted_ballot: Ballot
    accepted: Value | None
    decided_upto: int


class DecideAccept(_Message, frozen=True):
    """Propose a value for a slot."""

    config_no: int
    slot: int
    ballot: Ballot
    value: Value


class DecideAccepted(_Message, frozen=True):
    """Answer."""

    config_no: int
    slot: int
    ballot: Ballot
    ok: bool
    promised: Ballot


class Decided(_Message, frozen=True):
    """Slots that are decided, in order from ``first_slot``."""

    first_slot: int
    values: tuple[Value, ...]


class DecisionsWanted(_Message, frozen=True):
    """Ask for decided slots from ``first_slot`` on."""

    first_slot: int


class CatalogTold(_Message, frozen=True):
    """Everything decided up to ``slot``, for a member too far behind for single slots."""

    slot: int
    pools: tuple[PoolRecord, ...]
    members: tuple[Member, ...]
    devices: tuple[DeviceRecord, ...]


# --- voters (R21, R22) ----------------------------------------------------------------------


class ConfigTold(_Message, frozen=True):
    """The configuration that the sender is in; sent to whoever names an older one."""

    configuration: Configuration


class ConfigPrepare(_Message, frozen=True):
    """R21 a: ask the voters of configuration n for promises about n + 1."""

    config_no: int
    ballot: Ballot


class ConfigPromise(_Message, frozen=True):
    """Answer; an accepted value that is seen is proposed again."""

    config_no: int
    ballot: Ballot
    ok: bool
    promised: Ballot
    accepted_ballot: Ballot
    accepted: Configuration | None
    complete: bool


class ConfigAccept(_Message, frozen=True):
    """Propose configuration n + 1."""

    config_no: int
    ballot: Ballot
    value: Configuration


class ConfigAccepted(_Message, frozen=True):
    """Answer."""

    config_no: int
    ballot: Ballot
    ok: bool
    promised: Ballot


class StateWanted(_Message, frozen=True):
    """R21 c: a voter that is not complete asks for the states of the others."""

    config_no: int


class LifeTold(_Message, frozen=True):
    """R21 d: a voter that is not complete says which life of its disk it is."""

    config_no: int
    incarnation: int


class LifeNoted(_Message, frozen=True):
    """Answer: it is on disk here, or (not ``ok``) the id belongs to another life."""

    config_no: int
    incarnation: int
    ok: bool


class StateGiven(_Message, frozen=True):
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
            tuple[int, int],
            int,
        ],
        ...,
    ]
    """(shard, promised, grant, mark, seal, session, quarantine, acked seq, commit seq,
    last commit, last held, floor)."""
    rows: tuple[tuple[ShardKey, tuple[WireRow, ...]], ...]
    lives: tuple[tuple[str, int], ...] = ()
    """Voters' lives that the giver has written down (R21 d)."""


# --- requests on their way to an owner (R20), and life signs (R13) --------------------------


class Wrapped(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A request or an answer by the name of its type (`nexus.core.wrapping`)."""

    name: str
    payload: bytes


class Forward(_Message, frozen=True):
    """A caller's request, sent to the member that should answer it."""

    forward_no: int
    session: Session
    request: Wrapped
    cause_id: str
    actor: str
    visited: tuple[str, ...]
    """Members that have had it so far."""
    unit: tuple[int, int] | None = None
    """(pool_no, unit index) of the row that the call is about, where its sender knows it."""


class Forwarded(_Message, frozen=True):
    """The answer: a view or a refusal; ``session`` is that of the process which asked.

    ``wall_us`` is the sender's wall clock: stamps in the view are told by it, and the receiver
    turns them into what is left of a duration (R11).
    """

    forward_no: int
    session: Session
    answer: Wrapped
    wall_us: int


class LifeSign(_Message, frozen=True):
    """I am here: session, the configuration and decided slot I know, and my hybrid clock (R20)."""

    config_no: int
    session: Session
    slot: int
    clock_us: int = 0


class HeadsTold(_Message, frozen=True):
    """R19: all that the sender knows of facts that nobody decides, without their values."""

    fingerprint: int
    heads: dict[str, Head]


class FactsTold(_Message, frozen=True):
    """A delta of that set."""

    facts: dict[str, Entry[int]]


class MessagePart(_Message, frozen=True):
    """A piece of a long message (`nexus.core.parts`), parts counted from 0."""

    session: Session
    number: int
    part: int
    parts: int
    payload: bytes


Message = (
    PrepareShards
    | ShardsPromised
    | AcceptShards
    | ShardsAccepted
    | ReadShards
    | ShardsRead
    | RenewGrants
    | GrantsRenewed
    | SessionChallenged
    | ChallengeAnswered
    | PushRecords
    | RecordsHeld
    | ReleaseShards
    | ShardsReleased
    | RowsSpread
    | DigestProbed
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
    | LifeTold
    | LifeNoted
    | StateWanted
    | StateGiven
    | Forward
    | Forwarded
    | LifeSign
    | HeadsTold
    | FactsTold
    | MessagePart
)
