"""A walk is put down in a file and taken up again, by another process or after a power cut."""

from __future__ import annotations

import hashlib
import os
import pickle
import resource
import sys
from functools import cache
from pathlib import Path

from simulator.explore.search import Search
from simulator.explore.small import Small

STATE_VERSION = 2


class StateError(ValueError):
    """A file that holds no walk of this world with this core."""


@cache
def sources() -> str:
    """Fingerprint of all that decides what a walk finds: the core, and the walk itself."""
    home = Path(__file__).resolve().parent
    digest = hashlib.blake2b(digest_size=16)
    for folder in (home, home.parents[1] / "nexus"):
        for path in sorted(folder.rglob("*.py")):
            digest.update(str(path.relative_to(home.parents[1])).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def save(search: Search, path: Path) -> None:
    """Write the walk into a file; whoever reads it meets the old walk or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".new")
    with scratch.open("wb") as file:
        pickle.dump((STATE_VERSION, sources(), search.small), file)
        pickle.dump(search, file, protocol=pickle.HIGHEST_PROTOCOL)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def resume(path: Path, small: Small) -> Search:
    """Take up a walk from a file of one's own (a pickle: do not open a stranger's).

    Raises
    ------
    StateError
        It is of another world, of another version of the file, or the core has changed since.
    """
    with path.open("rb") as file:
        version, of, world = pickle.load(file)
        if version != STATE_VERSION or world != small:
            raise StateError(f"{path} is of another world or of another version")
        if of != sources():
            raise StateError(f"{path} is of another core: what was walked has to be walked again")
        search = pickle.load(file)
    if not isinstance(search, Search):
        raise StateError(f"{path} holds no walk")
    return search


def memory_bytes() -> int:
    """What this process has in memory; where that is not told, the most it ever had."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return pages * resource.getpagesize()
