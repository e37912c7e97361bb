"""Where the command `nexus-sim` begins: says what to install before anything of it is imported.

The daemon's installation leaves the simulator's packages out (the extra `sim` holds them).
"""

from __future__ import annotations

import importlib
import sys

# What the modules of this package import at their top and `pip install .` leaves out.
NEEDED = ("simpy", "networkx", "matplotlib")
WRONG_USE = 2


def main() -> int:
    """The exit status of `nexus-sim`; 2 with one line that helps if a package is missing."""
    for package in NEEDED:
        try:
            importlib.import_module(package)
        except ModuleNotFoundError:
            sys.stderr.write(
                f"nexus-sim needs the package {package}, which the daemon does without. In a clone"
                " `make test` sets everything up; elsewhere: pip install 'nexus[sim]'\n"
            )
            return WRONG_USE
    status: int = importlib.import_module("simulator.__main__").main()
    return status
