"""A million allocations: bytes each, and how long a restart after KILL takes.

The yardsticks are plain Python in processes of their own: a dict of attributes per row for
memory, and one msgpack decode of a million rows for the restart (CPU time of both).
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.cells import FOREIGN_CORES_MAX, Cell, Line, table
from tests.bench.machine import Neighbours
from tests.support.daemon import Daemon

BATCH = 1000
POOL = {"id": "bench", "cidr": "10.0.0.0/11"}
"""Two million addresses: half full at the end."""
BYTES_ASKED = 450
RESTART_ASKED_S = 2.0
READY_LIMIT_S = 120.0
RETRIES_MAX = 3

DICT_ROWS = """
import sys
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
before = resident()
rows = {}
for i in range(int(sys.argv[1])):
    rows[i] = {"subscriber": "s-%d" % i, "index": i, "epoch": 1, "seq": i, "ends": i + 10**15}
print((resident() - before) / len(rows))
"""

DECODE = """
import sys, time, msgspec
class Row(msgspec.Struct, array_like=True, gc=False):
    index: int; subscriber: str; epoch: int; seq: int; length: int; kind: int; ttl: int; ends: int
count = int(sys.argv[1])
data = msgspec.msgpack.encode(
    [Row(i, "s-%d" % i, 1, i, 1, 1, 86400, i + 10**15) for i in range(count)])
started = time.process_time()
rows = msgspec.msgpack.decode(data, type=list[Row])
by_subscriber = {row.subscriber: row for row in rows}
print(time.process_time() - started)
"""


def _script(text: str, count: int) -> float:
    done = subprocess.run(
        [sys.executable, "-c", text, str(count)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def _fill(daemon: Daemon, count: int) -> float:
    """Allocate ``count`` subscribers by batches; seconds it took."""
    started = time.monotonic()
    with daemon.client(timeout_s=60) as client:
        for start in range(0, count, BATCH):
            items = [
                {"pool_id": "bench", "subscriber_id": f"mac-{i:012x}", "ttl": 86400}
                for i in range(start, min(start + BATCH, count))
            ]
            body = json.dumps({"allocations": items}).encode()
            answer = client.request("POST", "/api/v1/allocations/batch", body=body)
            assert answer.expect(200)["failed"] == 0, answer.body[:300]
    return time.monotonic() - started


@dataclass(frozen=True)
class Restart:
    """One restart after KILL."""

    seconds: float
    """Until it was ready."""
    cpu_seconds: float
    """That the process had used by then."""
    bytes_each: float
    foreign_cores: float
    """What others kept busy meanwhile."""


def _restart(daemon: Daemon, count: int, empty_bytes: int) -> Restart:
    """KILL and start again, a few times if the neighbours are not quiet; the quietest one."""
    taken: list[Restart] = []
    for _ in range(RETRIES_MAX):
        daemon.kill()
        neighbours = Neighbours()
        started = time.monotonic()
        daemon.start(limit_s=READY_LIMIT_S)
        took = time.monotonic() - started
        cpu = daemon.cpu_seconds()
        # The daemon is too young to have been subtracted by its number.
        cores = max(0.0, neighbours.cores() - cpu / took)
        with daemon.client(timeout_s=60) as client:
            assert client.get("/api/v1/pools/bench/usage").expect(200)["held"] == count
        grown = (daemon.resident_bytes() - empty_bytes) / count
        taken.append(Restart(took, cpu, grown, cores))
        if cores <= FOREIGN_CORES_MAX:
            break
    return min(taken, key=lambda each: each.foreign_cores)


def _fixed(name: str, unit: str, values: list[float], cores: list[float] | None = None) -> Cell:
    samples = list(zip(values, cores or [0.0] * len(values), strict=True))
    return Cell(name, unit, lambda: statistics.median(values), samples=samples)


def report(folder: Path, rounds: int, count: int) -> str:
    """Measure and format."""
    # A restart finds its bytecode, as an installed package does, whatever this shell says of it.
    bytecode = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    daemon = Daemon(folder / "nexus", environment=bytecode)
    with daemon:
        with daemon.client() as client:
            client.post("/api/v1/pools", POOL).expect(201)
        empty = daemon.resident_bytes()
        fill_s = _fill(daemon, count)
        grown = (daemon.resident_bytes() - empty) / count
        restarts, decodes = [], []
        for _ in range(rounds):
            restarts.append(_restart(daemon, count, empty))
            decodes.append(_script(DECODE, count))
        stopping = time.monotonic()
        assert daemon.stop(limit_s=READY_LIMIT_S) == 0
        stop_s = time.monotonic() - stopping
        disk = sum(path.stat().st_size for path in daemon.data_path.rglob("*") if path.is_file())
    rows = [_script(DICT_ROWS, count)]
    decode = _fixed("one msgpack decode and index", "s", decodes)
    dicts = _fixed("a dict per row", "B", rows)
    label = f"{count:,} allocations"
    cores = [each.foreign_cores for each in restarts]
    took = [each.seconds for each in restarts]
    cpu = [each.cpu_seconds for each in restarts]
    after = [each.bytes_each for each in restarts]
    lines = [
        Line(_fixed(f"resident memory each, {label}", "B", [grown]), None, BYTES_ASKED, True),
        Line(_fixed("resident memory each, after a restart", "B", after), None, BYTES_ASKED, True),
        Line(_fixed("resident memory each against plain dicts", "B", [grown]), dicts),
        Line(_fixed(f"restart after KILL, {label}", "s", took, cores), None, RESTART_ASKED_S, True),
        Line(_fixed("CPU of that restart", "s", cpu, cores), None, RESTART_ASKED_S, True),
        Line(_fixed("CPU of that restart against one decode", "s", cpu, cores), decode, 4.0, True),
    ]
    notes = [
        f"Filled in {fill_s:.1f} s by batches of {BATCH} ({count / fill_s:,.0f}/s, one client); "
        f"stopped by TERM with a snapshot in {stop_s:.1f} s; {disk / count:.0f} B of disk each.",
    ]
    return table("A million allocations", lines, notes)
