"""`nexus-sim whatif`: if a site is cut off for so long, who keeps service, and what is stranded?

Answered from the rules, lease by lease (R5, R8 b, R10, R14), for a cluster as it is now: a node
that is cut off serves from its own shards until its hold ends, tells no lease beyond that hold,
and nobody else gets its shards before.  ``--out`` also makes a scenario of the same shape (members,
roles, pools) that starts from the live owners and leases, through the product's own restore path,
and runs it with the cut, so that the answer can be seen happen.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from nexus.core.config import NodeConfig
from nexus.model.time import NS_PER_S
from nexus.ownership import clocks
from simulator.live import Live, LiveError, LiveLease, LivePool, LiveShard, fetch

DRIFT_PPM = 1_000
RENEWALS_PER_HORIZON = 6
"""A hold that is not told was renewed at worst this fraction of the horizon ago."""
FOREVER = float("inf")
SHOWN_MAX = 20
SIMULATED_S_MAX = 86_400
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

KEEPS, MOVES, ENDS = "keeps", "moves", "ends"


class Fate(msgspec.Struct, frozen=True):
    """What becomes of one lease."""

    subscriber: str
    pool: str
    resource: str
    site: str
    what: str
    """keeps: served all the time; moves: has to take another address; ends: without service."""
    until_s: float
    """From the cut to the end of this lease; infinite if it outlasts the cut."""


class Stranded(msgspec.Struct, frozen=True):
    """A shard of the cut side: nobody else may give out its addresses."""

    pool: str
    shard: int
    owner: str
    free: int
    for_s: float
    """Until another may own it, or the cut is over; infinite if an operator has to act."""


class Answer(msgspec.Struct, frozen=True):
    """The whole answer."""

    cut: str
    for_s: float
    majority_left: bool
    """The voters that are left can still renew and grant."""
    holds_s: float
    """For how long the cut member serves."""
    fates: tuple[Fate, ...]
    stranded: tuple[Stranded, ...]


def duration_s(text: str) -> float:
    """``90``, ``90s``, ``15m``, ``6h``, ``2d``."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"expected a duration as 90s, 15m, 6h or 2d, got {text!r}")
    return float(match[1]) * _UNITS[match[2] or "s"]


def horizon_s(pool: LivePool, role: str) -> float:
    """H of a grant to a member of this role."""
    spec = pool.spec
    defaults = {field.name: field.default for field in msgspec.structs.fields(NodeConfig)}
    if spec.pinned:
        return FOREVER
    if spec.horizon is not None:
        return spec.horizon
    if spec.fast_failover:
        return float(defaults["fast_failover_horizon_ns"]) / NS_PER_S
    key = "edge_horizon_ns" if role == "edge" else "core_horizon_ns"
    return float(defaults[key]) / NS_PER_S


