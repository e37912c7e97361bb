"""The report of one run: a single HTML file that needs nothing else, and what notebooks read.

`read` gives a folder's `Record`, `FIGURES` the plots, `write` the file.  Who opens it should
understand without help what happened, who noticed, and whether anybody was harmed.
"""

from __future__ import annotations

import io
from html import escape
from pathlib import Path
from typing import Any

from simulator import story
from simulator.plots import COLOURS, FIGURES, colour_of
from simulator.record import Record, read

__all__ = ["COLOURS", "FIGURES", "Record", "colour_of", "html", "read", "svg", "write"]

FILE = "report.html"

CAPTIONS = {
    "owners": "Each row is a shard, a fixed part of the pool. A bar is the time for which one "
    "member owns it and may give out its addresses. Hatched: it still has the grant but may not "
    "act, because too long no majority of voters has answered it; its subscribers keep what they "
    "were told, to the told end. A white gap: nobody owns it. Two bars of one row never overlap; "
    "that is what the protocol is for. Grey: a fault goes on.",
    "in_use": "Addresses that subscribers really use, as an observer outside of all clocks sees "
    "it, by the site that told them. Subscribers also come and go for reasons of their own.",
    "service_level": "Of the calls at each site, how many were answered with what was asked; "
    "white where nobody called. The rest was told to come again in a few seconds, honestly, "
    "rather than being given an address that somebody else may have.",
    "countdown": "The shortest time for which a site may go on serving from its shards without "
    "hearing from a majority. Each renewal sets it back to the horizon. At zero the site stops by "
    "itself, before anybody else may take over.",
    "messages": "Messages between members as they arrive, get lost, or end at a cut.",
}
WORDS = (
    ("member", "a process of the service: core members vote, edges serve subscribers at a site"),
    ("shard", "a fixed part of a pool's addresses; one member at a time may give them out"),
    ("epoch", "the number of a shard's grant; each new owner gets a higher one"),
    ("hold", "for how long an owner may still act; a majority of voters has to renew it"),
    ("lease", "one subscriber's right to one address, with an end that it was told"),
    ("violation", "a broken promise of the protocol; the run stops at the first"),
)

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:1120px;padding:24px;color:#222}
h1{font-size:22px;margin:0 0 4px} h2{font-size:17px;margin:32px 0 8px}
.verdict{padding:12px 16px;border-left:6px solid;margin:16px 0;font-size:16px}
.pass{border-color:#228833;background:#eef7ee} .violation{border-color:#cc3344;background:#fdeeee}
.verdict b{display:block;font-size:18px} p.note{color:#555;max-width:820px;margin:4px 0 8px}
table{border-collapse:collapse} td,th{padding:3px 14px 3px 0;text-align:left;vertical-align:top}
td.t{text-align:right;font-variant-numeric:tabular-nums;color:#666;white-space:nowrap}
tr.bad td:last-child{color:#b02030} tr.good td:last-child{color:#1c7a2c}
code,pre{background:#f3f3f3;padding:2px 5px;border-radius:3px;font-size:13px}
pre{padding:10px;overflow:auto} svg{max-width:100%;height:auto} dt{font-weight:600;float:left;
width:90px} dd{margin:0 0 2px 100px;color:#444} .small{color:#666;font-size:13px}
"""


def svg(figure: Any) -> str:
    """A figure as text to put into a page."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def html(record: Record) -> str:
    """The whole page."""
    run = record.run
    parts = [
        f"<h1>{escape(record.scenario.question)}</h1>",
        f'<p class="small">Scenario <b>{escape(run.scenario)}</b>, seed {run.seed}, '
        f"{record.end_s:.0f} simulated seconds, {len(record.members())} members</p>",
        f'<div class="verdict {"pass" if record.passed else "violation"}">'
        f"<b>{_word(record)}</b>{escape(story.verdict(record))}</div>",
        _figure(record, "owners"),
        "<h2>What happened</h2>",
        _story(record),
        *(_figure(record, name) for name in FIGURES if name != "owners"),
        "<h2>The words</h2><dl>",
        *(f"<dt>{word}</dt><dd>{escape(meaning)}</dd>" for word, meaning in WORDS),
        "</dl>",
        "<h2>The run in numbers</h2>",
        _numbers(record),
        "<h2>Do it again</h2>",
        f"<pre>{escape(run.command)}</pre>",
        f'<p class="small">Journal digest <code>{run.digest}</code>: the same command gives the '
        "same digest, to the last message.</p>",
        "<details><summary>The scenario as it was run</summary><pre>",
        escape((record.folder / "scenario.toml").read_text()),
        "</pre></details>",
    ]
    title = escape(f"{run.scenario}, seed {run.seed}: {run.verdict}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _word(record: Record) -> str:
    if record.passed:
        return "Pass"
    return "Violation (as this scenario expects)" if _expected(record) else "Violation"


def _expected(record: Record) -> bool:
    return record.run.verdict == record.scenario.expect


def _figure(record: Record, name: str) -> str:
    return f'{svg(FIGURES[name](record))}<p class="note">{escape(CAPTIONS[name])}</p>'


def _story(record: Record) -> str:
    rows = (
        f'<tr class="{line.tone}"><td class="t">{line.at_s:.1f} s</td>'
        f"<td>{escape(line.text)}</td></tr>"
        for line in story.lines(record)
    )
    return f"<table>{''.join(rows)}</table>"


def _numbers(record: Record) -> str:
    metrics = record.run.metrics
    told = {
        "messages between members": metrics.get("messages"),
        "events handled by nodes": metrics.get("events"),
        "answers carried out by data planes": metrics.get("installed"),
        "answers that came too late and were refused there": metrics.get("refused_installs"),
        **{f"calls: {name}": count for name, count in metrics.get("answers", {}).items()},
    }
    rows = (
        f'<tr><td class="t">{value}</td><td>{escape(name)}</td></tr>'
        for name, value in told.items()
        if value is not None
    )
    return f"<table>{''.join(rows)}</table>"


def write(folder: Path) -> Path:
    """Make the report of a folder, inside it."""
    path = folder / FILE
    path.write_text(html(read(folder)))
    return path
