"""What is decided by majority: the operations whose total order every node executes alike.

Pools, members and devices change by these alone.  An operation carries everything that its
execution looks at, wall-clock stamps included, so that every node comes to the same state.
"""

from __future__ import annotations

import msgspec

from nexus.devices.requests import DeviceWrite
from nexus.model.pool import PoolSpec


class _Op(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Base of all decided operations."""


class PoolMade(_Op, frozen=True):
    """Create a pool (or find the identical one)."""

    spec: PoolSpec
    at_us: int


class PoolGone(_Op, frozen=True):
    """Delete a pool; what was told of it stays blocked (R10)."""

    pool_id: str
    at_us: int


class MemberAdmitted(_Op, frozen=True):
    """A member registers (again): its next registration begins, its old grants end (R15 ii)."""

    member_id: str
    role: str
    weight: float
    incarnation: int


class MemberDraining(_Op, frozen=True):
    """A member gives its shards back and gets no new ones (R12)."""

    member_id: str
    draining: bool


class MemberFenced(_Op, frozen=True):
    """An operator states that a member cannot forward until it has registered again (R15 ii)."""

    member_id: str
    registration: int
    statement: str


class DiskLost(_Op, frozen=True):
    """A member proved that it is a new incarnation: its older grants are dead (R15 iv)."""

    member_id: str
    incarnation: int


class DeviceOp(_Op, frozen=True):
    """A change of the device registry."""

    request: DeviceWrite
    at_us: int


Op = PoolMade | PoolGone | MemberAdmitted | MemberDraining | MemberFenced | DiskLost | DeviceOp


class Proposal(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An operation and who proposed it, so that its proposer recognises it when it is decided."""

    node: str
    session: int
    number: int
    cause_id: str
    actor: str
    op: Op


Value = tuple[Proposal, ...]
"""What one slot decides: operations in order; empty where a slot was only closed."""
