"""The small worlds that are walked, from the smallest up; a new one is one more entry."""

from __future__ import annotations

from simulator.explore.small import Ask, Small

FIRST = Ask("allocate", "s1")
SECOND = Ask("allocate", "s2")
THEN_SECOND = Ask("allocate", "s2", after=0)
"""Where both ask for the same, who asks first may as well be called s1."""
FIRST_SHORT = Ask("allocate", "s1", 1)
SECOND_SHORT = Ask("allocate", "s2", 1)

_ALL = (
    Small(
        name="lone",
        question="One node, its own majority: one address, two subscribers, short leases, a crash",
        voters=("a",),
        serving="a",
        given=(FIRST_SHORT,),
        asks=(SECOND_SHORT,),
        rounds=5,
        crashes=1,
        fires={"renew": 5},
    ),
    Small(
        name="lone-release",
        question="One node: a lease is given back and given away again, a crash",
        voters=("a",),
        serving="a",
        given=(FIRST,),
        asks=(Ask("release", "s1"), SECOND),
        rounds=1,
        crashes=1,
        fires={"renew": 2},
    ),
    Small(
        name="first-grant",
        question="Three voters and one owner from nothing: a grant and a crash of the owner",
        owners=("a",),
        rounds=0,
        crashes=1,
        crashable=("a",),
        runs=1,
        fires={"round": 1},
    ),
    Small(
        name="second-try",
        question="The same, and the owner may run for the shard a second time",
        owners=("a",),
        rounds=0,
        crashes=1,
        crashable=("a",),
        runs=2,
        fires={"round": 1},
    ),
    Small(
        name="two-candidates",
        question="Two owners run for a free shard at once: does one of them alone get it?",
        owners=("a", "b"),
        rounds=0,
        runs=2,
        fires={"round": 2},
    ),
    Small(
        name="hold",
        question="An owner is cut off and another takes over: do their holds ever overlap?",
        owners=("a", "b"),
        serving="a",
        rounds=3,
        runs=1,
        fires={"round": 1, "renew": 1},
    ),
    Small(
        name="voter-crash",
        question="The same, and a voter dies and starts again in the midst of it",
        owners=("a", "b"),
        serving="a",
        rounds=3,
        crashes=1,
        crashable=("c",),
        runs=1,
        fires={"round": 1, "renew": 1},
    ),
    Small(
        name="takeover",
        question="A permanent lease, a takeover, a second subscriber: one address, one user",
        owners=("a", "b"),
        serving="a",
        given=(FIRST,),
        away=("b",),
        asks=(SECOND,),
        rounds=3,
        runs=1,
        fires={"round": 2},
    ),
    Small(
        name="record",
        question="A permanent lease is being written while the shard goes over to another",
        owners=("a", "b"),
        serving="a",
        asks=(FIRST, THEN_SECOND),
        rounds=3,
        runs=1,
        fires={"round": 5},
    ),
    Small(
        name="drain",
        question="A drained shard goes over without a wait, while its last record is under way",
        owners=("a", "b"),
        serving="a",
        asks=(FIRST, THEN_SECOND),
        rounds=0,
        drains=1,
        runs=1,
        fires={"round": 4},
    ),
    Small(
        name="lost-disk",
        question="The owner comes back with an empty disk: is what it told safe from the next?",
        owners=("a", "b"),
        serving="a",
        given=(FIRST,),
        asks=(SECOND,),
        rounds=3,
        crashes=1,
        crashable=("a",),
        wipes=1,
        runs=2,
        fires={"round": 2, "join": 1},
    ),
)

WORLDS: dict[str, Small] = {small.name: small for small in _ALL}