class _Cut:
    """One cut of one cluster."""

    def __init__(self, live: Live, node: str, for_s: float) -> None:
        self.live = live
        self.node = node
        self.for_s = for_s
        self.roles = {member.id: member.role for member in live.members}
        self.pools = {pool.spec.id: pool for pool in live.pools}
        self.shards = {(shard.pool, shard.index): shard for shard in live.shards}
        cores = [name for name, role in self.roles.items() if role == "core"]
        left = [name for name in cores if name != node]
        self.majority_left = 2 * len(left) > len(cores)
        self.cut_has_majority = 2 * (len(cores) - len(left)) > len(cores)

    def hold_s(self, shard: LiveShard) -> float:
        """From the cut until the owner of a shard has to stop; infinite if it need not."""
        connected = self.majority_left if shard.owner != self.node else self.cut_has_majority
        if shard.owner is None:
            return 0
        if connected:
            return FOREVER
        horizon = horizon_s(self.pools[shard.pool], self.roles.get(shard.owner, "core"))
        if shard.hold_s is not None and shard.hold_s <= horizon:
            return shard.hold_s
        return horizon * (1 - 1 / RENEWALS_PER_HORIZON)

    def over_s(self, shard: LiveShard) -> float:
        """From the cut until somebody else may own a shard of the other side (R14)."""
        if not self.majority_left or shard.owner is None:
            return FOREVER
        horizon = horizon_s(self.pools[shard.pool], self.roles.get(shard.owner, "core"))
        if horizon == FOREVER:
            return FOREVER
        return clocks.stretched_ns(int(horizon * NS_PER_S), DRIFT_PPM) / NS_PER_S

    def fate(self, lease: LiveLease) -> Fate:
        """What becomes of one lease."""
        shard = self.shards[lease.pool, lease.shard]
        site = lease.site if lease.site in self.roles else shard.owner or ""
        served = self._served_s(lease, shard, site)
        told_s = FOREVER if lease.left_s is None else lease.left_s
        until_s = max(told_s, served)
        what = KEEPS
        if until_s < self.for_s:
            what = MOVES if self._other_address(lease, site, until_s) else ENDS
        return Fate(
            lease.subscriber,
            lease.pool,
            lease.resource,
            site,
            what,
            until_s if what != KEEPS else FOREVER,
        )

    def _served_s(self, lease: LiveLease, shard: LiveShard, site: str) -> float:
        """Until when the lease can be renewed: its owner holds and its site reaches the owner."""
        same_side = (site == self.node) == (shard.owner == self.node)
        return self.hold_s(shard) if same_side else 0

    def _other_address(self, lease: LiveLease, site: str, at_s: float) -> bool:
        """Some shard of the same pool has room then, on the same side of the cut."""
        return any(
            shard.pool == lease.pool
            and shard.free > 0
            and (shard.owner == self.node) == (site == self.node)
            and self.hold_s(shard) > at_s
            for shard in self.live.shards
        )

    def stranded(self) -> tuple[Stranded, ...]:
        """Shards whose free addresses the other side cannot use."""
        return tuple(
            Stranded(
                shard.pool,
                shard.index,
                shard.owner,
                shard.free,
                min(self.over_s(shard), self.for_s) if self.majority_left else self.for_s,
            )
            for shard in self.live.shards
            if shard.owner == self.node
        )


def answer(live: Live, node: str, for_s: float) -> Answer:
    """Cut a member off in mind."""
    if node not in [member.id for member in live.members]:
        known = ", ".join(member.id for member in live.members)
        raise LiveError(f"no member {node!r}; there are {known}")
    cut = _Cut(live, node, for_s)
    holds = [cut.hold_s(shard) for shard in live.shards if shard.owner == node]
    return Answer(
        node,
        for_s,
        cut.majority_left,
        min(holds, default=0.0),
        tuple(cut.fate(lease) for lease in live.leases),
        cut.stranded(),
    )


def scenario_text(live: Live, node: str, for_s: float) -> str:
    """A scenario of the same shape with the cut in it."""
    ids = [member.id for member in live.members]
    roles = [member.role for member in live.members]
    counts = {role: roles.count(role) for role in ("core", "write", "read", "edge")}
    stand_in = _stand_in(live, node)
    lasts = min(for_s, SIMULATED_S_MAX)
    lines = [
        f'question = "If {node} (here {stand_in}) is cut off for {told_s(for_s)}: who is served?"',
        f"duration_s = {lasts + 120}",
        "calm_s = 90",
        "",
        "[topology]",
        'kind = "hubs"',
        f"cores = {max(1, counts['core'])}",
        f"writes = {counts['write']}",
        f"reads = {counts['read']}",
        f"edges = {counts['edge']}",
        "",
        "[cluster]",
        f"standalone = {str(len(ids) == 1).lower()}",
    ]
    for pool in live.pools:
        lines += ["", "[[pools]]", *_toml(pool)]
        lines += ["", "[[workloads]]", 'kind = "carried"', f'pool = "{pool.spec.id}"']
    lines += ["", "[carried]", *_carried(live)]
    lines += ["", "[[faults]]", 'kind = "partition"', f'on = ["{stand_in}"]']
    lines += ["at_s = [60]", f"for_s = [{lasts}, {lasts}]", ""]
    return "\n".join(lines)


def _carried(live: Live) -> list[str]:
    """Owners and leases, with members by the names that they have in the run."""
    roles = {member.id: member.role for member in live.members}
    pools = {pool.spec.id: pool for pool in live.pools}
    owners = {(shard.pool, shard.index): shard.owner for shard in live.shards}
    shards = []
    for shard in live.shards:
        if shard.owner not in roles:
            continue
        horizon = horizon_s(pools[shard.pool], roles[shard.owner])
        told: dict[str, Any] = {
            "pool": shard.pool,
            "index": shard.index,
            "owner": _stand_in(live, shard.owner),
            "epoch": max(1, shard.epoch),
        }
        shards.append(told if horizon == FOREVER else told | {"horizon_s": horizon})
    leases = []
    for lease in live.leases:
        owner = owners.get((lease.pool, lease.shard))
        if owner not in roles:
            continue
        kind = pools[lease.pool].geometry
        told = {
            "pool": lease.pool,
            "shard": lease.shard,
            "unit": kind.parse(lease.resource),
            "subscriber": lease.subscriber,
            "site": _stand_in(live, lease.site if lease.site in roles else owner),
        }
        leases.append(told if lease.left_s is None else told | {"left_s": lease.left_s})
    return [*_array("shards", shards), *_array("leases", leases)]


