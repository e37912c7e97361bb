"""`nexus-sim`: exit status, the line that repeats a failure, folders, and shrinking."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from simulator import entry
from simulator.__main__ import main

GOOD = """
question = "Does anything happen?"
duration_s = 40
calm_s = 30
[topology]
cores = 1
[cluster]
standalone = true
[[pools]]
id = "p"
cidr = "10.0.0.0/28"
[[workloads]]
kind = "steady"
pool = "p"
subscribers = 3
ramp_s = 5
[[faults]]
kind = "pause"
count = 6
for_s = [1, 2]
"""


def test_without_the_simulator_s_packages_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "simpy", None)
    assert entry.main() == 2
    assert "pip install 'nexus[sim]'" in capsys.readouterr().err


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.toml"
    path.write_text(GOOD)
    return path


@pytest.fixture
def bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that fails as soon as its first pause begins."""
    from simulator.faults.pause import Pause

    def begin(self: Pause, world: object, aim: object) -> None:
        world.violate("overlap", 1, "the canary in the pause")  # type: ignore[attr-defined]

    monkeypatch.setattr(Pause, "begin", begin)
    path = tmp_path / "bad.toml"
    path.write_text(GOOD)
    return path


def test_a_good_run_leaves_a_folder_that_replays(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    assert main(["run", str(good), "--seed", "4", "--out", str(folder)]) == 0
    told = capsys.readouterr().out
    assert "seed 4: pass" in told
    run = json.loads((folder / "run.json").read_text())
    assert run["digest"] in told
    assert len(run["faults"]) == 6
    for name in ("decisions.jsonl", "messages.jsonl", "spans.jsonl"):
        assert (folder / name).exists()
    assert main(["replay", str(folder)]) == 0


def test_a_replay_that_comes_out_otherwise_says_so(good: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    main(["run", str(good), "--out", str(folder)])
    path = folder / "run.json"
    path.write_text(re.sub(r'"digest": "\w+"', '"digest": "other"', path.read_text()))
    assert main(["replay", str(folder)]) == 1


def test_a_failure_is_shrunk_and_told_how_to_repeat(
    bad: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(bad), "--seed", "2"]) == 1
    told = capsys.readouterr().out
    assert "the canary in the pause" in told
    assert "smallest set of faults found: 1 of" in told
    (command,) = re.findall(r"repeat: nexus-sim (.*)", told)
    assert main(command.split()) == 1


def test_a_sweep_tells_every_failing_seed(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", str(bad), "--seeds", "0..2", "--jobs", "1", "--collect"]) == 1
    told = capsys.readouterr().out
    assert told.count("repeat:") == 3
    assert "3 seeds, 3 not as expected" in told


def test_a_sweep_in_two_processes_is_the_same(
    good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", str(good), "--seeds", "0..3", "--jobs", "2"]) == 0
    assert "4 seeds, 0 not as expected" in capsys.readouterr().out


def test_a_wrong_scenario_is_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(GOOD.replace("calm_s", "clam_s"))
    assert main(["run", str(path)]) == 2
    assert "clam_s" in capsys.readouterr().err
