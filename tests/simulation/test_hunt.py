"""The long hunt: shares, the book that lets it go on, what a seed is boiled down to, the page."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from simulator.__main__ import main
from simulator.faults.pause import Pause
from simulator.hunt import ledger as books
from simulator.hunt import page, work
from simulator.hunt.parts import MIX, MIXES_SHARE, SHARES, Part, parts
from simulator.hunt.search import order
from simulator.mutants import MIXES

REPO = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _at_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts name scenario files from the project's folder."""
    monkeypatch.chdir(REPO)


def test_every_part_can_be_run_and_says_how_to_repeat_it() -> None:
    every = parts()
    assert {name for name in every if not name.startswith(MIX)} == set(SHARES)
    assert len(every) == len(SHARES) + len(MIXES)
    for part in every.values():
        assert part.scenario().question
        assert str(7) in part.command(7)


def test_seeds_are_dealt_by_shares_and_none_twice() -> None:
    chosen = [Part("swarm-small", 6), Part("swarm", 3), Part("roaming", 1)]
    dealt = list(islice(order(chosen, {"swarm": 100}), 500))
    counts = Counter(name for name, _ in dealt)
    assert counts == {"swarm-small": 300, "swarm": 150, "roaming": 50}
    assert len(set(dealt)) == 500
    assert min(seed for name, seed in dealt if name == "swarm") == 100


def test_the_shares_of_the_whole_hunt_are_kept() -> None:
    chosen = list(parts().values())
    names = Counter(name.split()[0] for name, _ in islice(order(chosen, {}), 3_000))
    whole = sum(SHARES.values()) + MIXES_SHARE
    assert names["swarm-small"] == pytest.approx(3_000 * SHARES["swarm-small"] / whole, rel=0.05)
    assert names["mix"] == pytest.approx(3_000 * MIXES_SHARE / whole, rel=0.2)


def test_a_seed_is_boiled_down_to_what_happened() -> None:
    tally, failures = work.seed(("mix cuts", 3, "abc"))
    assert not failures
    assert (tally.seeds, tally.passed, tally.failed) == (1, 1, 0)
    assert sum(tally.faults.values()) == 10
    assert set(tally.faults) == {"partition", "pause", "crash"}
    assert tally.simulated_s == pytest.approx(161)
    for name in ("events", "messages", "requests", "told", "installed", "leases", "starts"):
        assert getattr(tally, name) > 0, name
    assert tally.epochs > 2, "two shards, and takeovers"


def test_a_small_swarm_is_no_toy() -> None:
    """What docs/hunt.md says of it, asked of twelve seeds."""
    sums = books.Tally(part="all", commit="")
    for seed in range(12):
        tally, failures = work.seed(("swarm-small", seed, "abc"))
        assert not failures
        sums.add(tally)
    assert sum(sums.faults.values()) > 12 * 10
    assert sums.epochs > 12 * 7, "six shards, and takeovers"
    assert sums.leases > 12 * 20
    assert sums.told > 12 * 40


def test_a_failed_seed_is_kept_with_the_command_that_repeats_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def begin(self: Pause, world: object, aim: object) -> None:
        world.violate("overlap", 1, "the canary in the pause")  # type: ignore[attr-defined]

    monkeypatch.setattr(Pause, "begin", begin)
    tally, (failure,) = work.seed(("mix cuts", 0, "abc"))
    assert (tally.passed, tally.failed) == (0, 1)
    assert (failure.checker, failure.story) == ("overlap", "the canary in the pause")
    assert failure.command == 'nexus-sim hunt --only "mix cuts" --seed 0'
    assert main(["hunt", "--only", "mix cuts", "--seed", "0"]) == 1
    assert "the canary in the pause" in capsys.readouterr().out


def test_a_seed_that_never_ends_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "SEED_CPU_S_MAX", 0.01)
    tally, (failure,) = work.seed(("swarm", 1, "abc"))
    assert tally.failed == 1
    assert "CPU time" in failure.story


def test_the_book_adds_up_and_survives(tmp_path: Path) -> None:
    path = tmp_path / "book.json"
    book = books.Ledger()
    for seed in (4, 5):
        tally = books.Tally(
            part="p", commit="c", seeds=1, first=seed, last=seed, cpu_s=0.5, faults={"pause": 2}
        )
        book.take(tally, [])
    books.write(path, book)
    again = books.read(path)
    (sums,) = again.tallies
    assert (sums.seeds, sums.first, sums.last, sums.cpu_s) == (2, 4, 5, 1.0)
    assert sums.faults == {"pause": 4}
    path.write_text('{"format": 99}')
    with pytest.raises(ValueError, match="format 99"):
        books.read(path)


@pytest.mark.slow
def test_a_hunt_goes_on_where_it_was_stopped_and_writes_its_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book, out = tmp_path / "book.json", tmp_path / "hunt.md"
    out.write_text(f"# Hunt\n\n{page.BEGIN}\n{page.END}\n\nend\n")
    hunt = ["hunt", "--only", "mix cooling", "--jobs", "2"]
    hunt += ["--book", str(book), "--page", str(out)]
    assert main([*hunt, "--seeds", "3"]) == 0
    assert main([*hunt, "--seeds", "2"]) == 0
    assert "in the book: 5 seeds, 0 failed" in capsys.readouterr().out
    (tally,) = books.read(book).tallies
    assert (tally.seeds, tally.first, tally.last, tally.passed) == (5, 0, 4, 5)
    assert main([*hunt, "--seeds", "5", "--minutes", "0"]) == 0
    assert books.read(book).seeds() == 5, "no time, no seeds"
    text = out.read_text()
    assert "5 seeds at 1 commit" in text
    assert "| 1 aimed mixes | 5 | 0 |" in text
    assert "No seed failed." in text


def test_a_part_that_does_not_exist_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hunt", "--only", "nothing"]) == 2
    assert "swarm-small" in capsys.readouterr().err


def test_the_projects_page_has_a_place_for_the_figures() -> None:
    text = (REPO / page.PAGE).read_text()
    assert text.count(page.BEGIN) == text.count(page.END) == 1
