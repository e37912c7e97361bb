"""The frozen values of the ownership protocol: ballots, grants, seals, marks.

A ballot is also an epoch: the grant that a ballot created is known by it for ever (R2).  Node,
incarnation and session are part of it, so neither a lost disk nor a clone can repeat one.
What is held about a shard at one node (mutable) lives in `nexus.ownership.shard`.
"""

from __future__ import annotations

import msgspec


class Ballot(msgspec.Struct, frozen=True, order=True, array_like=True, gc=False):
    """A ballot of a shard's grant register, and the epoch of the grant that it made.

    The order is that of the fields; the API shows ``counter`` as ``epoch``.
    """

    counter: int
    node: str
    incarnation: int
    session: int


ZERO = Ballot(0, "", 0, 0)


class Session(msgspec.Struct, frozen=True, order=True, array_like=True, gc=False):
    """One process start of a member (R22): a persisted counter and a random number."""

    counter: int
    nonce: int


NO_SESSION = Session(0, 0)


class Grant(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The value of a grant register: who may serve the shard under this epoch."""

    epoch: Ballot
    owner: str
    registration: int
    incarnation: int
    horizon_ns: int | None
    """H; None for a pinned pool: the grant never runs out by itself."""
    quarantine: bool = False
    """The new owner has to quarantine every address first (R15 iv)."""


class Seal(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """R12: what the drained epoch ended with; its owner will never serve it again."""

    epoch: Ballot
    last_seq: int
    digest: int


RELEASED = "released"
FENCED = "fenced"
DEAD = "dead"

ShardKey = tuple[int, int]
"""(pool_no, shard index): pool numbers are never used twice, so the generation is in it."""