def _array(name: str, items: list[dict[str, Any]]) -> list[str]:
    """An array of tables, one a line."""
    lines = [
        ", ".join(f"{key} = {msgspec.json.encode(value).decode()}" for key, value in each.items())
        for each in items
    ]
    return [f"{name} = [", *(f"  {{ {line} }}," for line in lines), "]"]


def _stand_in(live: Live, node: str) -> str:
    """The scenario's name for a member: members are numbered within their role."""
    role = next(member.role for member in live.members if member.id == node)
    same = [member.id for member in live.members if member.role == role]
    width = len(str(len(same))) if role == "edge" else 0
    return f"{role}-{same.index(node) + 1:0{width}}"


def _toml(pool: LivePool) -> list[str]:
    """A pool's definition, without what is its default."""
    lines = []
    for field in msgspec.structs.fields(type(pool.spec)):
        value = getattr(pool.spec, field.name)
        if value in (field.default, None, (), {}) or field.name == "metadata":
            continue
        text = msgspec.json.encode(value).decode()
        lines.append(f"{field.name} = {text}")
    return lines


def told_s(seconds: float) -> str:
    """A duration for people."""
    if seconds == FOREVER:
        return "to the end"
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def lines_of(found: Answer) -> list[str]:
    """An answer for people."""
    counts = {
        what: [fate for fate in found.fates if fate.what == what] for what in (KEEPS, MOVES, ENDS)
    }
    lines = [
        f"{found.cut} is cut off for {told_s(found.for_s)}; it serves its own shards for "
        f"{told_s(found.holds_s)}",
        "the others keep a majority of voters"
        if found.majority_left
        else "the others have no majority of voters either: they serve until their holds end",
        f"{len(counts[KEEPS])} subscribers keep their address, {len(counts[MOVES])} have to take "
        f"another one, {len(counts[ENDS])} are without service in the end",
    ]
    for what, words in ((MOVES, "another address after"), (ENDS, "no service after")):
        shown = sorted(counts[what], key=lambda fate: fate.until_s)
        lines += [
            f"  {fate.subscriber} at {fate.site or '?'} ({fate.resource}, pool {fate.pool}): "
            f"{words} {told_s(fate.until_s)}"
            for fate in shown[:SHOWN_MAX]
        ]
        if len(shown) > SHOWN_MAX:
            lines.append(f"  and {len(shown) - SHOWN_MAX} more")
    free = sum(each.free for each in found.stranded)
    lines.append(f"{free} free addresses in {len(found.stranded)} shards are stranded")
    for each in found.stranded[:SHOWN_MAX]:
        rest = "for the whole cut" if each.for_s >= found.for_s else f"for {told_s(each.for_s)}"
        lines.append(f"  {each.pool}/{each.shard}: {each.free} free, {rest}")
    return lines


def add_to(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser("whatif", help="cut a site of a live cluster off, in mind")
    parser.add_argument("--from", dest="url", required=True, help="http://host:9000")
    parser.add_argument("--cut", required=True, help="the member that is cut off")
    parser.add_argument("--for", dest="for_s", type=duration_s, required=True, help="90s, 15m, 6h")
    parser.add_argument("--json", action="store_true", help="lease by lease, for programs")
    parser.add_argument("--out", type=Path, help="make a scenario of it, run it, leave a report")
    parser.set_defaults(act=_whatif)


def _whatif(arguments: argparse.Namespace) -> int:
    try:
        live = fetch(arguments.url, time.time())
        found = answer(live, arguments.cut, arguments.for_s)
    except LiveError as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    if arguments.json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        sys.stdout.write("\n".join(lines_of(found)) + "\n")
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        path = arguments.out / "whatif.toml"
        path.write_text(scenario_text(live, arguments.cut, arguments.for_s))
        from simulator.__main__ import main

        return main(["run", str(path), "--out", str(arguments.out), "--no-shrink"])
    return 0
