"""Aimed mixes for corners: voters that missed a grant, old messages, clocks that all stop.

Small worlds like those of `mixes`, each made for one way in which few things must come together.
"""

from __future__ import annotations

from functools import partial

from simulator.mutants import (
    corner_scripts,
    paths,
    restart_scripts,
    rtc_scripts,
    scripts,
    voter_scripts,
)
from simulator.mutants.mixes import CROWD, LINES, SAFETY, each, mix

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
    "addresses change hands while edges hear of no rows, and then an edge takes over",
    [],
    pool={"cidr": "10.0.0.0/28"},
    workloads=[
        {
            **LINES,
            "subscribers": 14,
            "permanent": 0.8,
            "release": 1.0,
            "stay_s": [4, 12],
            "away_s": [3, 12],
        }
    ],
    edges=5,
    prepare=corner_scripts.stale_reads,
    duration_s=120,
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
FENCED_CANDIDATE = mix(
    "fenced candidate",
    "a fenced member that has not heard of it asks for its shards again",
    [],
    prepare=corner_scripts.fenced_candidate,
    duration_s=60,
)
STOPPED = mix(
    "stopped clocks",
    "every clock of an edge stops while it is stopped, and the edge knows that",
    [],
    workloads=[{**CROWD, "homes": "cores", "subscribers": 2}],
    prepare=corner_scripts.stopped_clocks,
    strict=False,
    checkers=("overlap",),
)
HALF_SEEN = mix(
    "half seen releases",
    "a release that one voter has heard of is lost with its owner's disk and that voter",
    [],
    pool={"horizon": 60},
    workloads=[{**CROWD, "homes": "edges", "ttl_s": 25, "provisional": 1.0, "subscribers": 3}],
    edges=3,
    prepare=corner_scripts.half_seen_releases,
)
FOUNDED_TWICE = mix(
    "founded twice",
    "one founder is never there, another loses its disk when the third is away",
    [],
    workloads=[{**CROWD, "ttl_s": 300, "stay_s": [60, 90], "homes": "edges"}, LINES],
    prepare=voter_scripts.founded_twice,
    duration_s=90,
    strict=False,
    checkers=("overlap", "legal"),
)
UNSEEN_ENDS = mix(
    "unseen ends",
    "a lease ends where only its owner knows of it, and the owner's disk is lost",
    [],
    pool={"horizon": 60},
    workloads=[{**CROWD, "homes": "edges", "ttl_s": 25, "provisional": 1.0, "subscribers": 3}],
    edges=3,
    prepare=partial(scripts.unseen_releases, ttl_s=200),
)
UNSEEN_OFFERS = mix(
    "unseen offers",
    "one voter keeps what an owner offered and took back, and the owner's disk is lost",
    [],
    pool={"horizon": 60},
    workloads=[{**CROWD, "homes": "edges", "ttl_s": 25, "provisional": 1.0, "subscribers": 3}],
    edges=3,
    prepare=corner_scripts.unseen_offers,
)
TWICE_OVER = mix(
    "twice over",
    "a voter misses that leases ended, is away when a successor reads, and is read by the next",
    [],
    workloads=[{**CROWD, "subscribers": 2}],
    edges=4,
    prepare=corner_scripts.twice_over,
    duration_s=125,
)
IGNORANT = mix(
    "ignorant copies",
    "joiners hear first of a voter that has missed everything, while owners are cut off",
    [],
    prepare=voter_scripts.ignorant_copies,
    topology={"kind": "mesh", "cores": 5, "edges": 4},
    duration_s=70,
)
BACK_AND_CUT_OFF = mix(
    "back and cut off",
    "an owner restarts, serves again, and is cut off while its hold lasts",
    [],
    pool={"horizon": 60},
    workloads=[{**CROWD, "homes": "cores", "subscribers": 2}],
    prepare=restart_scripts.back_and_cut_off,
    duration_s=60,
    strict=False,
    checkers=("overlap",),
)
TRUSTED_RTCS = mix(
    "trusted rtcs",
    "edges that trust their RTCs lose power while they are cut off",
    [],
    prepare=rtc_scripts.trusted_rtcs,
)
STARVED = mix(
    "starved voters",
    "voters are replaced before they have copied anything",
    [],
    prepare=voter_scripts.voters_starved,
    topology={"kind": "mesh", "cores": 5, "edges": 2},
    duration_s=60,
    calm_s=40,
    checkers=(*SAFETY, "liveness"),
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

DOUBTS_AND_VOTERS = mix(
    "doubts and voters",
    "shards in quarantine lose their owners to drains and fences while voters change",
    [each("crash", 2, for_s=[0.1, 20], on=["core"])],
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
    prepare=paths.both(scripts.voters_change, scripts.lost_and_passed_on),
    topology={"kind": "mesh", "cores": 5, "edges": 3},
)
FIND_VOTERS = mix(
    "find voters",
    "voters change several times while edges are cut off; afterwards everybody is served",
    [
        {"kind": "partition", "at_s": [12], "for_s": [100, 110], "on": ["edge-1"]},
        {"kind": "partition", "at_s": [30], "for_s": [80, 90], "on": ["edge-2"]},
    ],
    prepare=scripts.voters_change,
    topology={"kind": "mesh", "cores": 5, "edges": 3},
    calm_s=60,
    checkers=(*SAFETY, "liveness"),
)
ATTACKS = (DOUBTS_AND_VOTERS, FIND_VOTERS)
"""Mixes that no mutant needs: what was never modelled before must pass them."""
