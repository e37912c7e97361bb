"""``python -m tests.bench``: run the benchmarks, print markdown tables.

Each table names its yardsticks; run it on a quiet machine.  ``--out docs/benchmarks.md`` keeps the
result with the machine's name.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.bench import engine, generators, machine, million, over_http, simulation

HEAD = """# Benchmarks

Written by `python -m tests.bench`.  Every number stands beside a yardstick that was started and
measured in the same run, cells in random order, the median of {rounds} samples; a sample is taken
again while other processes keep more than {foreign} cores busy.  Compare the ratios, not the
numbers: they belong to this machine.

{machine}
A 200-byte append with fdatasync takes {fsync:.2f} ms here.
"""


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="samples per cell")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a load sample")
    parser.add_argument("--count", type=int, default=1_000_000, help="allocations of the big one")
    parser.add_argument("--seed", type=int, default=1, help="order of the cells")
    parser.add_argument(
        "--only", default="", help="engine, http, million, simulation; separated by commas"
    )
    parser.add_argument("--folder", type=Path, help="where servers keep their data (a real disk)")
    parser.add_argument(
        "--no-gate", action="store_true", help="keep samples taken beside busy neighbours (marked)"
    )
    parser.add_argument("--out", type=Path, help="markdown file to write as well")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Run what was asked for."""
    options = parse(arguments)
    rng = Random(options.seed)
    sections: dict[str, Callable[[Path], str]] = {
        "engine": lambda _folder: engine.report(options.rounds, rng),
        "http": lambda folder: over_http.report(
            folder, options.rounds, options.seconds, rng, gate=not options.no_gate
        ),
        "million": lambda folder: million.report(folder, options.rounds, options.count),
        "simulation": lambda _folder: simulation.report(options.rounds, rng),
    }
    wanted = [name for name in options.only.split(",") if name] or list(sections)
    if "http" in wanted and not generators.have_wrk():
        print("wrk is not installed (apt-get install wrk); HTTP is left out", file=sys.stderr)
        wanted.remove("http")
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="nexus-bench-") as name:
        root = Path(name)
        head = HEAD.format(
            rounds=options.rounds,
            foreign=0.4,
            machine="\n".join(f"- {line}" for line in machine.describe()),
            fsync=machine.fsync_seconds(root) * 1000,
        )
        parts = [head]
        for section in wanted:
            print(f"{section} ...", file=sys.stderr, flush=True)
            folder = root / section
            folder.mkdir()
            parts.append(sections[section](folder))
            print(parts[-1], flush=True)
    if options.out is not None:
        options.out.write_text("\n".join(parts).rstrip() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
