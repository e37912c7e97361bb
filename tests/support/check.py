"""`make check`: everything that a reviewer should not have to look for, in about two minutes.

Two lanes run side by side (tools, tests); a step says one line when it is well and prints all
it has when it is not.

    python -m tests.support.check
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

REPO = Path(__file__).parents[2]
BIN = Path(sys.executable).parent

TOOLS = (
    ("format", "ruff", "format", "--check", "."),
    ("lint", "ruff", "check", "."),
    ("imports", "lint-imports"),
    ("types", "mypy"),
)
QUICK = ("tests/tidy", "tests/unit", "tests/property", "tests/interaction", "tests/conformance")


class Lane:
    """Steps one after the other, all of them even when one fails."""

    def __init__(self, steps: tuple[tuple[str, ...], ...]) -> None:
        self.failed: list[str] = []
        self._thread = threading.Thread(target=self._run, args=(steps,))
        self._thread.start()

    def join(self) -> None:
        """Wait for the last step."""
        self._thread.join()

    def _run(self, steps: tuple[tuple[str, ...], ...]) -> None:
        for name, tool, *arguments in steps:
            start = time.monotonic()
            command = [str(BIN / tool), *arguments]
            done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
            seconds = time.monotonic() - start
            if done.returncode:
                self.failed.append(name)
                print(f"{name}: FAILED in {seconds:.0f} s\n{done.stdout}{done.stderr}", flush=True)
            else:
                last = (done.stdout.strip().splitlines() or ["ok"])[-1].strip("= ")
                print(f"{name}: {last} ({seconds:.0f} s)", flush=True)


def main() -> int:
    """0 if all is well."""
    folders = [folder for folder in QUICK if any((REPO / folder).rglob("test_*.py"))]
    tests = ("tests", "python", "-m", "pytest", "-q", "-m", "not slow and not lab", *folders)
    lanes = [Lane(TOOLS), Lane((tests,))]
    for lane in lanes:
        lane.join()
    failed = [name for lane in lanes for name in lane.failed]
    print(f"check: FAILED: {', '.join(failed)}" if failed else "check: all is well")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
