"""Run folders, read back: the record, the story, the page, and two of them compared."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from simulator import __main__ as command
from simulator import folder as folders
from simulator import report, story
from simulator.api import run_seed
from simulator.compare import compare
from simulator.explore.mutants import MUTANTS
from simulator.record import Record, read
from simulator.recorder import Recorder
from simulator.scenario import load

SCENARIO = Path(__file__).parents[2] / "scenarios" / "partition-five.toml"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    assert command.main(["run", str(SCENARIO), "--seed", "4", "--out", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def record(folder) -> Record:
    return read(folder)


def test_owners_of_a_shard_never_act_at_once(record):
    lines = record.owners()
    assert len(lines) == 16
    for line in lines.values():
        acting = sorted((begin, end) for begin, end, _, _, acts in line if acts)
        assert all(one[1] <= other[0] for one, other in itertools.pairwise(acting))


def test_a_member_that_is_cut_off_stops_by_itself(record):
    (fault,) = record.faults()
    stopped = [
        (begin, member)
        for line in record.owners().values()
        for begin, _, member, _, acts in line
        if not acts
    ]
    assert stopped
    for begin, member in stopped:
        assert member in fault.aim["side"]
        assert fault.begin_s < begin < fault.begin_s + 16


def test_in_use_follows_the_spans(record):
    instants = record.instants()
    counts = record.in_use()
    middle = len(instants) // 3
    at_ns = instants[middle] * 1e9
    live = sum(span.start_ns <= at_ns < span.end_ns for span in record.spans)
    assert sum(line[middle] for line in counts.values()) == live > 20


def test_the_story_names_the_fault_and_who_takes_over(record):
    told = [line.text for line in story.lines(record)]
    assert any(text.startswith("The network splits: core-2 and edge-2") for text in told)
    assert any("stops serving" in text and "Core-2" in text for text in told)
    assert any("went from core-2 to" in text for text in told)
    assert "No address was ever used by two subscribers" in story.verdict(record)


def test_a_broken_run_is_told_as_such(tmp_path):
    recorder = Recorder(load(SCENARIO))
    mutant = next(each for each in MUTANTS if each.name == "r3-timer")
    world, result = run_seed(load(SCENARIO), 4, mutant=mutant, hooks=recorder.hooks)
    folders.write(tmp_path, SCENARIO, world, result, None, "as it was")
    recorder.write(tmp_path)
    broken = read(tmp_path)
    assert not broken.passed
    assert story.verdict(broken).startswith("Invariant 2 was broken at")
    assert any("acts on" in line.text and "still does" in line.text for line in story.lines(broken))
    assert 'class="verdict violation"' in report.html(broken)


def test_the_page_needs_nothing_else(folder):
    page = (folder / report.FILE).read_text()
    assert page.count("<svg") == len(report.FIGURES)
    for reaching_out in ("src=", "<link", "<script", "url(http", "@import"):
        assert reaching_out not in page
    assert "nexus-sim run" in page


def test_the_same_run_gives_the_same_page(folder):
    before = (folder / report.FILE).read_text()
    assert report.html(read(folder)) == before


def test_recording_does_not_change_the_run(folder, tmp_path, record):
    again = tmp_path / "again"
    assert command.main(["run", str(SCENARIO), "--seed", "4", "--out", str(again)]) == 0
    other = read(again)
    assert compare(record, other).same_digest
    assert command.main(["replay", str(folder)]) == 0


def test_compare_says_where_two_runs_part(tmp_path, record, folder, capsys):
    other = tmp_path / "other"
    assert command.main(["run", str(SCENARIO), "--seed", "5", "--out", str(other)]) == 0
    found = compare(record, read(other))
    assert not found.same_digest
    assert " s: " in found.first
    assert "seed" in [each.what for each in found.differences]
    capsys.readouterr()
    assert command.main(["compare", str(folder), str(other)]) == 1
    assert "they part at" in capsys.readouterr().out
    assert command.main(["compare", str(folder), str(folder)]) == 0
