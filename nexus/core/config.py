"""What a node's core is told about itself and its cluster; durations in nanoseconds."""

from __future__ import annotations

import msgspec

from nexus.model.time import NS_PER_MS, NS_PER_S
from nexus.ownership.values import Session

OWNER_ROLES = ("core", "write", "edge")
"""Roles that may own shards; ``read`` never does."""
ROLES = ("core", "write", "read", "edge")


class InitialMember(msgspec.Struct, frozen=True, array_like=True):
    """A member that the cluster is founded with."""

    id: str
    role: str = "core"
    weight: float = 1.0


class NodeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Identity, founding members and knobs (protocol section 5 of DESIGN.md)."""

    node_id: str
    cluster_id: str
    incarnation: int
    """The number of this disk's life: random, made with the data path."""
    session: Session
    """This process start: persisted counter + 1, and a random number."""
    boot_id: str
    role: str = "core"
    weight: float = 1.0
    disk_proof: bool = False
    """A key bound to the hardware proves that a new incarnation is this device (R15 iv)."""
    running_clock: bool = True
    """Some clock runs on while the machine is stopped, and is readable without the network."""
    witness_age_ns: int = NS_PER_S
    """Without such a clock: a voter's answer older than this is not served on (R5)."""
    members: tuple[InitialMember, ...] = ()
    """Founding members; empty means this node alone.  Those with role core vote."""
    voters: tuple[str, ...] = ()
    """Founding voters; empty: up to five core members by id."""
    ack_limit_ns: int = 5 * NS_PER_S
    clock_error_bound_ns: int | None = 10 * NS_PER_S
    cold_start_error_bound_ns: int | None = None
    """Error of a wall clock that runs on while the machine is off; set: holds are resumed by it
    after a start (`cold_start_offline` = rtc_trusted), None: nothing before a fresh renewal."""
    core_horizon_ns: int = 15 * NS_PER_S
    edge_horizon_ns: int = 86_400 * NS_PER_S
    fast_failover_horizon_ns: int = 10 * NS_PER_S
    renew_interval_ns: int | None = None
    """None: min(20 s, smallest horizon held / 6)."""
    renew_jitter_ratio: float = 0.2
    round_interval_ns: int = 2 * NS_PER_MS
    quorum_wait_ns: int = 2 * NS_PER_S
    grant_wait_ns: int = 2 * NS_PER_S
    drift_ppm: int = 1000
    offline_after_ns: int = 30 * NS_PER_S
    life_sign_interval_ns: int = 5 * NS_PER_S
    digest_interval_ns: int = 10 * NS_PER_S
    retry_ns: int = 500 * NS_PER_MS
    """Unanswered messages of the protocol are sent again after this (with jitter)."""
    move_budget_ratio: float = 0.01
    """Share of a pool's shards that one owner hands over per minute in a rebalance."""

    @property
    def witness_ns(self) -> int | None:
        """How old a voter's answer may be; None for a node whose own clock runs on."""
        return None if self.running_clock else self.witness_age_ns
