"""The store alone: durable operations a second by writers, and how fast a log and a snapshot load.

    python -m tests.bench.bench_store [seconds per cell] [folder]

Each writer waits for its own entry before it appends the next, as a REST caller does.  Compare the
rows with the yardsticks of the same run: a bare append and fdatasync, one writer, and the same
with a thread in between.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uvloop

from nexus.store.sqlite_log import SqliteStore

ENTRY_BYTES = 200
WRITERS = (1, 16, 256)
ENTRIES = 1_000_000
CHUNK_BYTES = 1 << 20


def bare_sync(folder: Path, seconds: float) -> float:
    """Append and fdatasync, nothing else: what the disk gives."""
    descriptor = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    count, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        os.write(descriptor, bytes(ENTRY_BYTES))
        os.fdatasync(descriptor)
        count += 1
    os.close(descriptor)
    return count / seconds


async def threaded_sync(folder: Path, seconds: float) -> float:
    """The same in a one-thread executor."""
    descriptor = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def step() -> None:
        os.write(descriptor, bytes(ENTRY_BYTES))
        os.fdatasync(descriptor)

    loop = asyncio.get_running_loop()
    count, end = 0, time.perf_counter() + seconds
    with ThreadPoolExecutor(1) as pool:
        while time.perf_counter() < end:
            await loop.run_in_executor(pool, step)
            count += 1
    os.close(descriptor)
    return count / seconds


async def group_commit(folder: Path, writers: int, seconds: float) -> tuple[float, float, float]:
    """Durable operations a second, and p50 and p99 in microseconds."""
    loop = asyncio.get_running_loop()
    store = SqliteStore(folder, loop.call_soon_threadsafe)
    list(store.load().entries)
    waiting: dict[int, asyncio.Future[None]] = {}
    acknowledged = issued = 0

    def on_durable(token: int) -> None:
        nonlocal acknowledged
        while acknowledged < token:
            acknowledged += 1
            waiting.pop(acknowledged).set_result(None)

    store.bind(on_durable, sys.exit)
    entry = bytes(ENTRY_BYTES)
    took: list[float] = []
    end = time.perf_counter() + seconds

    async def writer() -> None:
        nonlocal issued
        while (begun := time.perf_counter()) < end:
            issued += 1
            future = waiting[issued] = loop.create_future()
            store.append(issued, (entry,))
            await future
            took.append(time.perf_counter() - begun)

    await asyncio.gather(*(writer() for _ in range(writers)))
    store.close()
    took.sort()
    count = len(took)
    return count / seconds, took[count // 2] * 1e6, took[count * 99 // 100] * 1e6


def load_rates(folder: Path) -> list[tuple[str, float]]:
    """Seconds to write and to load a million entries as log and as snapshot."""
    rows = []
    for per_commit in (16, 256):
        path = folder / f"log-{per_commit}"
        done: list[object] = []
        store = SqliteStore(path, done.append)
        store.load()
        entry = os.urandom(80)
        for at in range(0, ENTRIES, per_commit):
            store.append(at, [entry] * per_commit)
            store.run_on_commit_thread(int) if at % 65_536 == 0 else None
        store.close()
        store = SqliteStore(path, done.append)
        begun = time.perf_counter()
        count = sum(1 for _ in store.load().entries)
        rows.append((f"load {count:,} entries of 80 B from the log", time.perf_counter() - begun))
        store.close()
    path = folder / "snapshot"
    store = SqliteStore(path, done.append)
    store.load()
    results: list[str | None] = []
    writer = store.begin_snapshot()
    begun = time.perf_counter()
    for _ in range(ENTRIES * 80 // CHUNK_BYTES):
        writer.write(os.urandom(CHUNK_BYTES))
    finished: list[object] = []
    writer.commit(results.append)
    while not writer.ended:
        time.sleep(0.001)
    rows.append(("write a snapshot of 80 MB", time.perf_counter() - begun))
    store.close()
    store = SqliteStore(path, finished.append)
    begun = time.perf_counter()
    size = sum(map(len, store.load().snapshot))
    rows.append((f"load a snapshot of {size / 1e6:.0f} MB", time.perf_counter() - begun))
    store.close()
    return rows


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as name:
        folder = Path(name)
        print(f"bare append + fdatasync      {bare_sync(folder, seconds):10,.0f} /s")
        threaded = uvloop.run(threaded_sync(folder, seconds))
        print(f"the same behind an executor  {threaded:10,.0f} /s")
        for writers in WRITERS:
            path = folder / f"writers-{writers}"
            rate, p50, p99 = uvloop.run(group_commit(path, writers, seconds))
            print(
                f"store, {writers:3} writers           {rate:10,.0f} /s"
                f"   p50 {p50:7,.0f} us   p99 {p99:7,.0f} us"
            )
        for what, took in load_rates(folder):
            print(f"{what}: {took:.2f} s")


if __name__ == "__main__":
    main()
