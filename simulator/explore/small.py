"""Small worlds: a handful of members, one address, and bounds on everything that could go on.

Time in them is rounds: in each round every clock (each machine's, and the subscribers') moves on by
one quantum, in any order and with anything in between.  So two clocks may measure the same stretch
up to two quanta apart, and the drift bound of the worlds is chosen such that the guard of one
quantum is exactly two: what R5 and R10 promise about the order of timers is all that is known of
time, and it is known tightly.  One quantum is the horizon H, MCLT, and the shortest lease.
"""

from __future__ import annotations

import msgspec

from nexus.core.config import InitialMember, NodeConfig
from nexus.core.pool_record import PoolRecord
from nexus.model.pool import PoolSpec
from nexus.ownership.values import Session
from simulator.explore.canon import QUANTUM_NS

DRIFT_PPM = 500_000
"""r = 1/2: the guard of d is 2 d, and a voter waits 3 H."""
POOL_ID = "p"
POOL_NO = 256
RETRY_NS = 1
BOOT = "boot"


class Ask(msgspec.Struct, frozen=True):
    """Something a subscriber may ask, once, at any owner."""

    verb: str
    """allocate, renew, get, release."""
    subscriber: str
    ttl: int = 0
    """Quanta; 0 is permanent."""
    after: int = -1
    """Number of the ask that must have been asked before."""
    provisional: bool = False

    def told(self) -> str:
        """For people."""
        kind = f" for {self.ttl}" if self.ttl else " for ever" if self.verb == "allocate" else ""
        return f"{self.subscriber} asks to {self.verb}{kind}"


class Small(msgspec.Struct, frozen=True, kw_only=True):
    """One small world: its members, what may happen in it, and how often."""

    name: str
    question: str
    voters: tuple[str, ...] = ("a", "b", "c")
    owners: tuple[str, ...] = ("a",)
    """Members that run for the shard."""
    serving: str | None = None
    """The world begins when this member serves the shard, renewed just now."""
    asks: tuple[Ask, ...] = ()
    given: tuple[Ask, ...] = ()
    """Asked and answered by the serving member before the world begins."""
    away: tuple[str, ...] = ()
    """Members that hear nothing of that."""
    rounds: int = 1
    """How often every clock moves on by a quantum."""
    crashes: int = 0
    """How many processes may die, at any point, and start again."""
    crashable: tuple[str, ...] = ()
    """Members that may die; empty: all."""
    wipes: int = 0
    """How many of the dead may come back with an empty disk (and the proof of it)."""
    drains: int = 0
    runs: int = 0
    """How often members run for the shard; who should, by R1, is a hint and a matter of nobody."""
    fires: dict[str, int] = {}
    """Timers of the core that may ring, and how often over all members."""
    slow_disk: bool = False
    """A commit is a step of its own; else it is part of the step that asked for it."""

    @property
    def ending(self) -> bool:
        """Some answer ends by itself, so the subscribers' clock matters."""
        return any(ask.ttl or ask.provisional for ask in (*self.asks, *self.given))

    def spec(self) -> PoolSpec:
        """The pool: one address, one shard, no cooldown: R10's other terms stand alone."""
        return PoolSpec(
            id=POOL_ID,
            type="ipv4",
            cidr="10.0.0.1/32",
            sharding_factor=1,
            cooldown=0,
            horizon=1,
            mclt=1,
            default_ttl=1,
            max_ttl=1_000,
            load_bound=1.25,
        )

    def record(self) -> PoolRecord:
        """The pool as every member's disk has it from the beginning."""
        return PoolRecord(POOL_NO, 1, self.spec(), 0, None)

    def config(self, name: str, session: int, incarnation: int = 1) -> NodeConfig:
        """One process start of one member."""
        lone = len(self.voters) == 1
        members = tuple(
            InitialMember(each, "core", 1.0 if each in self.owners else 0.001)
            for each in self.voters
        )
        return NodeConfig(
            node_id=name,
            cluster_id="small",
            incarnation=incarnation,
            session=Session(session, session),
            boot_id=BOOT,
            disk_proof=True,
            members=() if lone else members,
            voters=() if lone else self.voters,
            ack_limit_ns=QUANTUM_NS,
            clock_error_bound_ns=None,
            renew_interval_ns=RETRY_NS,
            renew_jitter_ratio=0.0,
            round_interval_ns=RETRY_NS,
            quorum_wait_ns=0,
            grant_wait_ns=0,
            drift_ppm=DRIFT_PPM,
            retry_ns=RETRY_NS,
            digest_interval_ns=QUANTUM_NS,
        )
