"""The registry of keys and the typed result belong together."""

from __future__ import annotations

import msgspec
import pytest

from nexus.config.keys import KEY_BY_NAME, KEYS, Key
from nexus.config.schema import ServeConfig


def test_every_field_has_one_key_and_every_key_a_field() -> None:
    fields = [field.name for field in msgspec.structs.fields(ServeConfig)]
    assert sorted(key.field for key in KEYS) == sorted(fields)
    assert len(KEY_BY_NAME) == len(KEYS)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_a_default_is_a_value_that_the_key_accepts(key: Key) -> None:
    assert key.kind.parse(key.kind.show(key.default)) == key.default
    assert key.help
    assert not (key.missing and key.idle)


def test_the_seeds_flags_and_ports() -> None:
    flags = {key.flag: key.default for key in KEYS}
    assert flags["--http-port"] == 9000
    assert flags["--grpc-port"] == 9001
    assert flags["--metrics-port"] == 9002
    assert flags["--p2p-port"] == 33123
    assert flags["--role"] == "core"
    assert "--node-id" in flags
    assert flags["--data-path"] == "data"
    assert flags["--listen"] == "127.0.0.1"


# key -> (values that are accepted, values that are not): the ends of each range from both sides
EDGES: dict[str, tuple[list[object], list[object]]] = {
    "node_id": (["a", "nexus-01", "x" * 128], ["-a", "a-", "a b", "x" * 129]),
    "role": (["core", "write", "read", "edge"], ["", "Core"]),
    "weight": (["0.01", 100], ["0.009", 101]),
    "data_path": (["data", "/var/lib/nexus"], [""]),
    "ephemeral": (["true", False], ["perhaps"]),
    "listen": (["0.0.0.0", "::", "localhost"], ["", "nexus.example"]),
    "http_port": ([0, 65535], [-1, 65536]),
    "metrics_port": ([0, 65535], [-1, 65536]),
    "max_connections": ([1, 1_000_000], [0, 1_000_001]),
    "registration_rate": ([1, 100_000], [0, 100_001]),
    "registration_burst": ([1, 1_000_000], [0, 1_000_001]),
    "shutdown_grace": (["0s", "10m"], ["11m", "none"]),
    "snapshot_log_mib": ([1, 65_536], [0, 65_537]),
    "watch_buffer": ([100, 10_000_000], [99, 10_000_001]),
    "log_level": (["debug", "error"], ["loud"]),
    "log_format": (["text", "json"], ["xml"]),
    "clock_error_bound": (["none", "0s", "1h"], ["61m"]),
    "renew_interval": (["none", "1s", "5d"], ["999ms", "6d"]),
    "witness_age": (["100ms", "10s"], ["99ms", "11s"]),
    "suspect_phi": ([1, 16], ["0.9", 17]),
    "offline_after": (["3s", "1h"], ["2s", "61m"]),
    "cold_start_offline": (["deny", "rtc_trusted"], ["allow"]),
    "cold_start_error_bound": (["none", "1h"], ["61m"]),
    "ack_limit": (["1s", "15m"], ["999ms", "16m"]),
    "round_interval": ([0, "100ms"], ["101ms"]),
    "quorum_wait": (["100ms", "30s"], ["99ms", "31s"]),
    "grant_wait": ([0, "30s"], ["31s"]),
    "drift_ppm": ([100, 20_000], [99, 20_001]),
    "move_budget": (["0%", "100%"], ["101%", "-1%"]),
}


def test_every_working_key_has_its_edges_listed() -> None:
    working = [key.name for key in KEYS if not key.missing and not key.idle]
    assert [name for name in working if name not in EDGES] == []


@pytest.mark.parametrize("name", EDGES)
def test_the_edges_of_a_key(name: str) -> None:
    kind = KEY_BY_NAME[name].kind
    accepted, refused = EDGES[name]
    for value in accepted:
        kind.parse(value)
    for value in refused:
        with pytest.raises(ValueError):
            kind.parse(value)
