"""A run in plain sentences, in order of time, for somebody who has never seen one."""

from __future__ import annotations

import msgspec

from simulator.record import NS, FaultSpan, Record

LINES_MAX = 60
"""More than this are left out in the middle."""
TOGETHER_S = 5.0
"""Moves of shards this close together are one sentence."""

FAULTS = {
    "partition": "The network splits",
    "crash": "A process crashes",
    "power_cut": "The power fails",
    "disk_lost": "A disk is lost",
    "pause": "A process stands still between two steps",
    "suspend": "A machine sleeps",
    "reboot": "A machine reboots",
    "wall_jump": "A wall clock jumps",
    "drift": "A clock changes its pace",
    "drain": "An operator drains a member",
    "fence": "An operator fences a member",
    "lossy": "Messages get lost, doubled and reordered",
    "slow_net": "The network is slow",
    "slow_disk": "A disk is slow",
    "disk_full": "A disk is full",
    "link": "A link fails",
}
"""The first words about a fault; any other is told by its name."""


class Line(msgspec.Struct, frozen=True):
    """One sentence; ``tone`` is calm, bad or good."""

    at_s: float
    tone: str
    text: str


def fault_text(fault: FaultSpan) -> str:
    """What a fault does, for people."""
    words = FAULTS.get(fault.kind, f"Fault '{fault.kind}'")
    aim = dict(fault.aim)
    side = aim.pop("side", None)
    if isinstance(side, list) and fault.kind == "partition":
        shape = aim.pop("shape", "")
        if shape == "ring":
            circle = ", ".join(side)
            return f"{words}: each reaches only its neighbours on the circle {circle}"
        if shape == "asymmetric":
            return f"{words}: what {_list(side)} sends arrives nowhere else"
        return f"{words}: {_list(side)} on one side, everybody else on the other"
    node = aim.pop("node", None)
    if isinstance(node, str):
        words += f" ({node})"
    rest = ", ".join(f"{key} {value}" for key, value in aim.items())
    return f"{words}: {rest}" if rest else words


def _list(names: list[str]) -> str:
    if not names:
        return "nobody"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def verdict(record: Record) -> str:
    """The whole run in one sentence."""
    if record.passed:
        count = len({span.resource for span in record.spans})
        return (
            f"No address was ever used by two subscribers: {len(record.spans)} leases of {count} "
            f"addresses were followed to the instant, through {_count(record.faults())}."
        )
    first = record.run.violations[0]
    at_s = first["at_ns"] / NS
    return f"Invariant {first['invariant']} was broken at {at_s:.1f} s: {first['story']}"


def _count(faults: list[FaultSpan]) -> str:
    return "one fault" if len(faults) == 1 else f"{len(faults)} faults"


def lines(record: Record) -> list[Line]:
    """Everything worth a sentence."""
    found: list[Line] = []
    for fault in record.faults():
        text = fault_text(fault)
        found.append(Line(fault.begin_s, "bad", f"{text}."))
        if fault.end_s < record.end_s and fault.end_s > fault.begin_s:
            lasted = fault.end_s - fault.begin_s
            found.append(Line(fault.end_s, "good", f"Over after {lasted:.0f} s: {_lower(text)}."))
    for each in record.of("process"):
        what = each.detail["what"]
        if each.at_ns > NS:
            tone = "good" if what == "started" else "bad"
            found.append(Line(each.at_ns / NS, tone, f"The process of {each.subject}: {what}."))
    for each in record.of("phase"):
        if each.subject == "calm":
            text = "No more faults from here on: everything has to come to rest and be equal again."
            found.append(Line(each.at_ns / NS, "good", text))
    found += [
        Line(each.at_ns / NS, "bad", str(each.detail.get("story", each.subject)))
        for each in record.of("violation")
    ]
    found += _moves(record)
    found.sort(key=lambda line: line.at_s)
    if len(found) > LINES_MAX:
        left_out = len(found) - LINES_MAX
        middle = LINES_MAX // 2
        gap = Line(found[middle].at_s, "calm", f"({left_out} more of the same kind are left out)")
        found = [*found[:middle], gap, *found[-middle:]]
    return found


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _moves(record: Record) -> list[Line]:
    """Shards that begin to be served, that nobody may act on, that go to another."""
    grouped: list[tuple[float, str, str, list[str]]] = []

    def add(at_s: float, tone: str, text: str, shard: str) -> None:
        for begin, known, words, shards in reversed(grouped):
            if (known, words) == (tone, text) and abs(at_s - begin) <= TOGETHER_S:
                shards.append(shard)
                return
        grouped.append((at_s, tone, text, [shard]))

    for shard, line in record.owners().items():
        holder: tuple[str, int] | None = None
        holds_to = 0.0
        free_since: float | None = None
        for begin, end, member, epoch, acts in sorted(line):
            if not acts:
                why = "its hold ran out without word from a majority"
                add(begin, "bad", f"{member} stops serving {{}}: {why}", shard)
                free_since = begin if free_since is None else free_since
                continue
            if holder is None:
                add(begin, "calm", f"{member} begins to serve {{}} (epoch {epoch})", shard)
            elif holder[0] != member and begin < holds_to:
                add(begin, "bad", f"{member} acts on {{}} while {holder[0]} still does", shard)
            elif holder[0] != member:
                add(
                    begin,
                    "calm",
                    f"{{}} went from {holder[0]} to {member}, under a new epoch",
                    shard,
                )
            elif holder[1] != epoch:
                add(begin, "calm", f"{member} serves {{}} again, under a new epoch", shard)
            elif free_since is not None:
                add(begin, "good", f"{member} hears from a majority and serves {{}} again", shard)
            holder = (member, epoch)
            holds_to = end
            free_since = None
    return [Line(at_s, tone, _filled(text, shards)) for at_s, tone, text, shards in grouped]


def _filled(text: str, shards: list[str]) -> str:
    told = f"shard {shards[0]}" if len(shards) == 1 else f"{len(shards)} shards"
    sentence = text.format(told) + "."
    if 1 < len(shards) <= 6:
        sentence += f" ({', '.join(shards)})"
    return sentence[:1].upper() + sentence[1:]
