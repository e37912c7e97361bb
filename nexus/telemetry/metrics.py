"""What the node counts, and how Prometheus reads it.

The hot path only adds to plain integers; a collector turns them into metric families when they are
scraped.  Everything lives on the event loop's thread, scrapes too, so nothing here locks.  Labels
are bounded: paths are route templates, pools that do not exist share one label, and beyond
`POOL_LABELS_MAX` pools the rest does too.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from nexus.model.views import NodeView, UsageView

POOL_LABELS_MAX = 1_000
OTHER_POOLS = "other"
UNKNOWN_POOL = "unknown"
_CODES_OF_NO_POOL = frozenset({"pool_not_found", "starting", "internal_error"})

REQUEST_SECONDS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
"""Bounds from a lookup in memory (0.1 ms) over a disk commit (1 ms) to a lost owner (2 s)."""
SYNC_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0)
"""Bounds from one delta to a member that comes back after a partition."""


class Histogram:
    """Counts by upper bound, and the sum."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value; a value equal to a bound is below it."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def cumulative(self) -> list[tuple[str, float]]:
        """Pairs of upper bound and count up to it, as the exposition format wants them."""
        total = 0
        pairs = []
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            total += count
            pairs.append((bound, float(total)))
        return pairs


class RouteStats:
    """Requests of one route: how many by status, and how long they took."""

    __slots__ = ("by_status", "method", "path", "seconds")

    def __init__(self, method: str, path: str) -> None:
        self.method = method
        self.path = path
        self.by_status: dict[int, int] = {}
        self.seconds = Histogram(REQUEST_SECONDS)

    def observe(self, status: int, seconds: float) -> None:
        """Count one request."""
        counts = self.by_status
        counts[status] = counts.get(status, 0) + 1
        histogram = self.seconds  # `observe` without the call
        histogram.counts[bisect_left(REQUEST_SECONDS, seconds)] += 1
        histogram.sum += seconds


class PoolStats:
    """Allocation requests of one pool: how many by result, and how long they took."""

    __slots__ = ("by_result", "pool_id", "seconds")

    def __init__(self, pool_id: str) -> None:
        self.pool_id = pool_id
        self.by_result: dict[str, int] = {}
        self.seconds = Histogram(REQUEST_SECONDS)

    def observe(self, result: str, seconds: float) -> None:
        """Count one request."""
        counts = self.by_result
        counts[result] = counts.get(result, 0) + 1
        histogram = self.seconds
        histogram.counts[bisect_left(REQUEST_SECONDS, seconds)] += 1
        histogram.sum += seconds

    def count(self, result: str) -> None:
        """Count one request whose time says nothing: an item of a batch."""
        self.by_result[result] = self.by_result.get(result, 0) + 1


class NodeSource(Protocol):
    """What a scrape asks the node; called on the event loop's thread, O(pools + members)."""

    def pool_usages(self) -> Iterable[tuple[str, UsageView]]:
        """Resource type and units of every pool."""

    def nodes(self) -> Iterable[NodeView]:
        """All members."""

    def last_heartbeats(self) -> Iterable[tuple[str, float]]:
        """Member id and Unix time in seconds of its last heartbeat."""

    def clset_counts(self) -> tuple[int, int, int]:
        """Puts, gets, and peers in sync."""


