"""All that callers can see of a daemon and that nothing but a change may change."""

from __future__ import annotations

from typing import Any

from tests.support.daemon import Daemon


def state(daemon: Daemon) -> dict[str, Any]:
    """All that callers can see and that must not change by a restart."""
    with daemon.client() as client:
        return {
            "pools": list(client.pages("/api/v1/pools", "pools")),
            "allocations": list(client.pages("/api/v1/allocations", "allocations")),
            "devices": list(client.pages("/api/v1/devices", "devices")),
            "nodes": [node["id"] for node in client.pages("/api/v1/nodes", "nodes")],
        }
