"""Aimed mixes: small worlds in which one kind of rule is under fire.

Three voters, two to four owners, fewer addresses than subscribers, short horizons: a run takes
about a tenth of a second.
"""

from __future__ import annotations

from typing import Any

from simulator.mutants import paths, scripts
from simulator.mutants.base import Mix

DURATION_S = 160
LONG = [DURATION_S, DURATION_S]

CLUSTER: dict[str, Any] = {
    "ack_limit_s": 1,
    "core_horizon_s": 10,
    "edge_horizon_s": 20,
    "offline_after_s": 4,
    "life_sign_interval_s": 1,
    "digest_interval_s": 3,
}
POOL: dict[str, Any] = {
    "id": "p",
    "cidr": "10.0.0.0/29",
    "sharding_factor": 2,
    "cooldown": 1,
    "mclt": 30,
    "horizon": 20,
}
CROWD: dict[str, Any] = {
    "kind": "flapping",
    "pool": "p",
    "prefix": "crowd",
    "subscribers": 9,
    "ttl_s": 60,
    "homes": "all",
    "ramp_s": 10,
    "release": 0.0,
    "provisional": 0.7,
    "roam": 0.5,
    "stay_s": [2, 40],
    "away_s": [0.5, 10],
}
LINES: dict[str, Any] = {
    **CROWD,
    "kind": "permanent",
    "prefix": "line",
    "subscribers": 4,
    "permanent": 1.0,
    "release": 0.9,
    "stay_s": [2, 40],
    "away_s": [70, 100],
}
"""Away for longer than a release can be on its way: a late one must not meet a new lease."""
SAFETY = ("overlap", "told_ends", "one_owner", "history", "legal", "sums")


def mix(
    name: str,
    what: str,
    faults: list[dict[str, Any]],
    *,
    cluster: dict[str, Any] | None = None,
    pool: dict[str, Any] | None = None,
    workloads: list[dict[str, Any]] | None = None,
    edges: int = 2,
    prepare: Any = None,
    strict: bool = True,
    **more: Any,
) -> Mix:
    """A mix that differs from the common small world in what is given."""
    raw = {
        "duration_s": DURATION_S,
        "calm_s": 1,
        "warmup_s": 4,
        "topology": {"kind": "mesh", "cores": 3, "edges": edges},
        "cluster": {**CLUSTER, **(cluster or {})},
        "pools": [{**POOL, **(pool or {})}],
        "workloads": workloads or [CROWD],
        "faults": faults,
        "checkers": SAFETY,
        **more,
    }
    return Mix(name, what, raw, prepare, strict)


def each(kind: str, count: int, **more: Any) -> dict[str, Any]:
    """So many injections of one kind."""
    return {"kind": kind, "count": count, **more}