class Metrics:
    """All counters of a process, and the registry that exports them."""

    def __init__(self, source: NodeSource | None = None) -> None:
        self.source = source
        self.clset_sync_seconds = Histogram(SYNC_SECONDS)
        self.connections_open = 0
        self.connections_refused = 0
        self.connections_cut = 0
        self.watchers = 0
        self._routes: dict[tuple[str, str], RouteStats] = {}
        self._pools: dict[str, PoolStats] = {}
        self.registry = CollectorRegistry()
        self.registry.register(_NodeCollector(self))
        for standard in (ProcessCollector, PlatformCollector, GCCollector):
            standard(registry=self.registry)

    def route(self, method: str, path: str) -> RouteStats:
        """Counters of one route; ask once, keep them."""
        return self._routes.setdefault((method, path), RouteStats(method, path))

    def pool(self, pool_id: str) -> PoolStats:
        """Counters of one pool that exists."""
        stats = self._pools.get(pool_id)
        if stats is None:
            if len(self._pools) >= POOL_LABELS_MAX:
                pool_id = OTHER_POOLS
            stats = self._pools.setdefault(pool_id, PoolStats(pool_id))
        return stats

    def pool_refusing(self, pool_id: str, code: str) -> PoolStats:
        """Counters for a refusal: what the caller made up never becomes a label."""
        return self.pool(UNKNOWN_POOL if code in _CODES_OF_NO_POOL else pool_id)

    def keep_pools(self, pool_ids: set[str]) -> None:
        """Drop the counters of deleted pools; their labels make room for others."""
        kept = pool_ids | {UNKNOWN_POOL, OTHER_POOLS}
        for pool_id in [pool_id for pool_id in self._pools if pool_id not in kept]:
            del self._pools[pool_id]

    def request_families(self) -> Iterator[Metric]:
        """Requests of the API."""
        requests = CounterMetricFamily(
            "nexus_api_requests_total",
            "Requests by route template and status.",
            labels=("method", "path", "status"),
        )
        seconds = HistogramMetricFamily(
            "nexus_api_request_duration_seconds",
            "Time from the whole request read to the reply ready.",
            labels=("method", "path"),
        )
        for route in self._routes.values():
            for status, count in route.by_status.items():
                requests.add_metric((route.method, route.path, str(status)), count)
            if route.by_status:
                labels = (route.method, route.path)
                seconds.add_metric(labels, route.seconds.cumulative(), route.seconds.sum)
        yield requests
        yield seconds

    def allocation_families(self) -> Iterator[Metric]:
        """Allocation requests by pool."""
        results = CounterMetricFamily(
            "nexus_allocations_total",
            "Allocation requests by pool and result: created, existing or an error's code.",
            labels=("pool_id", "result"),
        )
        seconds = HistogramMetricFamily(
            "nexus_allocation_duration_seconds",
            "Time from the request read to the durable answer, single requests.",
            labels=("pool_id",),
        )
        for pool in self._pools.values():
            for result, count in pool.by_result.items():
                results.add_metric((pool.pool_id, result), count)
            seconds.add_metric((pool.pool_id,), pool.seconds.cumulative(), pool.seconds.sum)
        yield results
        yield seconds

    def edge_families(self) -> Iterator[Metric]:
        """Connections and watchers."""
        yield GaugeMetricFamily("nexus_api_connections", "Open connections.", self.connections_open)
        yield CounterMetricFamily(
            "nexus_api_connections_refused_total",
            "Connections closed at once because max_connections were open.",
            self.connections_refused,
        )
        yield CounterMetricFamily(
            "nexus_api_connections_cut_total",
            "Connections closed because the client was too slow.",
            self.connections_cut,
        )
        yield GaugeMetricFamily("nexus_api_watchers", "Open watch streams.", self.watchers)


def pool_families(usages: Iterable[tuple[str, UsageView]]) -> Iterator[Metric]:
    """Units of the pools."""
    labels = ("pool_id", "type")
    total = GaugeMetricFamily("nexus_pool_total", "Units, reserved ones included.", labels=labels)
    held = GaugeMetricFamily("nexus_pool_allocated", "Units held by subscribers.", labels=labels)
    free = GaugeMetricFamily("nexus_pool_available", "Units free right now.", labels=labels)
    ratio = GaugeMetricFamily(
        "nexus_pool_utilization_ratio",
        "Held and cooling share of what can be given out.",
        labels=labels,
    )
    for resource_type, usage in usages:
        of = (usage.pool_id, resource_type)
        total.add_metric(of, usage.size)
        held.add_metric(of, usage.held)
        free.add_metric(of, usage.free)
        ratio.add_metric(of, usage.utilization)
    yield from (total, held, free, ratio)


def member_families(source: NodeSource) -> Iterator[Metric]:
    """Members by role and state, and when each was last heard."""
    by_role: dict[tuple[str, str], int] = {}
    for node in source.nodes():
        by_role[node.role, node.status] = by_role.get((node.role, node.status), 0) + 1
    nodes = GaugeMetricFamily("nexus_nodes_total", "Members.", labels=("role", "state"))
    for labels, count in by_role.items():
        nodes.add_metric(labels, count)
    heard = GaugeMetricFamily(
        "nexus_node_last_heartbeat_seconds",
        "Unix time of the last heartbeat.",
        labels=("node_id",),
    )
    for node_id, seconds in source.last_heartbeats():
        heard.add_metric((node_id,), seconds)
    yield from (nodes, heard)


def clset_families(metrics: Metrics, source: NodeSource) -> Iterator[Metric]:
    """The replicated state."""
    puts, gets, peers = source.clset_counts()
    yield CounterMetricFamily("nexus_clset_puts_total", "Changes put into the CLSet.", puts)
    yield CounterMetricFamily("nexus_clset_gets_total", "Reads of the CLSet.", gets)
    yield GaugeMetricFamily("nexus_clset_peers_total", "Peers in sync.", peers)
    sync = metrics.clset_sync_seconds
    yield HistogramMetricFamily(
        "nexus_clset_sync_duration_seconds",
        "Time of one exchange with a peer.",
        buckets=sync.cumulative(),
        sum_value=sync.sum,
    )


class _NodeCollector(Collector):
    """Makes the families at scrape time."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        metrics = self._metrics
        if metrics.source is not None:
            usages = list(metrics.source.pool_usages())
            metrics.keep_pools({usage.pool_id for _type, usage in usages})
            yield from pool_families(usages)
            yield from member_families(metrics.source)
            yield from clset_families(metrics, metrics.source)
        yield from metrics.request_families()
        yield from metrics.allocation_families()
        yield from metrics.edge_families()

    def describe(self) -> list[Metric]:
        """Nothing: registration must not ask the node yet."""
        return []
