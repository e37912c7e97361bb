"""What Prometheus reads: names, labels, buckets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from nexus.model.views import NodeView, UsageView
from nexus.telemetry.metrics import (
    POOL_LABELS_MAX,
    REQUEST_SECONDS,
    SYNC_SECONDS,
    Histogram,
    Metrics,
)


class Source:
    """A node of two pools and three members."""

    def __init__(self) -> None:
        self.usages = [
            ("ipv4", UsageView("wifi", 256, 250, 2, 1, 0, 3)),
            ("vlan", UsageView("cvid", 100, 0, 100, 0, 0, 0)),
        ]

    def pool_usages(self) -> Iterable[tuple[str, UsageView]]:
        return self.usages

    def nodes(self) -> Iterable[NodeView]:
        status = {"a": "active", "b": "active", "c": "expired"}
        return [NodeView(name, "core", state, 0) for name, state in status.items()]

    def last_heartbeats(self) -> Iterable[tuple[str, float]]:
        return [("a", 1_767_268_800.5)]

    def clset_counts(self) -> tuple[int, int, int]:
        return 5, 6, 2


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of a scrape by name and sorted labels."""
    text = generate_latest(metrics.registry).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(name: str, **labels: Any) -> tuple[str, tuple[tuple[str, str], ...]]:
    return name, tuple(sorted(labels.items()))


def test_names_and_values_of_a_scrape() -> None:
    metrics = Metrics(Source())
    metrics.route("GET", "/api/v1/pools").observe(200, 0.002)
    metrics.pool("wifi").observe("created", 0.0004)
    metrics.pool("wifi").observe("pool_exhausted", 30.0)
    metrics.clset_sync_seconds.observe(0.02)
    metrics.connections_open = 3
    seen = samples(metrics)
    wifi = {"pool_id": "wifi", "type": "ipv4"}
    request = {"method": "GET", "path": "/api/v1/pools"}
    expected = {
        of("nexus_pool_total", **wifi): 256,
        of("nexus_pool_allocated", **wifi): 2,
        of("nexus_pool_available", **wifi): 250,
        of("nexus_pool_utilization_ratio", **wifi): 3 / 253,
        of("nexus_pool_utilization_ratio", pool_id="cvid", type="vlan"): 1,
        of("nexus_nodes_total", role="core", state="active"): 2,
        of("nexus_nodes_total", role="core", state="expired"): 1,
        of("nexus_node_last_heartbeat_seconds", node_id="a"): 1_767_268_800.5,
        of("nexus_clset_puts_total"): 5,
        of("nexus_clset_gets_total"): 6,
        of("nexus_clset_peers_total"): 2,
        of("nexus_clset_sync_duration_seconds_count"): 1,
        of("nexus_api_requests_total", **request, status="200"): 1,
        of("nexus_api_request_duration_seconds_bucket", **request, le="0.001"): 0,
        of("nexus_api_request_duration_seconds_bucket", **request, le="0.0025"): 1,
        of("nexus_api_request_duration_seconds_sum", **request): 0.002,
        of("nexus_allocations_total", pool_id="wifi", result="created"): 1,
        of("nexus_allocations_total", pool_id="wifi", result="pool_exhausted"): 1,
        of("nexus_allocation_duration_seconds_bucket", pool_id="wifi", le="10.0"): 1,
        of("nexus_allocation_duration_seconds_bucket", pool_id="wifi", le="+Inf"): 2,
        of("nexus_allocation_duration_seconds_count", pool_id="wifi"): 2,
        of("nexus_api_connections"): 3,
        of("nexus_api_connections_refused_total"): 0,
        of("nexus_api_connections_cut_total"): 0,
        of("nexus_api_watchers"): 0,
    }
    for key, value in expected.items():
        assert abs(seen[key] - value) < 1e-9, key


def test_a_process_without_a_node_exports_its_own_counters() -> None:
    seen = samples(Metrics())
    assert of("nexus_api_connections") in seen
    assert not any(name.startswith("nexus_pool_") for name, _labels in seen)


def test_labels_of_pools_are_bounded() -> None:
    metrics = Metrics()
    for n in range(POOL_LABELS_MAX + 50):
        metrics.pool(f"p{n}").count("created")
        metrics.pool_refusing(f"guess{n}", "pool_not_found").count("pool_not_found")
    pools = {dict(labels)["pool_id"] for name, labels in samples(metrics) if "allocations" in name}
    assert len(pools) <= POOL_LABELS_MAX + 2
    assert not any(name.startswith("guess") for name in pools)
    assert {"other", "unknown"} <= pools


def test_a_deleted_pool_leaves_the_page() -> None:
    source = Source()
    metrics = Metrics(source)
    metrics.pool("wifi").count("created")
    key = of("nexus_allocations_total", pool_id="wifi", result="created")
    assert key in samples(metrics)
    source.usages = []
    assert key not in samples(metrics)


def test_a_value_equal_to_a_bound_is_below_it() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 3.0):
        histogram.observe(value)
    assert histogram.cumulative() == [("1.0", 2), ("2.0", 4), ("+Inf", 5)]
    assert histogram.sum == 8.0


def test_bounds_rise() -> None:
    for bounds in (REQUEST_SECONDS, SYNC_SECONDS):
        assert list(bounds) == sorted(set(bounds))
