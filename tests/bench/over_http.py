"""Durable allocations over HTTP beside a bare aiohttp handler, etcd and Redis, in one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from random import Random

from tests.bench import generators, peers
from tests.bench.cells import Cell, Line, run, table
from tests.support.daemon import Daemon

CONNECTIONS = (1, 16, 64)
BATCH_SIZE = 100
POOL = {"id": "bench", "cidr": "10.0.0.0/8"}

BARE, ETCD, REDIS = "bare aiohttp", "etcd gRPC put", "Redis"
ASKED = {BARE: {64: 0.6}, ETCD: {1: 0.85, 16: 0.9, 64: 0.9}, REDIS: {64: 0.4}}
"""Ratio to each peer that should be reached, by connections."""
ASKED_OF_BATCH = 5.0


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


def report(folder: Path, rounds: int, seconds: float, rng: Random) -> str:
    """Measure and format."""
    with servers(folder) as (daemon, found):
        pids = [daemon.process.pid, *(peer.pid for peer in found.values())]

        def cell(name: str, unit: str, sample: Callable[[], float]) -> Cell:
            return Cell(name, unit, sample, lambda: pids)

        lines: list[Line] = []
        cells: list[Cell] = []
        singles: dict[int, Cell] = {}
        for count in CONNECTIONS:
            ours = cell(
                f"durable POST, {count} connections",
                "/s",
                partial(generators.single_posts, folder, daemon.http_port, count, seconds),
            )
            singles[count] = ours
            cells.append(ours)
            for name, peer in found.items():
                sample = _peer_sample(name, peer, folder, count, seconds)
                yardstick = cell(f"{name}, {count} connections", "/s", sample)
                cells.append(yardstick)
                lines.append(Line(ours, yardstick, ASKED[name].get(count)))
        for count in (1, 16):
            batch = cell(
                f"batch of {BATCH_SIZE}, {count} connections",
                "allocations/s",
                partial(
                    generators.batch_posts, folder, daemon.http_port, count, BATCH_SIZE, seconds
                ),
            )
            cells.append(batch)
            lines.append(Line(batch, singles[count], ASKED_OF_BATCH))
        _warm_up(folder, daemon, found)
        run(cells, rounds, rng)
        cpu_us = _cpu_us_per_post(folder, daemon, seconds)
    notes = [
        f"Server CPU per durable POST at 64 connections: {cpu_us:.0f} us.",
        "",
        "etcd's put does MVCC and Raft, Redis runs a script of two commands with `appendfsync "
        "always`; Nexus as a single node replicates to nobody.  Generator and servers share the "
        "cores.",
    ]
    return table("Durable allocations over HTTP", lines, notes)


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


def _cpu_us_per_post(folder: Path, daemon: Daemon, seconds: float) -> float:
    before = daemon.cpu_seconds()
    rate = generators.single_posts(folder, daemon.http_port, 64, seconds)
    requests = rate * max(1, round(seconds))
    return (daemon.cpu_seconds() - before) / requests * 1e6
