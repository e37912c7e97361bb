"""Figures of one run, over one time axis, with the faults behind them as grey bands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.record import NS, Record

COLOURS = (
    "#4477AA",
    "#EE6677",
    "#228833",
    "#CCBB44",
    "#66CCEE",
    "#AA3377",
    "#8C564B",
    "#E69F00",
    "#7A7AB8",
    "#009E73",
)
NOBODY = "#FFFFFF"
BAND = "#D9D9D9"
COUNTDOWN_S = 120
"""Countdowns shorter than this are drawn on their own scale."""
BINS = 120

Figure = Any


def colour_of(record: Record) -> dict[str, str]:
    """One colour a member, the same in all figures."""
    return {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(record.members())}


def _figure(record: Record, height: float, title: str) -> tuple[Figure, Any]:
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "nexus", "font.size": 9, "svg.fonttype": "none"})
    from matplotlib.figure import Figure as Canvas

    figure = Canvas(figsize=(11, height))
    # The same margins in every figure: what happens together stands above one another.
    axes = figure.add_axes((0.1, 0.5 / height, 0.77, 1 - 0.95 / height))
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold", pad=12)
    axes.set_xlim(0, record.end_s)
    axes.set_xlabel("seconds of true time")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for fault in record.faults():
        end_s = max(fault.end_s, fault.begin_s + record.end_s / 400)
        axes.axvspan(fault.begin_s, end_s, color=BAND, zorder=0, linewidth=0)
        for at_s in (fault.begin_s, end_s):
            axes.axvline(at_s, color="#888888", linewidth=0.6, linestyle=":", zorder=4)
        if end_s - fault.begin_s > record.end_s / 30:
            axes.annotate(
                fault.kind.replace("_", " "),
                ((fault.begin_s + end_s) / 2, 1),
                xycoords=("data", "axes fraction"),
                ha="center",
                va="bottom",
                fontsize=7,
                color="#666666",
            )
    return figure, axes


def owners(record: Record) -> Figure:
    """Who owned which shard when; hatched: it still has the grant, but may not act on it."""
    lines = record.owners()
    height = 1.6 + 0.24 * max(1, len(lines))
    figure, axes = _figure(record, height, "Who owns which shard (the number is the epoch)")
    colours = colour_of(record)
    for row, shard in enumerate(lines):
        last = -1
        for begin, end, member, epoch, acts in lines[shard]:
            axes.broken_barh(
                [(begin, end - begin)],
                (row - 0.4, 0.8),
                facecolors=colours[member] if acts else NOBODY,
                edgecolors=colours[member],
                hatch=None if acts else "////",
                linewidth=0.4,
                zorder=2,
            )
            if epoch != last:
                axes.text(
                    begin + record.end_s / 300,
                    row,
                    str(epoch),
                    va="center",
                    fontsize=7,
                    color="white" if acts else "black",
                    zorder=3,
                )
                last = epoch
    axes.set_yticks(range(len(lines)), [f"shard {name}" for name in lines])
    axes.set_ylim(len(lines) - 0.4, -0.6)
    _legend(axes, record)
    return figure


def in_use(record: Record) -> Figure:
    """Addresses in use, by the member that told them."""
    figure, axes = _figure(record, 2.6, "Subscribers in service, by the site that serves them")
    counts = record.in_use()
    instants = record.instants()
    colours = colour_of(record)
    if instants:
        axes.stackplot(
            instants, list(counts.values()), colors=[colours[name] for name in counts], zorder=2
        )
    axes.set_ylabel("addresses in use")
    axes.set_ylim(bottom=0)
    _legend(axes, record)
    return figure


def service_level(record: Record) -> Figure:
    """Share of callers who got what they asked: a row per site, green is everybody."""
    members = record.members()
    height = 1.3 + 0.28 * max(1, len(members))
    figure, axes = _figure(record, height, "Service level: calls answered (green) or put off (red)")
    width = max(record.end_s, 1) / BINS
    from matplotlib import colormaps

    scale = colormaps["RdYlGn"]
    for row, member in enumerate(members):
        for place, share in service_bins(record, member, width).items():
            spot = [(place * width, width)]
            axes.broken_barh(spot, (row - 0.4, 0.8), facecolors=scale(share), zorder=2)
    axes.set_yticks(range(len(members)), members)
    axes.set_ylim(len(members) - 0.4, -0.6)
    return figure


def service_bins(record: Record, member: str, width_s: float) -> dict[int, float]:
    """Number of the stretch of time -> share of calls at a member that were answered in it."""
    bins: dict[int, list[int]] = {}
    for sample in record.samples:
        if sample.member == member:
            counts = bins.setdefault(int(sample.at_s / width_s), [0, 0])
            counts[0] += sample.answered
            counts[1] += sample.refused
    return {place: good / (good + bad) for place, (good, bad) in bins.items() if good + bad}


def countdown(record: Record) -> Figure:
    """How long each owner may still act without hearing from a majority of voters."""
    figure, axes = _figure(record, 2.6, "Countdown: how long each site may go on if it is cut off")
    colours = colour_of(record)
    for member in record.members():
        points = [
            (sample.at_s, min(left for _, _, _, left, _ in sample.shards))
            for sample in record.samples
            if sample.member == member and sample.shards
        ]
        if points:
            axes.plot(*zip(*points, strict=True), color=colours[member], linewidth=1.2, zorder=2)
    axes.set_ylabel("seconds left (log)")
    axes.set_yscale("symlog", linthresh=COUNTDOWN_S / 10)
    axes.set_ylim(bottom=0)
    _legend(axes, record)
    return figure


def messages(record: Record) -> Figure:
    """Messages that arrived and messages that did not."""
    figure, axes = _figure(record, 2.2, "Messages between members, per second")
    width = max(record.end_s, 1) / BINS
    kinds = {"got": "arrived", "lost": "lost", "cut": "cut off"}
    counts = {kind: [0] * (BINS + 1) for kind in kinds}
    for at_ns, what, _, _, _ in record.messages():
        if what in counts:
            counts[what][min(BINS, int(at_ns / NS / width))] += 1
    instants = [(place + 0.5) * width for place in range(BINS + 1)]
    for (kind, name), colour in zip(kinds.items(), ("#228833", "#CCBB44", "#EE6677"), strict=True):
        if not any(counts[kind]):
            continue
        rates = [count / width for count in counts[kind]]
        axes.plot(instants, rates, color=colour, label=name, linewidth=1.2)
    if axes.get_legend_handles_labels()[1]:  # a lone member sends nothing
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    axes.set_ylim(bottom=0)
    return figure


def _legend(axes: Any, record: Record) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(color=colour, label=name) for name, colour in colour_of(record).items()]
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)


FIGURES: dict[str, Callable[[Record], Figure]] = {
    "owners": owners,
    "in_use": in_use,
    "service_level": service_level,
    "countdown": countdown,
    "messages": messages,
}
