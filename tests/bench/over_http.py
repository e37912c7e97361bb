"""Durable allocations over HTTP beside a bare aiohttp handler, etcd and Redis, in one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from random import Random

from tests.bench import generators, machine, peers
from tests.bench.cells import RETRIES_MAX, Cell, Line, run, table
from tests.support.daemon import Daemon

CONNECTIONS = (1, 16, 64)
BATCH_SIZE = 100
POOL = {"id": "bench", "cidr": "10.0.0.0/8"}

BARE, ETCD, REDIS = "bare aiohttp", "etcd gRPC put", "Redis"
ASKED = {BARE: {64: 0.6}, ETCD: {1: 0.85, 16: 0.9, 64: 0.9}, REDIS: {64: 0.4}}
"""Ratio to each peer that should be reached, by connections."""
ASKED_OF_BATCH = 5.0


class Meter:
    """CPU microseconds of a server per operation, noted beside each sample of its rate."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.us: list[float] = []

    def around(self, sample: Callable[[], float], seconds: float) -> Callable[[], float]:
        """The same sample, metered."""

        def metered() -> float:
            before = machine.process_cpu_s(self.pid)
            rate = sample()
            used = machine.process_cpu_s(self.pid) - before
            self.us.append(used / (rate * max(1, round(seconds))) * 1e6)
            return rate

        return metered

    def cell(self, name: str) -> Cell:
        """What was noted, as a cell; CPU time hardly feels the neighbours."""
        return Cell(name, "us", lambda: 0.0, samples=[(us, 0.0) for us in self.us])


@contextmanager
def servers(folder: Path) -> Iterator[tuple[Daemon, dict[str, peers.Peer]]]:
    """Nexus and every peer that is installed."""
    with ExitStack() as stack:
        daemon = stack.enter_context(Daemon(folder / "nexus"))
        with daemon.client() as client:
            client.post("/api/v1/pools", POOL).expect(201)
        found = {BARE: stack.enter_context(peers.bare_aiohttp(folder / "bare"))}
        for name, peer in (
            (ETCD, peers.etcd(folder / "etcd")),
            (REDIS, peers.redis(folder / "redis")),
        ):
            if peer is not None:
                found[name] = stack.enter_context(peer)
        yield daemon, found


class _Plan:
    """Cells, meters and lines of one run."""

    def __init__(self, pids: Sequence[int], seconds: float, retries_max: int) -> None:
        self.cells: list[Cell] = []
        self.lines: list[Line] = []
        self.meters: dict[str, Meter] = {}
        self._pids = pids
        self._seconds = seconds
        self._retries_max = retries_max

    def cell(self, name: str, unit: str, pid: int, sample: Callable[[], float]) -> Cell:
        """One more cell, metered."""
        meter = self.meters[name] = Meter(pid)
        sample = meter.around(sample, self._seconds)
        made = Cell(name, unit, sample, lambda: self._pids, retries_max=self._retries_max)
        self.cells.append(made)
        return made

    def cpu_lines(self) -> list[Line]:
        """The same comparisons by CPU: the yardstick's over ours, so more is better again."""
        found = []
        for line in self.lines:
            if line.yardstick is None or line.yardstick.name not in self.meters:
                continue
            ours = self.meters[line.cell.name].cell(f"{line.cell.name}: server CPU each")
            theirs = self.meters[line.yardstick.name].cell(line.yardstick.name)
            found.append(Line(ours, theirs))
        return found


def report(folder: Path, rounds: int, seconds: float, rng: Random, *, gate: bool = True) -> str:
    """Measure and format."""
    with servers(folder) as (daemon, found):
        pids = [daemon.process.pid, *(peer.pid for peer in found.values())]
        plan = _Plan(pids, seconds, RETRIES_MAX if gate else 1)
        port, pid = daemon.http_port, daemon.process.pid
        singles: dict[int, Cell] = {}
        for count in CONNECTIONS:
            sample: Callable[[], float] = partial(
                generators.single_posts, folder, port, count, seconds
            )
            ours = singles[count] = plan.cell(
                f"durable POST, {count} connections", "/s", pid, sample
            )
            for name, peer in found.items():
                sample = _peer_sample(name, peer, folder, count, seconds)
                yardstick = plan.cell(f"{name}, {count} connections", "/s", peer.pid, sample)
                plan.lines.append(Line(ours, yardstick, ASKED[name].get(count)))
        for count in (1, 16):
            sample = partial(generators.batch_posts, folder, port, count, BATCH_SIZE, seconds)
            name = f"batch of {BATCH_SIZE}, {count} connections"
            batch = plan.cell(name, "allocations/s", pid, sample)
            plan.lines.append(Line(batch, singles[count], ASKED_OF_BATCH))
        _warm_up(folder, daemon, found)
        run(plan.cells, rounds, rng)
    notes = [
        "etcd's put does MVCC and Raft, Redis runs a script of two commands with `appendfsync "
        "always`; Nexus as a single node replicates to nobody.  Generator and servers share the "
        "cores.",
        "",
    ]
    rates = table("Durable allocations over HTTP", plan.lines, notes)
    cpu_notes = ["Here the smaller number is the better one."]
    return rates + "\n" + table("The same by CPU time of the server", plan.cpu_lines(), cpu_notes)


def _peer_sample(
    name: str, peer: peers.Peer, folder: Path, count: int, seconds: float
) -> Callable[[], float]:
    if name == ETCD:
        return partial(generators.etcd_puts, folder, peer.port, count, seconds)
    if name == REDIS:
        return partial(generators.redis_allocations, peer.port, count, seconds)
    return partial(generators.single_posts, folder, peer.port, count, seconds)


def _warm_up(folder: Path, daemon: Daemon, found: dict[str, peers.Peer]) -> None:
    generators.single_posts(folder, daemon.http_port, 16, 1)
    generators.single_posts(folder, found[BARE].port, 16, 1)
    if ETCD in found:
        generators.etcd_puts(folder, found[ETCD].port, 16, 1)