CUTS = mix(
    "cuts",
    "owners are cut off and come back, some in the middle of a step",
    [
        each("partition", 5, for_s=[4, 60]),
        each("pause", 3, for_s=[1, 40]),
        each("crash", 2, for_s=[0.1, 10]),
    ],
)
DELAYS = mix(
    "delays",
    "messages take up to 25 s, and come twice",
    [
        each("slow_net", 3, for_s=[60, 200]),
        each("replay", 2, for_s=[60, 200]),
        each("partition", 3, for_s=[10, 40]),
        each("pause", 2, for_s=[5, 40]),
    ],
)
RESTARTS = mix(
    "restarts",
    "voters restart while an owner is cut off",
    [
        each("crash", 8, for_s=[0.1, 1], on=["core"]),
        each("partition", 5, for_s=[5, 40], shape="alone"),
        each("slow_net", 1, for_s=[60, 200]),
    ],
)
DRIFT = mix(
    "drift",
    "clocks run 10 % fast or slow, within a bound of 10 %",
    [
        each("partition", 5, for_s=[20, 60], shape="alone", on=["edge"]),
    ],
    cluster={"drift_ppm": 100_000, "drift_share": 1.0},
    prepare=scripts.drifting_apart,
)
SLEEP = mix(
    "sleep",
    "machines sleep and are paused, and cores' wall clocks jump within their bound",
    [
        each("wall_jump", 10, for_s=[1, 40], on=["core"]),
        each("suspend", 5, for_s=[5, 60]),
        each("pause", 2, for_s=[5, 60]),
        each("partition", 2, for_s=[10, 40]),
    ],
)
POWER = mix(
    "power",
    "machines lose power and come back with whatever their RTC says",
    [
        each("reboot", 6, for_s=[2, 20]),
        each("power_cut", 1, for_s=[2, 20]),
        each("partition", 3, for_s=[10, 40]),
        each("wall_jump", 2),
    ],
    workloads=[CROWD, LINES],
)
DISKS = mix(
    "disks",
    "edges lose their disks while others are cut off",
    [
        each("disk_lost", 5, for_s=[1, 6], on=["edge"]),
        each("partition", 4, for_s=[5, 30], shape="alone"),
    ],
    workloads=[{**CROWD, "homes": "edges"}, {**LINES, "homes": "edges"}],
    edges=3,
    prepare=scripts.edges_prove_disks,
)
DRAINS = mix(
    "drains",
    "owners are drained while messages are lost and processes die",
    [
        each("drain", 3),
        each("crash", 4, for_s=[0.1, 10]),
        each("lossy", 2, for_s=[20, 100]),
        each("partition", 3, for_s=[5, 30]),
    ],
    workloads=[CROWD, LINES],
    edges=4,
)
LEASES = mix(
    "leases",
    "permanent and long leases, releases and takeovers, with crashes and cuts",
    [
        each("partition", 5, for_s=[4, 50]),
        each("pause", 4, for_s=[1, 40]),
        each("crash", 3, for_s=[0.1, 30]),
        each("slow_net", 2, for_s=[20, 100]),
    ],
    workloads=[{**CROWD, "ttl_s": 300}, LINES],
)
TWICE = mix(
    "twice",
    "every message may come twice, and voters are cut off and restart",
    [
        {"kind": "replay", "at_s": [0], "for_s": LONG, "late_s_max": 2},
        each("partition", 6, for_s=[5, 40], shape="alone"),
        each("crash", 3, for_s=[0.1, 20], on=["core"]),
    ],
)
RIVALS = mix(
    "rivals",
    "members take each other for dead and want the same shards, over slow paths",
    [
        each("misjudge", 12, for_s=[2, 30]),
        each("slow_net", 3, for_s=[20, 100], tail_s_max=6),
        each("partition", 4, for_s=[5, 40]),
        each("crash", 3, for_s=[0.1, 10]),
    ],
    edges=3,
    calm_s=30,
    checkers=(),
)
CLONES = mix(
    "clones",
    "a frozen machine goes on while a copy of it runs",
    [],
    workloads=[CROWD, {**LINES, "subscribers": 2}],
    prepare=scripts.clones,
)
FENCED_RETURN = mix(
    "fenced return",
    "an edge is switched off and fenced, and comes back at once",
    [each("partition", 3, for_s=[3, 15], on=["core-1", "core-2"])],
    prepare=scripts.fenced_return,
)
LONG_HOLDS = mix(
    "long holds",
    "holds outlast MCLT; an edge that was cut off loses its disk",
    [
        each("partition", 6, for_s=[20, 80], shape="alone", on=["edge"]),
        each("disk_lost", 6, for_s=[1, 6], on=["edge"]),
    ],
    pool={"horizon": 150},
    workloads=[{**CROWD, "homes": "edges", "ttl_s": 300, "provisional": 1.0, "renew_at": 0.9}],
    edges=3,
    prepare=scripts.edges_prove_disks,
)
LATE_ORDERS = mix(
    "late orders",
    "answers leave their process seconds after they were made",
    [],
    workloads=[{**CROWD, "subscribers": 7, "ttl_s": 10, "stay_s": [5, 20]}],
    prepare=scripts.late_orders,
    checkers=("overlap", "one_owner"),
)
SLOW_DISKS = mix(
    "slow disks",
    "commits take seconds while owners are cut off",
    [
        each("slow_disk", 6, for_s=[10, 60]),
        each("partition", 5, for_s=[5, 40], shape="alone"),
        each("pause", 3, for_s=[5, 40]),
    ],
)
SHRINKING = mix(
    "shrinking",
    "renewals shorten leases, and the holder does not hear of it",
    [each("partition", 4, for_s=[21, 30], shape="alone")],
    workloads=[{**CROWD, "subscribers": 7, "ttl_s": 10, "stay_s": [5, 20]}],
    prepare=scripts.shrinking,
)
REMADE = mix(
    "remade",
    "a pool is deleted and made again over the same range",
    [
        {"kind": "recreate_pool", "at_s": [30, 75, 115], "for_s": [0.5, 6]},
        {"kind": "partition", "at_s": [22, 68, 108], "for_s": [15, 40], "on": ["edge-1"]},
    ],
)
DISKS_DRAINED = mix(
    "disks drained",
    "edges that lost their disks are drained",
    [
        each("disk_lost", 5, for_s=[1, 6], on=["edge"]),
        each("partition", 3, for_s=[5, 30], shape="alone"),
        each("drain", 3, on=["edge"]),
    ],
    workloads=[{**CROWD, "homes": "edges"}, {**LINES, "homes": "edges"}],
    edges=4,
    prepare=scripts.edges_prove_disks,
)
TWINS = mix(
    "twins",
    "subscribers ask on both sides of a partition",
    [{"kind": "partition", "at_s": [10, 40, 70, 100], "for_s": [12, 12], "on": ["edge-1"]}],
    workloads=[
        {
            **CROWD,
            "kind": "twins",
            "prefix": "twin",
            "subscribers": 8,
            "homes": "edges",
            "twice": 1.0,
            "ttl_s": 30,
            "provisional": 1.0,
            "stay_s": [5, 20],
        }
    ],
    pool={"cidr": "10.0.0.0/26", "sharding_factor": 8},
    prepare=scripts.one_each,
)
VOTERS = mix(
    "voters",
    "voters change while cores crash and are cut off",
    [
        each("partition", 5, for_s=[3, 30], shape="alone"),
        each("crash", 5, for_s=[0.1, 20], on=["core"]),
        each("slow_net", 2, for_s=[20, 100], tail_s_max=8),
    ],
    prepare=paths.both(scripts.voters_change, paths.deaf),
    topology={"kind": "mesh", "cores": 5, "edges": 2},
)
LOST_VOTERS = mix(
    "lost voters",
    "a core loses its disk while owners are cut off",
    [
        each("disk_lost", 3, for_s=[1, 6], on=["core"]),
        each("partition", 5, for_s=[5, 40], shape="alone"),
    ],
)
PICKY = mix(
    "picky",
    "paths treat one kind of message badly while owners are cut off",
    [
        each("partition", 5, for_s=[5, 30], shape="alone"),
        each("crash", 2, for_s=[0.1, 5]),
    ],
    workloads=[{**CROWD, "ttl_s": 300}, {**LINES, "release": 0.0}],
    prepare=paths.picky,
)
RELEASES = mix(
    "releases",
    "permanent addresses are released and given again while owners are cut off and die",
    [
        each("partition", 8, for_s=[2, 25], shape="alone"),
        each("crash", 5, for_s=[0.1, 5]),
    ],
    workloads=[
        {
            **CROWD,
            "prefix": "line",
            "subscribers": 10,
            "permanent": 0.7,
            "release": 1.0,
            "stay_s": [2, 15],
            "away_s": [12, 20],
        }
    ],
    pool={"cooldown": 15},
)
DEAF = mix(
    "deaf",
    "a voter hears of no rows for a while, and owners are cut off and die",
    [each("partition", 6, for_s=[21, 35], shape="alone"), each("crash", 3, for_s=[0.1, 20])],
    workloads=[{**CROWD, "ttl_s": 300}, {**LINES, "subscribers": 6, "release": 1.0}],
    prepare=paths.deaf,
)
DEAF_RELEASES = mix(
    "deaf releases",
    "addresses are released and given anew while a voter hears of no rows",
    [each("partition", 6, for_s=[21, 35], shape="alone"), each("crash", 3, for_s=[0.1, 20])],
    workloads=[
        {
            **LINES,
            "subscribers": 10,
            "permanent": 0.8,
            "release": 1.0,
            "stay_s": [3, 25],
            "away_s": [12, 25],
        }
    ],
    prepare=paths.deaf,
)
SLOW_ACCEPTS = mix(
    "slow accepts",
    "acceptances take seconds, and owners come back just when their shards are granted anew",
    [each("partition", 8, for_s=[16, 23], shape="alone")],
    prepare=paths.always_late(("AcceptShards",), 1.8),
)
UNRENEWED = mix(
    "unrenewed",
    "acceptances come late, and then the winner's renewals come nowhere",
    [],
    pool={"horizon": 34, "sharding_factor": 1},
    prepare=paths.unrenewed,
)
TAILS = mix(
    "tails",
    "records are lost on their way, and owners are drained and die",
    [each("crash", 2, for_s=[0.1, 5]), each("partition", 2, for_s=[2, 10], shape="alone")],
    workloads=[
        {
            **CROWD,
            "ttl_s": 15,
            "renew_at": 0.9,
            "stay_s": [20, 40],
            "away_s": [0.5, 3],
            "provisional": 1.0,
        }
    ],
    edges=4,
    prepare=paths.both(
        paths.always_late(("PushRecords", "RecordsHeld"), 1.5), scripts.drain_and_die
    ),
)
PASSED_ON = mix(
    "passed on",
    "a cut-off owner loses its disk, and who takes over has to leave soon after",
    [],
    pool={"horizon": 60},
    workloads=[
        {
            **CROWD,
            "homes": "edges",
            "ttl_s": 25,
            "renew_at": 0.9,
            "provisional": 1.0,
            "stay_s": [20, 60],
            "away_s": [0.5, 3],
        }
    ],
    edges=3,
    prepare=scripts.lost_and_passed_on,
)
UNSEEN = mix(
    "unseen releases",
    "a release that only its owner knew of is lost with the owner's disk",
    [],
    pool={"horizon": 60},
    workloads=[{**CROWD, "homes": "edges", "ttl_s": 25, "provisional": 1.0, "subscribers": 5}],
    edges=3,
    prepare=scripts.unseen_releases,
)
CRASHES = mix(
    "crashes",
    "processes die while their disks take seconds for a commit",
    [
        {"kind": "slow_disk", "at_s": [0, 0, 0, 0], "for_s": LONG},
        each("crash", 14, for_s=[0.1, 1]),
    ],
    workloads=[{**CROWD, "stay_s": [2, 15]}],
)
CLONES_SOON = mix(
    "clones soon",
    "a frozen machine goes on within its hold while a copy of it runs",
    [],
    workloads=[{**CROWD, "homes": "edges", "stay_s": [2, 10], "ttl_s": 10}],
    prepare=scripts.clones_soon,
    strict=False,
    checkers=("overlap",),
)
REBOOTS = mix(
    "reboots",
    "edges lose power, come back in another time, and die for long",
    [
        each("reboot", 6, for_s=[10, 25], on=["edge"]),
        each("crash", 3, for_s=[50, 90], on=["edge"]),
    ],
    workloads=[{**CROWD, "homes": "edges", "ask": 1.0, "renew_at": 0.3}],
)
COOLING = mix(
    "cooling",
    "short leases end without a word, and nothing goes wrong",
    [],
    pool={"cooldown": 15},
    workloads=[{**CROWD, "ttl_s": 10, "stay_s": [5, 20]}],
)
STALE = mix(
    "stale candidates",
    "a member that missed a grant starts again just when that grant's owner is switched off",
    [],
    edges=4,
    prepare=scripts.stale_candidates,
)
