"""The machine that a number was measured on, and whether its neighbours were quiet meanwhile.

A measurement beside somebody else's load is wrong by factors, so each sample is taken between two
readings of the kernel's CPU counters: what was burnt in total, minus what our own processes
burnt, is the neighbours' share in cores.
"""

from __future__ import annotations

import os
import platform
import resource
import sqlite3
import subprocess
import time
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def describe() -> list[str]:
    """Lines that name the machine and the versions."""
    cpu = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return [
        f"Machine: {cpu}, {os.cpu_count()} cores, {memory_gib:.0f} GiB, "
        f"Linux {platform.release()}, {file_system(Path.cwd())}",
        f"Python {platform.python_version()}, aiohttp {version('aiohttp')}, "
        f"uvloop {version('uvloop')}, msgspec {version('msgspec')}, "
        f"SQLite {sqlite3.sqlite_version}",
        f"Commit {commit or 'unknown'}, {time.strftime('%Y-%m-%d')}",
    ]


def file_system(path: Path) -> str:
    """The type of the file system that a path lies on."""
    best, found = "", "unknown file system"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, kind, *_ = line.split()
        if str(path).startswith(mount) and len(mount) >= len(best):
            best, found = mount, kind
    return found


def fsync_seconds(folder: Path, count: int = 200) -> float:
    """Median time of a 200-byte append with fdatasync: what durability costs here at least."""
    path = folder / "fsync-probe"
    times = []
    with path.open("wb", buffering=0) as file:
        for _ in range(count):
            started = time.perf_counter()
            file.write(bytes(200))
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - started)
    path.unlink()
    return sorted(times)[len(times) // 2]


def _busy_and_stolen_s() -> float:
    """CPU seconds of everybody since boot: user and system, and what a hypervisor took.

    Nice, interrupt and idle time are left out: our own packets cost interrupts too.
    """
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, system, steal = int(fields[0]), int(fields[2]), int(fields[7])
    return (user + system + steal) / TICKS_PER_S


def process_cpu_s(pid: int) -> float:
    """CPU seconds of a process and of its children that have ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return 0.0
    fields = text.rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / TICKS_PER_S


class Neighbours:
    """CPU of others between `__init__` and `cores`."""

    def __init__(self, own_pids: Iterable[int] = ()) -> None:
        self._pids = tuple(own_pids)
        self._start = time.monotonic()
        self._total_s = _busy_and_stolen_s()
        self._own_s = self._own()

    def _own(self) -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        mine = resource.getrusage(resource.RUSAGE_SELF)
        used = children.ru_utime + children.ru_stime + mine.ru_utime + mine.ru_stime
        return used + sum(process_cpu_s(pid) for pid in self._pids)

    def cores(self) -> float:
        """Cores that others kept busy on average; never below zero."""
        elapsed_s = max(time.monotonic() - self._start, 1e-9)
        others_s = (_busy_and_stolen_s() - self._total_s) - (self._own() - self._own_s)
        return max(0.0, others_s / elapsed_s)
