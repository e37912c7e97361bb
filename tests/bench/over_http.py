"""Durable allocations over HTTP beside a bare aiohttp handler, etcd and Redis, in one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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

ASK_OF_BARE = {64: 0.6}
ASK_OF_ETCD = {1: 0.85, 16: 0.9, 64: 0.9}
ASK_OF_REDIS = {64: 0.4}
ASK_BATCH = 5.0


@contextmanager
def servers(folder: Path) -> Iterator[tuple[Daemon, dict[str, peers.Peer]]]:
    """Nexus and every peer that is installed."""
    with ExitStack() as stack:
        daemon = stack.enter_context(Daemon(folder / "nexus"))
        with daemon.client() as client:
            client.post("/api/v1/pools", POOL).expect(201)
        found = {"bare aiohttp": stack.enter_context(peers.bare_aiohttp(folder / "bare"))}
        for name, peer in (
            ("etcd gRPC put", peers.etcd(folder / "etcd")),
            ("Redis", peers.redis(folder / "redis")),
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
            yardsticks = _yardsticks(folder, found, count, seconds, cell)
            cells += [ours, *yardsticks]
            asks = (ASK_OF_BARE, ASK_OF_ETCD, ASK_OF_REDIS)
            by_name = dict(zip(("bare", "etcd", "Redis"), asks, strict=True))
            lines += [
                Line(ours, yardstick, by_name[yardstick.name.split()[0]].get(count))
                for yardstick in yardsticks
            ]
        for count in (1, 16):
            batch = cell(
                f"batch of {BATCH_SIZE}, {count} connections",
                "allocations/s",
                partial(
                    generators.batch_posts, folder, daemon.http_port, count, BATCH_SIZE, seconds
                ),
            )
            cells.append(batch)
            lines.append(Line(batch, singles[count], ASK_BATCH))
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


def _yardsticks(
    folder: Path,
    found: dict[str, peers.Peer],
    count: int,
    seconds: float,
    cell: Callable[[str, str, Callable[[], float]], Cell],
) -> Sequence[Cell]:
    samples: dict[str, Callable[[peers.Peer], Callable[[], float]]] = {
        "bare aiohttp": lambda peer: partial(
            generators.single_posts, folder, peer.port, count, seconds
        ),
        "etcd gRPC put": lambda peer: partial(
            generators.etcd_puts, folder, peer.port, count, seconds
        ),
        "Redis": lambda peer: partial(generators.redis_allocations, peer.port, count, seconds),
    }
    return [
        cell(f"{name}, {count} connections", "/s", samples[name](peer))
        for name, peer in found.items()
    ]


def _warm_up(folder: Path, daemon: Daemon, found: dict[str, peers.Peer]) -> None:
    generators.single_posts(folder, daemon.http_port, 16, 1)
    generators.single_posts(folder, found["bare aiohttp"].port, 16, 1)
    if "etcd gRPC put" in found:
        generators.etcd_puts(folder, found["etcd gRPC put"].port, 16, 1)


def _cpu_us_per_post(folder: Path, daemon: Daemon, seconds: float) -> float:
    before = daemon.cpu_seconds()
    rate = generators.single_posts(folder, daemon.http_port, 64, seconds)
    requests = rate * max(1, round(seconds))
    return (daemon.cpu_seconds() - before) / requests * 1e6
