"""Aimed mixes for corners: voters that missed a grant, old messages, clocks that all stop.

Small worlds like those of `mixes`, each made for one way in which few things must come together.
"""

from __future__ import annotations

from simulator.mutants import corner_scripts, scripts
from simulator.mutants.mixes import CROWD, LINES, each, mix

NEWCOMERS = mix(
    "newcomers",
    "owners die, and members that have never heard of their epochs follow them",
    [each("crash", 6, for_s=[40, 60])],
    edges=5,
    prepare=corner_scripts.edges_hear_nothing,
)
PROPOSERS = mix(
    "proposers",
    "a candidate loses its disk when one voter has accepted its proposal",
    [],
    edges=4,
    prepare=corner_scripts.dies_proposing,
)
STALE_READS = mix(
    "stale reads",
    "addresses change hands while members in turn hear of no rows, and owners die",
    [each("crash", 5, for_s=[30, 45]), each("partition", 2, for_s=[21, 30], shape="alone")],
    workloads=[
        {
            **LINES,
            "subscribers": 12,
            "permanent": 0.8,
            "release": 1.0,
            "stay_s": [3, 12],
            "away_s": [12, 25],
        }
    ],
    prepare=corner_scripts.deaf_in_turn,
)
UNAWARE = mix(
    "unaware voter",
    "a voter that missed a grant promises while another knows that its disk is lost",
    [],
    pool={"horizon": 60},
    workloads=[{**CROWD, "homes": "edges", "subscribers": 2, "ttl_s": 25, "provisional": 1.0}],
    edges=3,
    prepare=corner_scripts.unaware_voter,
    duration_s=60,
)
UNDER_WAY = mix(
    "releases under way",
    "an owner dies when it has given a shard back, and is back before anybody hears of it",
    [each("drain", 6)],
    workloads=[{**CROWD, "ttl_s": 15, "renew_at": 0.5, "stay_s": [20, 40], "provisional": 1.0}],
    edges=4,
    prepare=corner_scripts.releases_on_their_way,
)
OLD_RELEASES = mix(
    "old releases",
    "what gave a shard back comes again when its next owner is cut off",
    [each("drain", 3, at_s=[10, 25, 40]), each("partition", 6, for_s=[8, 18], shape="alone")],
    edges=4,
    prepare=corner_scripts.old_releases,
)
FENCED_AND_BACK = mix(
    "fenced and back",
    "a fenced member registers again and serves before every voter knows of the fence",
    [],
    edges=2,
    prepare=corner_scripts.fenced_and_back,
    duration_s=100,
)
STOPPED = mix(
    "stopped clocks",
    "every clock of an edge stops while it is stopped, and the edge knows that",
    [each("partition", 2, for_s=[5, 20], shape="alone")],
    prepare=corner_scripts.stopped_clocks,
)
LATE_RELEASES = mix(
    "late releases",
    "a release comes late and twice, when its holder has been told the address again",
    [],
    workloads=[
        {
            **CROWD,
            "release": 1.0,
            "careful": 0.0,
            "roam": 1.0,
            "permanent": 0.3,
            "stay_s": [2, 15],
            "away_s": [0.3, 3],
        }
    ],
    edges=3,
    prepare=corner_scripts.late_releases,
)
ASKERS = mix(
    "askers",
    "answers of voters come when the address has been through other hands",
    [],
    cluster={"quorum_wait_s": 30},
    workloads=[{**CROWD, "stay_s": [2, 15], "away_s": [0.5, 3], "subscribers": 8}],
    prepare=corner_scripts.asks_and_leaves,
    strict=False,
    checkers=("overlap",),
)
DRAINED_DOUBTS = mix(
    "drained doubts",
    "shards in quarantine are drained and their owners die",
    [each("drain", 4)],
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
